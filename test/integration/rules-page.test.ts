/**
 * docs/rules.md as its readers try it: every command of its session with what it shows, and the program that is the
 * other half of each example.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { normalizePath } from '../../core/patterns/path.ts';
import { replaySession } from './support/page-session.ts';
import { linesSaid, runExample } from './support/run-example.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const [PAGE = '', README = '', PROGRAM = ''] = await Promise.all(
  ['docs/rules.md', 'README.md', 'sdk/examples/rules.ts'].map(read),
);

describe('the session of the page about rules', () => {
  const served = serveLatchkey();

  test('is what happens', async () => {
    const calls = await replaySession({ page: PAGE, readme: README, wire: served().raw() });
    expect(calls).toBeGreaterThan(40);
  });
});

test('paths become what the page about rules says, or nothing', () => {
  const [, table = ''] = /^\| what +\| becomes[^\n]*\n([\s\S]*?)\n\n/m.exec(PAGE) ?? [];
  const rows = table.split('\n').slice(1);
  expect(rows).toHaveLength(4);
  for (const row of rows) {
    const [, paths = '', becomes = ''] = row.split('|');
    const expected = /^ `([^`]+)`/.exec(becomes)?.[1];
    for (const [, path = ''] of paths.matchAll(/`([^`]+)`/g))
      expect(normalizePath(path), path).toBe(expected);
  }
});

describe('the program of the page about rules', () => {
  const served = serveLatchkey();

  test('is shown in all its parts, in order', () => {
    const parts = [...PROGRAM.matchAll(/^\/\/ #region (\w+)\n([\s\S]*?)^\/\/ #endregion$/gm)];
    const shown = [...PAGE.matchAll(/<!-- sdk\/examples\/rules.ts: (\w+) -->\n\n```ts\n([\s\S]*?)```/g)];
    expect(shown.map(([, name, code]) => [name, code])).toEqual(parts.map(([, name, code]) => [name, code]));
    expect(PAGE.match(/^```ts$/gm)).toHaveLength(shown.length);
    const rest = parts.reduce((text, [part]) => text.replace(part, ''), PROGRAM);
    expect(rest.trim()).toBe('');
  });

  test('prints what its comments say', async () => {
    expect(await runExample(PROGRAM, served().server)).toEqual(linesSaid(PROGRAM));
  });
});
