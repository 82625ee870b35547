/**
 * docs/rules.md as its readers try it: every command of its session with what it shows, and the program that is the
 * other half of each example.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { fromJsonString, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { normalizePath } from '../../core/patterns/path.ts';
import { createTemporaryDirectory } from '../support/temporary-directory.ts';
import { rpcOf } from './support/contract.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const [PAGE, README, PROGRAM] = await Promise.all(
  ['docs/rules.md', 'README.md', 'sdk/examples/rules.ts'].map(read),
);

/** The commands of the page's session, each with what it shows. */
function readSession(page: string): readonly { readonly command: string; readonly shown: string }[] {
  const blocks = [...page.matchAll(/```console\n([\s\S]*?)\n```/g)].map(([, block = '']) => block);
  return blocks
    .flatMap((block) => block.split(/^\$ /m).slice(1))
    .map((part) => {
      // The line that ends the command is the first on which no quotation is open.
      const lines = part.trimEnd().split('\n');
      const end = lines.findIndex(
        (_line, index) =>
          lines
            .slice(0, index + 1)
            .join('')
            .split("'").length %
            2 ===
          1,
      );
      return { command: lines.slice(0, end + 1).join('\n'), shown: lines.slice(end + 1).join('\n') };
    });
}

/** What stands on the page for an id or a token. */
const PLACEHOLDER = /\b(?:ks|key|pol|token)_[A-Z]+\b/g;

/** Compares what the page shows with what came, which may be more, and learns what the placeholders stand for. */
function compare(shown: unknown, actual: unknown, known: Map<string, string>, at: string): void {
  if (typeof shown === 'string' && shown.match(PLACEHOLDER)?.[0] === shown) {
    expect(actual, at).toMatch(/^\w{10,}$/);
    if (known.has(shown)) expect(actual, at).toBe(known.get(shown));
    else known.set(shown, String(actual));
  } else if (Array.isArray(shown)) {
    expect(actual, at).toHaveLength(shown.length);
    shown.forEach((entry, index) =>
      compare(entry, (actual as readonly unknown[])[index], known, `${at}[${index}]`),
    );
  } else if (typeof shown === 'object' && shown !== null) {
    for (const [name, value] of Object.entries(shown)) {
      compare(
        value,
        (actual as Readonly<Record<string, unknown>> | undefined)?.[name],
        known,
        `${at}.${name}`,
      );
    }
  } else {
    expect(actual, at).toBe(shown);
  }
}

describe('the session of the page about rules', () => {
  const served = serveLatchkey();

  test('is what happens', async () => {
    const known = new Map<string, string>();
    const raw = served().raw();
    let calls = 0;
    for (const { command, shown } of readSession(PAGE ?? '')) {
      // That this is how one calls, the README's own session shows.
      if (command.startsWith('call() {')) {
        expect(README).toContain(`$ ${command}\n`);
        continue;
      }
      const digested = /^printf %s (\S+) \| sha256sum$/.exec(command)?.[1];
      if (digested !== undefined) {
        expect(shown).toBe(`${createHash('sha256').update(digested).digest('hex')}  -`);
        continue;
      }
      const [, name = '', json = ''] = /^call (\S+) '([^']*)'$/.exec(command) ?? [];
      const rpc = rpcOf(name);
      // As grpcurl does: the JSON mapping of protobuf, which knows no name that the contract has not.
      const request = json.replace(PLACEHOLDER, (placeholder) => {
        const value = known.get(placeholder);
        if (value === undefined) throw new Error(`nothing has shown yet what ${placeholder} is`);
        return value;
      });
      const answer = await raw.call({
        path: rpc.path,
        message: toBinary(rpc.input, fromJsonString(rpc.input, request)),
      });
      expect(answer.code, `${command}: ${answer.message}`).toBe(0);
      const [message] = answer.messages;
      compare(
        JSON.parse(shown),
        toJson(rpc.output, fromBinary(rpc.output, message ?? new Uint8Array())),
        known,
        command,
      );
      calls += 1;
    }
    expect(calls).toBeGreaterThan(40);
  });
});

test('paths become what the page about rules says, or nothing', () => {
  const [, table = ''] = /^\| what +\| becomes[^\n]*\n([\s\S]*?)\n\n/m.exec(PAGE ?? '') ?? [];
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
    const parts = [...(PROGRAM ?? '').matchAll(/^\/\/ #region (\w+)\n([\s\S]*?)^\/\/ #endregion$/gm)];
    const shown = [
      ...(PAGE ?? '').matchAll(/<!-- sdk\/examples\/rules.ts: (\w+) -->\n\n```ts\n([\s\S]*?)```/g),
    ];
    expect(shown.map(([, name, code]) => [name, code])).toEqual(parts.map(([, name, code]) => [name, code]));
    expect((PAGE ?? '').match(/^```ts$/gm)).toHaveLength(shown.length);
    const rest = parts.reduce((text, [part]) => text.replace(part, ''), PROGRAM ?? '');
    expect(rest.trim()).toBe('');
  });

  test('prints what its comments say', async () => {
    const { address, rootToken } = served().server;
    const directory = await createTemporaryDirectory();
    try {
      const program = join(directory.path, 'rules.mts');
      const sdk = pathToFileURL(join(ROOT, 'sdk/src/index.ts')).href;
      await writeFile(
        program,
        (PROGRAM ?? '').replaceAll('127.0.0.1:50051', address).replace("'@latchkey/sdk'", `'${sdk}'`),
      );
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program], {
        cwd: ROOT,
        env: { ...process.env, LATCHKEY_TOKEN: rootToken },
      });
      const said = [...(PROGRAM ?? '').matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
      expect(said).toHaveLength((PROGRAM ?? '').split('console.log(').length - 1);
      expect(stdout.trimEnd().split('\n')).toEqual(said);
    } finally {
      await directory.remove();
    }
  });
});
