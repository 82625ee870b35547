/**
 * The SDK as its users get it: packed, installed into empty projects of both kinds of modules, checked by their compiler,
 * and run against a real server. The programs are the examples that the SDK's README shows (test/unit/sdk/readme.test.ts).
 */
import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join, posix, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLatchkey, type CreatedKey, type Latchkey } from '../../sdk/src/index.ts';
import { startServer, type TestServer } from '../support/start-server.ts';
import { createTemporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';

const run = promisify(execFile);

const ROOT = resolve(import.meta.dirname, '../..');
const SDK = join(ROOT, 'sdk');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

/** The strictest that a user may have set; `skipLibCheck: false` also checks what the package declares. */
const COMPILER_OPTIONS = {
  target: 'ES2023',
  lib: ['ES2023'],
  module: 'NodeNext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
  noEmitOnError: true,
  rootDir: '.',
  outDir: 'out',
};

let directory: TemporaryDirectory;
let server: TestServer;
let latchkey: Latchkey;
let created: CreatedKey;
/** The files of the package, by their paths in it. */
let packed: readonly string[];
let sdk: LockedPackage;
let esm: string;
let cjs: string;

beforeAll(async () => {
  directory = await createTemporaryDirectory();
  server = await startServer();
  latchkey = createLatchkey({ address: server.address, token: server.rootToken, tls: false });
  const { keyspace } = await latchkey.keyspaces.create({ slug: 'orders', tokenPrefix: 'acme' });
  created = await latchkey.keys.create({
    keyspaceId: keyspace.id,
    ownerId: 'team-web',
    scopes: ['orders:*'],
  });

  sdk = await packSdk(join(directory.path, 'package'));
  esm = await makeProject(join(directory.path, 'esm'), 'module');
  cjs = await makeProject(join(directory.path, 'cjs'), 'commonjs');
});

afterAll(async () => {
  latchkey?.close();
  await server?.stop();
  await directory?.remove();
});

/** Builds and packs a copy, because others may be using `sdk/dist` at the same time. */
async function packSdk(folder: string): Promise<LockedPackage> {
  await mkdir(folder);
  for (const file of ['package.json', 'README.md', 'LICENSE']) await cp(join(SDK, file), join(folder, file));
  await run(process.execPath, [TSC, '-p', SDK, '--outDir', join(folder, 'dist')]);
  // What is not to be packed: leftovers of a build.
  await writeFile(join(folder, 'dist', 'tsconfig.tsbuildinfo'), '{}');
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts'], { cwd: folder });
  const [result] = JSON.parse(stdout) as PackResult[];
  if (result === undefined) throw new Error('npm pack has packed nothing');
  packed = result.files.map(({ path }) => path);
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as LockedPackage;
  return {
    version: result.version,
    resolved: `file:../package/${result.filename}`,
    integrity: result.integrity,
    dependencies: manifest.dependencies ?? {},
  };
}

interface PackResult {
  readonly version: string;
  readonly filename: string;
  readonly integrity: string;
  readonly files: readonly { readonly path: string }[];
}

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * An empty project that has installed the package. Its lock file takes from ours what the package says that it needs, so
 * that the versions are those that were tested, and npm finds them where `npm ci` has left them, also without a network.
 */
async function makeProject(folder: string, type: 'module' | 'commonjs'): Promise<string> {
  const project = {
    name: 'consumer',
    version: '1.0.0',
    private: true,
    type,
    dependencies: { '@latchkey/sdk': sdk.resolved ?? '', '@types/node': '^20.0.0' },
  };
  const locked = await lockedFor({ ...sdk.dependencies, '@types/node': '^20.0.0' });
  const packages = { '': project, 'node_modules/@latchkey/sdk': sdk, ...locked };
  const lock = { name: project.name, version: project.version, lockfileVersion: 3, requires: true, packages };
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), JSON.stringify(project));
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock));
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }));
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', ['ci', ...quiet], { cwd: folder });
  return folder;
}

/** The entries of our lock file for some packages and all that these need. */
async function lockedFor(wanted: Readonly<Record<string, string>>): Promise<Record<string, LockedPackage>> {
  const text = await readFile(join(ROOT, 'package-lock.json'), 'utf8');
  const { packages } = JSON.parse(text) as { packages: Record<string, LockedPackage> };
  const found: Record<string, LockedPackage> = {};
  const take = (dependencies: Readonly<Record<string, string>>, user: string): void => {
    for (const name of Object.keys(dependencies)) {
      const nested = `${user}/node_modules/${name}`;
      const path = nested in packages ? nested : `node_modules/${name}`;
      const entry = packages[path];
      if (entry === undefined) throw new Error(`${path} is not in package-lock.json`);
      if (path in found) continue;
      found[path] = entry;
      take(entry.dependencies ?? {}, path);
    }
  };
  take(wanted, 'sdk');
  return found;
}

/** Copies an example, with the address of the server under test. */
async function copyExample(name: string, target: string): Promise<void> {
  const code = await readFile(join(SDK, 'examples', name), 'utf8');
  expect(code).toContain("'127.0.0.1:50051'");
  await writeFile(target, code.replaceAll('127.0.0.1:50051', server.address));
}

const environment = (): NodeJS.ProcessEnv => ({ ...process.env, LATCHKEY_TOKEN: server.rootToken });

/** Runs a program to its end, which it has to reach by itself. */
async function runProgram(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, args, { cwd, env: environment(), timeout: 30_000 });
  return stdout;
}

/** The faults that the compiler finds in a project; empty: none. */
async function compile(cwd: string): Promise<string> {
  try {
    await run(process.execPath, [TSC, '-p', cwd], { cwd });
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

describe('the package', () => {
  test('holds what users need, and nothing else', () => {
    expect(packed.filter((path) => !path.startsWith('dist/')).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'package.json',
    ]);
    const dist = packed.filter((path) => path.startsWith('dist/'));
    expect(dist).toContain('dist/sdk/src/index.js');
    for (const path of dist) expect(path).toMatch(/^dist\/(?:core|proto\/gen|sdk\/src)\/.+\.(?:js|d\.ts)$/);
  });

  test('declares its types without a generated one, or one of another package', async () => {
    const folder = join(esm, 'node_modules/@latchkey/sdk');
    const reached = new Set<string>(['dist/sdk/src/index.d.ts']);
    const foreign: string[] = [];
    for (const file of reached) {
      const text = await readFile(join(folder, file), 'utf8');
      for (const [, specifier = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
        const path = posix.join(posix.dirname(file), specifier).replace(/\.[jt]s$/, '.d.ts');
        if (specifier.startsWith('.') && !path.includes('proto/')) reached.add(path);
        else foreign.push(`${specifier} in ${file}`);
      }
    }
    expect(foreign).toEqual([]);
    // Nor are there others, which nobody can reach.
    expect(packed.filter((path) => path.endsWith('.d.ts')).toSorted()).toEqual([...reached].toSorted());
  });

  test('offers by name what the documentation says, and no more', async () => {
    const program = "import * as sdk from '@latchkey/sdk'; console.log(Object.keys(sdk).sort().join());";
    await writeFile(join(esm, 'names.mjs'), program);
    expect((await runProgram(esm, 'names.mjs')).trim()).toBe(
      'LatchkeyError,VERDICTS,createLatchkey,rateLimitHeaders',
    );
  });

  test('is found sound by publint and by attw', async () => {
    const bin = join(ROOT, 'node_modules/.bin');
    const folder = join(directory.path, 'package');
    const options = { cwd: folder };
    // Both end with a status of their own where they find something.
    expect((await run(join(bin, 'publint'), ['--strict', '--pack', 'false'], options)).stdout).toContain(
      'All good',
    );
    // The package is ESM only, on purpose: Node 20.19 and later `require()` it all the same, as the next tests show.
    await run(join(bin, 'attw'), [sdk.resolved?.replace(/.*\//, '') ?? '', '--profile', 'esm-only'], options);
  });
});

describe('the five lines of the README', () => {
  test('verify a key from an ES module', async () => {
    await copyExample('start.ts', join(esm, 'start.mjs'));
    expect(await runProgram(esm, 'start.mjs', created.token)).toBe(`${created.key.id} may pass\n`);
    expect(await runProgram(esm, 'start.mjs', 'nonsense')).toBe('refused: MALFORMED\n');
  });

  test('verify a key from CommonJS', async () => {
    await copyExample('start.cjs', join(cjs, 'start.js'));
    expect(await runProgram(cjs, 'start.js', created.token)).toBe(`${created.key.id} may pass\n`);
    expect(await runProgram(cjs, 'start.js', 'nonsense')).toBe('refused: MALFORMED\n');
  });
});

/** What the compiler must accept, and what it must refuse. */
const CONSUMER = `
import { createLatchkey, LatchkeyError, type ClientRefusal, type ErrorReason, type Key, type Limit, type Verdict, type VerifyResult } from '@latchkey/sdk';

export function describe(result: VerifyResult): string {
  if (result.valid) {
    const verdict: 'VALID' = result.verdict;
    // @ts-expect-error -- a key that passes lacks no scope
    void result.missingScopes;
    return verdict + result.key.scopes.join();
  }
  // @ts-expect-error -- what is refused is not VALID
  const verdict: 'VALID' = result.verdict;
  // @ts-expect-error -- a refused token may have no key
  void result.key.id;
  const refusal: Exclude<Verdict, 'VALID'> = result.verdict;
  const client: ClientRefusal | undefined = result.clientRefusal;
  void client;
  // Only who is refused for a rate may come back later, or never.
  if (result.verdict === 'RATE_LIMITED') void (result.retryAfterMs satisfies number | null);
  else void (result.retryAfterMs satisfies undefined);
  return verdict + refusal + (result.key?.ownerId ?? 'nobody');
}

export async function use(ip: string | undefined): Promise<void> {
  using latchkey = createLatchkey({ address: 'localhost:50051', token: 'token', tls: { ca: new Uint8Array() } });
  // @ts-expect-error -- without a token there is no client
  createLatchkey({ address: 'localhost:50051' });
  await latchkey.verify({ token: 't', client: { ip }, scopes: ['a'] as const }, { signal: new AbortController().signal });
  await latchkey.verify({ token: 't', charges: { requests: 0, pages: 300 } });
  // @ts-expect-error -- each limit once, with its cost
  await latchkey.verify({ token: 't', charges: [{ limit: 'pages', cost: 300 }] });
  const limits: Limit[] = [
    { name: 'requests', rate: { limit: 100, windowMs: 60_000 }, onUnavailable: 'ALLOW' },
    { name: 'pages', credits: { initial: 5, refill: { amount: 5, interval: 'WEEKLY', day: 1 } }, onDemand: true },
    // @ts-expect-error -- of one kind, not of both
    { name: 'both', rate: { limit: 1, windowMs: 1000 }, credits: { initial: 1 } },
    // @ts-expect-error -- of one kind, not of none
    { name: 'none' },
    // @ts-expect-error -- a misspelt bound would be none
    { name: 'pages', credits: { initial: 1, refill: { amount: 1, interval: 'DAILY', max: 1 } } },
  ];
  for (const limit of limits) void (limit.rate === undefined ? limit.credits.initial : limit.rate.windowMs);
  const policyLimits = (await latchkey.policies.update('pol_1', { limits })).policy.limits;
  await latchkey.owners.update({ keyspaceId: 'ks_1', id: 'acme' }, { limits: policyLimits }, { wait: false });
  const subject = { keyspaceId: 'ks_1', ownerId: 'acme' };
  for (const { limit, status } of await latchkey.limits.status(subject)) void [limit.name, status.remaining];
  const adjusted = await latchkey.limits.adjustCredits({ keyId: 'key_1' }, 'pages', { add: 5 }, { note: 'a gift' });
  void (adjusted.balance satisfies number);
  // @ts-expect-error -- one change at a time
  await latchkey.limits.adjustCredits({ keyId: 'key_1' }, 'pages', { add: 5, take: 5 });
  await latchkey.limits.setOverride(subject, 'requests', { value: 0, ttlMs: 1000 });
  // @ts-expect-error -- an override has an end
  await latchkey.limits.setOverride(subject, 'requests', { value: 0 });
  const { token, propagation } = await latchkey.keys.rotate('key_1', { overlapMs: 1000, wait: true });
  void (token satisfies string);
  void (propagation?.confirmed satisfies number | undefined);
  // @ts-expect-error -- times are numbers of ms
  await latchkey.keys.rotate('key_1', { overlap: '1s' });
  await latchkey.keys.update('key_1', { expireTime: null, ownerId: null, tags: undefined }, { etag: '1' });
  // @ts-expect-error -- a display name cannot be cleared with null
  await latchkey.keys.update('key_1', { displayName: null });
  await latchkey.keys.update('key_1', { restrictions: { allowedIps: [ip ?? '::1'] }, resourceAccess: null, policyIds: [] });
  // @ts-expect-error -- a misspelt restriction would restrict nothing
  await latchkey.keys.update('key_1', { restrictions: { allowedIp: ['192.0.2.1'] } });
  // @ts-expect-error -- the state is changed by methods of its own
  await latchkey.keys.update('key_1', { state: 'REVOKED' });
  const keys: Key[] = [];
  for await (const key of latchkey.keys.listAll({ filter: { states: ['ACTIVE'], accessType: 'LISTED' } })) keys.push(key);
  const policy = await latchkey.policies.get('pol_1');
  const copied = { ...policy.restrictions, apiTargets: [{ api: 'orders', verbs: ['GET'] }] };
  await latchkey.policies.update('pol_1', { restrictions: copied, scopes: policy.scopes });
  const owner = await latchkey.owners.get({ keyspaceId: policy.keyspaceId, id: 'acme' });
  const { effectiveTime } = await latchkey.owners.delete(owner, { keysFate: 'REVOKE', validateOnly: true });
  // @ts-expect-error -- with validateOnly there is none
  void effectiveTime.getTime();
  const { results } = await latchkey.keys.import(policy.keyspaceId, [{ sha256: 'x', scopes: ['a'] }]);
  for (const result of results) void (result.imported ? result.id : result.reason);
  const access = keys[0]?.resourceAccess;
  void (access === 'ALL' ? 'all' : access?.ids.length ?? 'as its policies say');
  for (const entry of await latchkey.verifyBatch([{ token: 't' }])) {
    void (entry instanceof LatchkeyError ? entry.violations[0]?.field : entry.revision);
  }
  const reason: ErrorReason = 'ETAG_MISMATCH';
  const newer: ErrorReason = 'SOME_NEWER_REASON';
  void [reason, newer];
}
`;

describe('a strict TypeScript project', () => {
  test('of ES modules compiles the examples, which run', async () => {
    const names = (await readdir(join(SDK, 'examples'))).filter((name) => name.endsWith('.ts'));
    for (const name of names) await copyExample(name, join(esm, name));
    await writeFile(join(esm, 'consumer.ts'), CONSUMER);
    expect(await compile(esm)).toBe('');

    expect(await runProgram(esm, 'out/start.js', created.token)).toBe(`${created.key.id} may pass\n`);

    const administered = await runProgram(esm, 'out/administer-keys.js');
    expect(administered).toMatch(/^created shop_\w{16}…\w{4} expires \d/m);
    expect(administered).toMatch(/^may now \[ 'orders:\*' \] of ALL$/m);
    expect(administered).toMatch(/^listed nightly export$/m);
    expect(administered).toMatch(/^revoked key_\w{16} everywhere since \d/m);

    expect(await runProgram(esm, 'out/handle-errors.js')).toBe(
      'key.display_name must have at most 128 characters\nMALFORMED\nMALFORMED\n',
    );
  });

  test('of CommonJS compiles a consumer, which runs', async () => {
    await writeFile(join(cjs, 'consumer.ts'), toCommonJs(CONSUMER));
    await copyExample('start.cjs', join(cjs, 'start.js'));
    expect(await compile(cjs)).toBe('');
    const program = "const { use } = require('./out/consumer.js'); console.log(typeof use);";
    expect(await runProgram(cjs, '-e', program)).toBe('function\n');
  });
});

/** The same program, as `verbatimModuleSyntax` wants it to be written in a CommonJS project. */
function toCommonJs(program: string): string {
  return program
    .replace(
      /import \{ createLatchkey, LatchkeyError, (.*) \} from '@latchkey\/sdk';/,
      (_all, types: string) =>
        `import sdk = require('@latchkey/sdk');\nconst { createLatchkey, LatchkeyError } = sdk;\n` +
        types.replaceAll(/type (\w+),?/g, 'type $1 = sdk.$1;\n'),
    )
    .replaceAll('export ', '')
    .concat('\nexport = { describe, use };\n');
}

describe('the route of the README', () => {
  test('lets nobody pass but who may, and says why', async () => {
    await copyExample('protect-route.ts', join(esm, 'protect-route.ts'));
    expect(await compile(esm)).toBe('');
    const route = spawn(process.execPath, ['out/protect-route.js'], {
      cwd: esm,
      env: { ...environment(), PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((done) => route.once('exit', done));
    try {
      const lines = createInterface({ input: route.stdout });
      const port = await new Promise<string>((found) => {
        let text = '';
        lines.on('line', (line) => {
          text += line;
          const match = /port: (\d+)/.exec(text);
          if (match?.[1] !== undefined) found(match[1]);
        });
      });
      const get = async (token?: string) => {
        const headers: Record<string, string> =
          token === undefined ? {} : { authorization: `Bearer ${token}` };
        const response = await fetch(`http://127.0.0.1:${port}/orders`, { headers });
        const policy = response.headers.get('RateLimit-Policy');
        const rest = policy === null ? [] : [policy, response.headers.has('Retry-After')];
        return [response.status, await response.text(), ...rest];
      };
      const narrow = await latchkey.keys.create({ keyspaceId: created.key.keyspaceId, scopes: ['other'] });
      expect(await get(created.token)).toEqual([200, 'orders of team-web\n']);
      expect(await get()).toEqual([401, 'MALFORMED\n']);
      expect(await get(narrow.token)).toEqual([403, 'SCOPE_MISSING\n']);
      await latchkey.keys.revoke(narrow.key.id);
      expect(await get(narrow.token)).toEqual([401, 'REVOKED\n']);
      const limits = [{ name: 'requests', rate: { limit: 1, windowMs: 60_000 } }];
      const limited = await latchkey.keys.create({
        keyspaceId: created.key.keyspaceId,
        ownerId: 'team-app',
        scopes: ['orders:read'],
        limits,
      });
      const policy = '"requests";q=1;w=60';
      expect(await get(limited.token)).toEqual([200, 'orders of team-app\n', policy, false]);
      expect(await get(limited.token)).toEqual([429, 'RATE_LIMITED\n', policy, true]);
    } finally {
      route.kill('SIGTERM');
    }
    expect(await ended).toBe(0);
  });
});
