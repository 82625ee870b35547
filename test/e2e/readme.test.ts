/**
 * The README as a stranger reads it: its first command in a fresh copy of the project, and its session, command by
 * command, with what it shows.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const PROTO = join(ROOT, 'proto/latchkey/v1');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The one line of the code block after a heading. */
function commandAfter(heading: string): string {
  const match = new RegExp(`${heading}[^\`]*\`\`\`sh\\n(.*)\\n\`\`\``).exec(README);
  return match?.[1] ?? '';
}

const RUN = commandAfter('\\*\\*Install and run it:\\*\\*');
const TEST = commandAfter('\\*\\*Install and pass its tests:\\*\\*');

interface Exchange {
  readonly command: string;
  readonly output: string;
}

/** The commands of the session with what each shows. */
function readSession(): readonly Exchange[] {
  const block = /<!-- session:[^>]*-->\s*```console\n([\s\S]*?)\n```/.exec(README)?.[1] ?? '';
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...lines] = part.split('\n');
      return { command, output: lines.join('\n').trim() };
    });
}

const HAS_GRPCURL = (() => {
  try {
    execFileSync('grpcurl', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** A `grpcurl` of a few lines over `buf curl`, for machines without the real one. What it describes, it reads in `proto`. */
const SHIM = `#!/usr/bin/env node
const { spawnSync } = require('node:child_process');
const { readdirSync, readFileSync } = require('node:fs');
const args = process.argv.slice(2);
const options = [];
let data;
while (args[0].startsWith('-')) {
  const flag = args.shift();
  if (flag === '-H') options.push('-H', args.shift());
  else if (flag === '-d') data = args.shift();
  else if (flag !== '-plaintext') throw new Error('no such flag: ' + flag);
}
const [address, word, symbol] = args;
if (word === 'describe') {
  const name = symbol.split('.').at(-1);
  const sources = readdirSync(${JSON.stringify(PROTO)}).filter((file) => file.endsWith('.proto'));
  const text = sources.map((file) => readFileSync(${JSON.stringify(PROTO)} + '/' + file, 'utf8')).join('\\n');
  const message = new RegExp('(?:^//.*\\\\n)*^message ' + name + ' {\\\\n(?:.*\\\\n)*?^}$', 'm').exec(text)?.[0];
  console.log(symbol + ' is a message:\\n' + message);
  process.exit(0);
}
const url = 'http://' + address;
const call = word === 'list' ? ['--list-services', url] : ['-d', data, url + '/' + word];
const { status } = spawnSync(${JSON.stringify(join(ROOT, 'node_modules/.bin/buf'))}, ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...options, ...call], { stdio: 'inherit' });
process.exit(status ?? 1);
`;

/** What differs from run to run, each with a name for it. */
const VARIABLE = [
  ['token', /\b[a-z]+_[0-9A-Za-z]{54}\b/g],
  ['hint', /\b[a-z]+_[0-9A-Za-z]{16}…[0-9A-Za-z]{4}/g],
  ['last', /(?<="hint": ")[0-9A-Za-z]{4}/g],
  ['time', /\b\d{4}-\d\d-\d\dT[\d:.]+Z/g],
  ['id', /\b(?:ks|key|sec)_[0-9A-Za-z]{16}\b/g],
] as const;

/** The text with names in place of what differs, and what stood there, in order. */
function normalize(text: string): { readonly text: string; readonly values: readonly string[] } {
  const values: string[] = [];
  // Written some seconds after a use: whether it is told depends on how fast the session is.
  let normal = text.replaceAll(/,\s*"lastUsedTime": "[^"]*"/g, '');
  for (const [name, pattern] of VARIABLE) {
    normal = normal.replace(pattern, (value) => {
      values.push(value);
      return `<${name}>`;
    });
  }
  return { text: normal, values };
}

function parse(text: string): unknown {
  return text.startsWith('{') ? JSON.parse(text) : text;
}

const work = mkdtempSync(join(tmpdir(), 'latchkey-readme-'));
const project = join(work, 'latchkey');
const bin = join(work, 'bin');
let server: ChildProcess | undefined;

/** Starts the server by a command line and returns where it serves, when it says so. */
function start(command: string): Promise<string> {
  const child = spawn('sh', ['-c', command], {
    cwd: project,
    env: { ...process.env, LATCHKEY_LISTEN: '127.0.0.1:0', LATCHKEY_HTTP_LISTEN: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  server = child;
  let output = '';
  return new Promise((found, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const address = /gRPC\s+(\S+)/.exec(output)?.[1];
      if (address !== undefined && output.includes('Ctrl-C')) found(address);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(`the server ended before it served:\n${output}`)));
  });
}

/** Ctrl-C, as a terminal sends it: to the whole group. */
async function stop(): Promise<void> {
  const child = server;
  server = undefined;
  if (child?.pid === undefined || child.exitCode !== null) return;
  const ended = new Promise((resolved) => child.once('close', resolved));
  process.kill(-child.pid, 'SIGINT');
  await ended;
}

function shell(command: string): string {
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  return execFileSync('bash', ['-c', command], { cwd: project, env, stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim();
}

beforeAll(() => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: ROOT,
  });
  for (const file of files.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(project, file)), { recursive: true });
    cpSync(join(ROOT, file), join(project, file));
  }
  mkdirSync(bin);
  if (!HAS_GRPCURL) writeFileSync(join(bin, 'grpcurl'), SHIM, { mode: 0o755 });
});

afterAll(async () => {
  await stop();
  rmSync(work, { recursive: true, force: true });
});

describe('the README', () => {
  test('names two commands, and CI runs the second', () => {
    expect(RUN).toBe('npm ci && npm start');
    expect(TEST).toBe('npm ci && npm test');
    const ci = readFileSync(join(ROOT, '.ci/run'), 'utf8');
    expect(ci).toMatch(/^npm ci\b.*\nnpm test$/m);
  });

  test('shows the example of the SDK that its own tests run', () => {
    const shown = /<!-- sdk\/examples\/start.ts -->\s*```ts\n([\s\S]*?)```/.exec(README)?.[1];
    expect(shown).toBe(readFileSync(join(ROOT, 'sdk/examples/start.ts'), 'utf8'));
  });

  test('installs and runs the server with its first command, and its session is what happens', async () => {
    const address = await start(RUN);
    const known = new Map<string, string>([['127.0.0.1:50051', address]]);
    const defined: string[] = [];

    for (const { command, output } of readSession()) {
      // What the README shows of this run stands for what this run shows.
      let actualCommand = command;
      for (const [shown, actual] of known) actualCommand = actualCommand.replaceAll(shown, actual);
      if (/^\w+\(\)/.test(command)) {
        defined.push(actualCommand);
        continue;
      }
      const shown = normalize(output);
      const actual = normalize(shell([...defined, actualCommand].join('\n')));
      expect(parse(actual.text), command).toEqual(parse(shown.text));
      shown.values.forEach((value, index) => known.set(value, actual.values[index] ?? value));
    }
    await stop();
  }, 180_000);

  test('keeps all keys over a restart', async () => {
    const address = await start('npm start');
    const token = '$(cat .latchkey/root-token)';
    const listed = shell(
      `grpcurl -plaintext -H "authorization: Bearer ${token}" -d '{"filter": {"owner_id": "team-web"}}' ${address} latchkey.v1.KeyService/ListKeys`,
    );
    expect(JSON.parse(listed)).toMatchObject({
      keys: [{ displayName: 'web shop', state: 'KEY_STATE_REVOKED' }],
    });
    await stop();
  }, 60_000);
});
