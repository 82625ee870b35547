import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MIGRATIONS } from '../../../migrations/index.ts';
import { migrate, type NamedMigration } from '../../../server/store/migrate.ts';
import { captureLogger } from '../../support/capture-logger.ts';
import { createClients } from '../../support/clients.ts';
import { createDatabase, type TestDatabase } from '../../support/create-database.ts';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts';
import { openPostgresEngine } from '../../support/open-engine.ts';
import { spawnCommand } from '../../support/spawn-server.ts';
import { startServer } from '../../support/start-server.ts';
import { HASTY } from './server-behind-proxy.ts';

let database: TestDatabase;
let proxy: FaultProxy;

beforeEach(async () => {
  database = await createDatabase({ migrated: false });
  proxy = await startFaultProxy(database.url);
});
afterEach(async () => {
  await proxy.close();
  await database.drop();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves when the log holds a record; the test's time limit is the bound. */
async function logged(log: ReturnType<typeof captureLogger>, message: string): Promise<void> {
  while (!log.has(message)) await new Promise((resolve) => setTimeout(resolve, 5));
}

it.each<[string, () => void]>([
  ['refuses connections', () => proxy.refuse()],
  ['resets them', () => proxy.reset()],
  ['says nothing', () => proxy.stall()],
])('waits for a database that %s at first, alive and not ready meanwhile', async (_, breakIt) => {
  breakIt();
  const log = captureLogger();
  const http = `127.0.0.1:${await freePort()}`;
  const starting = startServer({
    databaseUrl: proxy.url,
    logger: log.logger,
    env: { ...HASTY, LATCHKEY_HTTP_LISTEN: http },
  });
  await logged(log, 'database.awaited');
  expect((await fetch(`http://${http}/livez`)).status).toBe(200);
  expect((await fetch(`http://${http}/readyz`)).status).toBe(503);

  await proxy.pass();
  const server = await starting;
  expect(server.app.migrated).toEqual(MIGRATIONS.map(([name]) => name));
  expect((await fetch(`http://${http}/readyz`)).status).toBe(200);
  const clients = createClients({ address: server.address, token: server.rootToken });
  expect((await clients.keyspaces.listKeyspaces({})).keyspaces).toHaveLength(1);
  clients.close();
  await server.stop();
});

it('gives up after LATCHKEY_STARTUP_TIMEOUT_MS, says so, and leaves nothing open', async () => {
  proxy.refuse();
  const http = `127.0.0.1:${await freePort()}`;
  const startMs = performance.now();
  const starting = startServer({
    databaseUrl: proxy.url,
    env: { ...HASTY, LATCHKEY_HTTP_LISTEN: http, LATCHKEY_STARTUP_TIMEOUT_MS: '700' },
  });
  await expect(starting).rejects.toThrow(/did not answer within 700 ms.*ECONNREFUSED/);
  expect(performance.now() - startMs).toBeGreaterThan(700);
  await expect(fetch(`http://${http}/livez`)).rejects.toThrow('fetch failed');
});

it('waits for the migration of another replica, for longer than a statement may run', async () => {
  const slowly = MIGRATIONS.map(([name, step]): NamedMigration => [
    name,
    {
      ...step,
      async up(knex) {
        await step.up(knex);
        await knex.raw('SELECT pg_sleep(2.5)');
      },
    },
  ]);
  const engine = openPostgresEngine(database.url);
  const migrating = migrate(engine.knex, slowly);
  const held = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted`;
  while ((await database.query(held)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));

  try {
    const server = await startServer({
      databaseUrl: database.url,
      env: { ...HASTY, LATCHKEY_DATABASE_STATEMENT_TIMEOUT_MS: '100' },
    });
    await server.stop();
    expect(server.app.migrated).toEqual([]);
  } finally {
    await migrating;
    await engine.close();
  }
});

it('starts many replicas at once on an empty database, with one schema and one root key', async () => {
  const settled = await Promise.allSettled(
    [1, 2, 3].map(() => startServer({ databaseUrl: database.url, env: HASTY })),
  );
  const servers = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const reasons = settled.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
  const made = await database.query<{ keys: string }>('SELECT count(*) AS keys FROM keys');
  await Promise.all(servers.map((server) => server.stop()));
  // Those without the root token are no use to a test, which is why it does not get them.
  expect(servers).toHaveLength(1);
  expect(reasons.filter((reason) => !reason.includes('this server made no root key'))).toEqual([]);
  expect(made).toEqual([{ keys: '1' }]);
});

it('ends at once with code 1 where the database does not exist, and says which', async () => {
  const url = new URL(database.url);
  url.pathname = 'no_such_database';
  await endsAtOnce(url.href, 'database "no_such_database" does not exist');
});

it('ends at once with code 1 where the password is wrong, and does not print it', async () => {
  const refusing = await startRefusing('28P01', 'password authentication failed for user "latchkey"');
  await endsAtOnce(
    `postgres://latchkey:hunter2@127.0.0.1:${refusing.port}/latchkey`,
    'password authentication failed for user "latchkey"',
  );
  await refusing.close();
});

it('stops at once on SIGTERM while it waits for its database', async () => {
  const server = spawnCommand({ env: { ...quiet, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nowhere' } });
  while (!server.stderr().includes('database.awaited'))
    await new Promise((resolve) => setTimeout(resolve, 5));
  const startMs = performance.now();
  const { signal } = await server.end('SIGTERM');
  expect(signal).toBeNull();
  expect(performance.now() - startMs).toBeLessThan(2000);
  expect(server.stdout()).toBe('');
});

const quiet = {
  LATCHKEY_LISTEN: '127.0.0.1:0',
  LATCHKEY_HTTP_LISTEN: 'off',
  LATCHKEY_DATA_DIR: '.never-made',
};

async function endsAtOnce(databaseUrl: string, words: string): Promise<void> {
  const server = spawnCommand({ env: { ...quiet, DATABASE_URL: databaseUrl } });
  expect(await server.ended).toEqual({ code: 1, signal: null });
  expect(server.stdout()).toBe('');
  expect(server.stderr()).toContain(words);
  expect(server.stderr()).not.toContain('hunter2');
  expect(server.stderr()).not.toContain('database.awaited');
  // For people: what happened, without a stack.
  expect(server.stderr()).not.toMatch(/^\s+at /m);
}

/** What a Postgres says to a client that it does not let in, whoever that is. */
async function startRefusing(
  code: string,
  message: string,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const refusal = Buffer.concat([Buffer.from('E\0\0\0\0'), fields]);
  refusal.writeInt32BE(4 + fields.length, 1);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(refusal));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
