import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLatchkey } from '../../../sdk/src/index.ts';
import { resolveOptions } from '../../../sdk/src/options.ts';

const SDK = resolve(import.meta.dirname, '../../../sdk');
const README = readFileSync(join(SDK, 'README.md'), 'utf8');

/** The code blocks with the names of the examples that they show. */
const SHOWN = [...README.matchAll(/<!-- examples\/(\S+) -->\n\n```\w+\n([\s\S]*?)```/g)].map(
  ([, name = '', code]) => [name, code] as const,
);

describe('the README of the SDK', () => {
  it('shows every example, which test/e2e/sdk-package.test.ts runs, but that of docs/rules.md', () => {
    expect([...SHOWN.map(([name]) => name), 'rules.ts'].toSorted()).toEqual(
      readdirSync(join(SDK, 'examples')).toSorted(),
    );
  });

  it.each(SHOWN)('shows the example %s as it is', (name, code) => {
    expect(code).toBe(readFileSync(join(SDK, 'examples', name), 'utf8'));
  });

  it('has no code but the examples and the installation', () => {
    expect(README.match(/^```\w+$/gm)).toHaveLength(SHOWN.length + 1);
  });

  it('names every method', () => {
    const latchkey = createLatchkey({ address: 'localhost:50051', token: 'token', tls: false });
    const { keys, keyspaces, policies, owners, limits, replicas } = latchkey;
    latchkey.close();
    for (const group of [keys, keyspaces, policies, owners, limits, replicas]) {
      for (const method of Object.keys(group)) expect(README, method).toMatch(new RegExp(`\\b${method}\\b`));
    }
  });

  it('starts in five lines', () => {
    const start = new Map(SHOWN).get('start.ts') ?? '';
    expect(start.trim().split('\n')).toHaveLength(5);
  });

  it('lists every option with its default', () => {
    const table = README.slice(README.indexOf('## Options'));
    const listed = [...table.matchAll(/^\| `(\w+)` +\|[^|]*\| +`?([^|`]*?)`? +\|/gm)].map(
      ([, name, value]) => [name, value],
    );
    const resolved = resolveOptions({ address: 'localhost:50051', token: 'token' });
    const { verifyDeadlineMs, deadlineMs, retries, keepaliveMs } = resolved;
    expect(Object.keys(resolved).toSorted()).toEqual(listed.map(([name]) => name).toSorted());
    expect(Object.fromEntries(listed)).toEqual({
      address: 'required',
      token: 'required',
      tls: 'true',
      verifyDeadlineMs: String(verifyDeadlineMs),
      deadlineMs: String(deadlineMs),
      retries: String(retries),
      keepaliveMs: String(keepaliveMs),
    });
  });
});
