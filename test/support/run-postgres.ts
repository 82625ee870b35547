import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { findPostgresBinaries, type BinariesChoice } from './postgres-binaries.ts';
import { findPostgresUser, type PostgresUser } from './postgres-user.ts';

/** A Postgres of this test run's own. */
export interface RunningPostgres {
  /** Connects as the superuser to the database `postgres`. */
  readonly url: string;
  /** Where its binaries came from. */
  readonly source: string;
  /** Kills it with -9, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on its files and its port, if it was killed. */
  start(): Promise<void>;
  /** Makes a standby of it that streams from it; for a moment neither serves. */
  standby(): Promise<RunningPostgres>;
  /** Stops it and removes its files. */
  stop(): Promise<void>;
}

/**
 * Settings of a Postgres that is thrown away after the tests. Commits are handed to the operating system before they
 * are acknowledged (`synchronous_commit` stays on), so that a killed postmaster loses none; they are not forced to disk.
 */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  fsync: 'off',
  full_page_writes: 'off',
  jit: 'off',
  log_min_messages: 'warning',
};

/**
 * Stops Postgres and removes its folder as soon as the pipe on standard input ends, which it does with the process
 * that holds its other end, however that process ends. If Postgres ends by itself, its files stay.
 *
 * $1 is the folder; the rest is the command. Descriptor 3, because a shell gives what it runs behind `&` no input.
 */
const WATCHDOG = `
  directory=$1; shift
  "$@" </dev/null &
  postgres=$!
  exec 3<&0
  (while read -r _; do :; done; kill -INT "$postgres") <&3 &
  watch=$!
  wait "$postgres"; code=$?
  kill "$watch" 2>/dev/null
  if wait "$watch"; then rm -rf "$directory"; fi
  exit "$code"`;

const START_TIMEOUT_MS = 30_000;

/** Makes a new database cluster in a temporary folder and runs a Postgres on it. @throws Error that says what failed */
export async function runPostgres(options: { readonly choice: BinariesChoice }): Promise<RunningPostgres> {
  if (process.platform === 'win32') {
    throw new Error('On Windows the tests cannot run a Postgres of their own; set TEST_DATABASE_URL.');
  }
  const user = await findPostgresUser();
  const directory = await makeDirectory(user);
  try {
    const { directory: binaries, source } = await findPostgresBinaries({
      choice: options.choice,
      scratch: directory,
      isRunnable: (path) => user.canEnter(path),
    });
    const data = join(directory, 'data');
    await mkdir(data, { mode: 0o700 });
    await user.own(data);
    await initialize({ binaries, data, user });

    const failures: string[] = [];
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const started = await start({ binaries, data, directory, user });
      if (typeof started !== 'string') {
        return control({ binaries, data, directory, user, source }, started);
      }
      failures.push(started);
      // The port was free a moment ago and may have been taken since: only that is worth another try.
      if (!started.includes('Address already in use')) break;
    }
    throw new Error(`the Postgres of ${source} did not start:\n${failures.join('\n')}`);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Where one cluster is, and what runs it. */
interface Cluster extends Omit<StartOptions, 'port'> {
  readonly source: string;
}

function control(cluster: Cluster, started: Started): RunningPostgres {
  const { binaries, data, directory, user, source } = cluster;
  const { url, port } = started;
  let running: Started | undefined = started;

  async function kill(): Promise<void> {
    if (running === undefined) return;
    process.kill(await postmasterOf(data), 'SIGKILL');
    await running.ended;
    running = undefined;
  }

  async function revive(): Promise<void> {
    running ??= await startAgain({ binaries, data, directory, user, port });
  }

  return {
    url,
    source,
    kill,
    start: revive,
    async standby() {
      const folder = await makeDirectory(user);
      const copy = join(folder, 'data');
      // Its files as a crash leaves them: what a server can start on, and a standby go on from.
      await kill();
      await promisify(execFile)('cp', ['-a', data, copy]);
      await rm(join(copy, 'postmaster.pid'), { force: true });
      await appendFile(
        join(copy, 'postgresql.conf'),
        `primary_conninfo = 'host=127.0.0.1 port=${port} user=postgres'\n`,
      );
      await writeFile(join(copy, 'standby.signal'), '');
      await user.own(join(copy, 'standby.signal'));
      await revive();
      const place = { binaries, data: copy, directory: folder, user };
      return control({ ...place, source }, await startAgain(place));
    },
    async stop() {
      await running?.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A temporary folder that the user of Postgres can reach and write to. */
async function makeDirectory(user: PostgresUser): Promise<string> {
  for (const base of [tmpdir(), '/tmp', '/var/tmp']) {
    if (!(await user.canEnter(base).catch(() => false))) continue;
    const directory = await mkdtemp(join(base, 'latchkey-postgres-'));
    await user.own(directory);
    return directory;
  }
  throw new Error('no temporary folder can be reached by the user that Postgres would run as');
}

async function initialize(options: {
  readonly binaries: string;
  readonly data: string;
  readonly user: PostgresUser;
}): Promise<void> {
  const { binaries, data, user } = options;
  const words = [
    '--auth=trust',
    '--username=postgres',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
    '-D',
    data,
  ];
  const child = spawn(join(binaries, 'initdb'), words, {
    ...user.identity,
    cwd: data,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collect(child);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`initdb of ${binaries} failed:\n${output()}`);
  const lines = Object.entries(SETTINGS).map(([name, value]) => `${name} = '${value}'\n`);
  await appendFile(join(data, 'postgresql.conf'), lines.join(''));
}

/** The process id that a server notes in its folder. */
async function postmasterOf(data: string): Promise<number> {
  const [line = ''] = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
  return Number(line);
}

/** Those that served its connections may outlive a killed server for a moment, and keep the next from starting. */
async function startAgain(options: StartOptions): Promise<Started> {
  for (let attempt = 1; ; attempt += 1) {
    const started = await start(options);
    if (typeof started !== 'string') return started;
    if (attempt === 50) throw new Error(`Postgres did not start again:\n${started}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface StartOptions {
  readonly binaries: string;
  readonly data: string;
  readonly directory: string;
  readonly user: PostgresUser;
  /** Default: any that is free. */
  readonly port?: number;
}

interface Started {
  readonly url: string;
  readonly port: number;
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

/** The running server, or what it said when it ended. */
async function start(options: StartOptions): Promise<Started | string> {
  const { binaries, data, directory, user } = options;
  const port = options.port ?? (await freePort());
  const postgres = [join(binaries, 'postgres'), '-D', data, '-p', String(port)];
  const child = spawn('/bin/sh', ['-c', WATCHDOG, 'watchdog', directory, ...postgres], {
    ...user.identity,
    cwd: directory,
    env: environment(),
    stdio: ['pipe', 'pipe', 'pipe'],
    // A Ctrl-C in the terminal is for the tests; they, or the end of the pipe, stop Postgres.
    detached: true,
  });
  const output = collect(child);
  const ended = once(child, 'close');
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const giveUpMs = performance.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && child.signalCode === null) {
    if (await answers(url)) {
      return { url, port, ended, stop: () => end(child, ended) };
    }
    if (performance.now() > giveUpMs) {
      await end(child, ended);
      return `it did not answer within ${START_TIMEOUT_MS} ms:\n${output()}`;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await ended;
  return output();
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.stdin?.end();
  await ended;
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Nothing of ours: PGDATA, PGPORT and their like would lead Postgres astray. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' };
}

function collect(child: ChildProcess): () => string {
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8').slice(-4000);
}
