/**
 * docs/limits.md as its readers try it: every command of its session with what it shows, the program that is the other
 * half of each example, and what it says of numbers, names and metrics.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FAULT_CODES } from '../../core/fault.ts';
import { BUCKETS } from '../../server/budgets/buckets.ts';
import { CHUNK_LIFE_MS } from '../../server/budgets/rate-allowance.ts';
import { describeSettings } from '../../server/config.ts';
import { replaySession } from './support/page-session.ts';
import { linesSaid, runExample } from './support/run-example.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const [PAGE = '', README = ''] = await Promise.all(['docs/limits.md', 'README.md'].map(read));

describe('the session of the page about limits', () => {
  const served = serveLatchkey();

  test('is what happens', async () => {
    const calls = await replaySession({ page: PAGE, readme: README, wire: served().raw() });
    expect(calls).toBeGreaterThan(16);
  });
});

describe('the program of the page about limits', () => {
  const served = serveLatchkey();
  const parts = [...PAGE.matchAll(/<!-- program: (\w+) -->\n\n```ts\n([\s\S]*?)```/g)];
  const program = parts.map(([, , code]) => code).join('\n');

  test('has a part for each example, and there is no other code', () => {
    const examples = PAGE.split(/^## /m).find((chapter) => chapter.startsWith('Examples\n')) ?? '';
    // The first part is what all the others begin with.
    expect(parts).toHaveLength(1 + (examples.match(/^### /gm) ?? []).length);
    expect(PAGE.match(/^```ts$/gm)).toHaveLength(parts.length);
  });

  test('prints what its comments say', async () => {
    expect(await runExample(program, served().server)).toEqual(linesSaid(program));
  });
});

describe('the page about limits', () => {
  const served = serveLatchkey();

  test('says how much of a limit can be used', () => {
    const [, buckets, percent] = /A window is cut into (\d+) buckets[\s\S]*?\*\*(\d+) %\*\*/.exec(PAGE) ?? [];
    expect([Number(buckets), Number(percent)]).toEqual([
      BUCKETS,
      Math.round((100 * BUCKETS) / (BUCKETS + 1)),
    ]);
    expect(CHUNK_LIFE_MS).toBe(2000);
  });

  test('names metrics that there are, and all that are about limits', async () => {
    const [, table = ''] = /^\| metric +\|[^\n]*\n([\s\S]*?)\n\n/m.exec(PAGE) ?? [];
    const named = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name);
    const scraped = await (await fetch(`${served().server.httpAddress}/metrics`)).text();
    const offered = [...scraped.matchAll(/^# TYPE (latchkey_\w+)/gm)].map(([, name = '']) => name);
    expect(named.filter((name) => !offered.includes(name))).toEqual([]);
    expect(offered.filter((name) => /limits|ledger/.test(name) && !named.includes(name))).toEqual([]);
  });

  test('names settings and reasons that there are', () => {
    const settings = new Set(describeSettings().map(({ name }) => name));
    const named = [...PAGE.matchAll(/`(LATCHKEY_[A-Z_]+)`/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !settings.has(name))).toEqual([]);
    const reasons = [...PAGE.matchAll(/reason `([A-Z_]+)`/g)].map(([, name = '']) => name);
    expect(reasons.filter((name) => !(name in FAULT_CODES))).toEqual([]);
  });
});

test('the README names every reason of an error, with its code, and no other', () => {
  const [, table = ''] = /^\| code +\| reasons[^\n]*\n[^\n]*\n([\s\S]*?)\n\n/m.exec(README) ?? [];
  const told = [...table.matchAll(/^\| `(\w+)` +\| ([^|]*)/gm)].flatMap(([, code = '', reasons = '']) =>
    [...reasons.matchAll(/`(\w+)`/g)].map(([, reason = '']) => [reason, code]),
  );
  expect(Object.fromEntries(told)).toEqual(FAULT_CODES);
});
