/**
 * docs/consistency.md as its readers try it: every command of its session with what it shows, the program that does the
 * same, and what it says of settings and of the contract.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeSettings } from '../../server/config.ts';
import { RPCS } from './support/contract.ts';
import { replaySession } from './support/page-session.ts';
import { linesSaid, runExample } from './support/run-example.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const [PAGE = '', README = '', PROGRAM = ''] = await Promise.all(
  ['docs/consistency.md', 'README.md', 'sdk/examples/rotate-key.ts'].map(read),
);

describe('the session of the page about consistency', () => {
  const served = serveLatchkey();

  test('is what happens', async () => {
    const calls = await replaySession({ page: PAGE, readme: README, wire: served().raw() });
    expect(calls).toBeGreaterThan(12);
  });
});

describe('the program of the page about consistency', () => {
  const served = serveLatchkey();

  test('is shown as it is', () => {
    const shown = [...PAGE.matchAll(/<!-- sdk\/examples\/rotate-key.ts -->\n\n```ts\n([\s\S]*?)```/g)];
    expect(shown.map(([, code]) => code)).toEqual([PROGRAM]);
    expect(PAGE.match(/^```ts$/gm)).toHaveLength(1);
  });

  test('prints what its comments say', async () => {
    expect(await runExample(PROGRAM, served().server)).toEqual(linesSaid(PROGRAM));
  });
});

describe('the page about consistency', () => {
  test('names settings that there are, with their defaults', () => {
    const settings = new Map(describeSettings().map(({ name, fallback }) => [name, fallback]));
    const named = [...PAGE.matchAll(/`(LATCHKEY_[A-Z_]+|DATABASE_URL)`/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !settings.has(name))).toEqual([]);
    const rows = [...PAGE.matchAll(/^\| `(\w+)` +\| `(\d+)` +\|/gm)];
    expect(rows).toHaveLength(4);
    for (const [, name = '', fallback] of rows) expect(settings.get(name), name).toBe(fallback);
  });

  test('lists every RPC whose answer has an effective time, and no other', () => {
    const [, list = ''] = /all that may take access away: ([^.]*)\./.exec(PAGE) ?? [];
    const narrowing = RPCS.filter(({ output }) =>
      output.fields.some((field) => field.name === 'effective_time'),
    );
    const listed = [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual(narrowing.map(({ name }) => name.split('/')[1]).toSorted());
  });

  test('can rely on all of those taking `wait` and telling the propagation', () => {
    for (const { name, input, output } of RPCS) {
      const has = (fields: readonly { readonly name: string }[], field: string): boolean =>
        fields.some((each) => each.name === field);
      const narrows = has(output.fields, 'effective_time');
      expect([name, has(input.fields, 'wait'), has(output.fields, 'propagation')]).toEqual([
        name,
        narrows,
        narrows,
      ]);
    }
  });
});
