import { setTimeout as sleep } from 'node:timers/promises';
import { createClients, type Clients } from '../../support/clients.ts';
import { createDatabase, type TestDatabase } from '../../support/create-database.ts';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts';
import { startServer, type TestServer } from '../../support/start-server.ts';

/** Bounds of the servers of these tests, ms: as long as needed to tell one from another, as short as possible. */
export const POLL_MS = 50;
export const MAX_STALENESS_MS = 1500;
const ACQUIRE_MS = 1000;
const STATEMENT_MS = 500;

/** A call that needs the database may wait for a connection, then for an answer and a second for the client's own bound. */
export const CALL_MS = ACQUIRE_MS + STATEMENT_MS + 1000;

/** What a busy machine may add, ms. */
export const SLACK_MS = 750;

/** The settings of a server that soon notices what is wrong. */
export const HASTY = {
  LATCHKEY_POLL_MS: String(POLL_MS),
  LATCHKEY_MAX_STALENESS_MS: String(MAX_STALENESS_MS),
  LATCHKEY_DATABASE_CONNECT_TIMEOUT_MS: String(ACQUIRE_MS),
  LATCHKEY_DATABASE_ACQUIRE_TIMEOUT_MS: String(ACQUIRE_MS),
  LATCHKEY_DATABASE_STATEMENT_TIMEOUT_MS: String(STATEMENT_MS),
  LATCHKEY_SHUTDOWN_GRACE_MS: '500',
};

/** A server whose way to its Postgres can be broken, and what to ask it with. */
export interface ServerBehindProxy {
  readonly database: TestDatabase;
  readonly proxy: FaultProxy;
  readonly server: TestServer;
  readonly clients: Clients;
  /** A keyspace of the server's. */
  readonly keyspaceId: string;
  /** Makes a key in that keyspace; nobody has verified it yet. */
  createKey(): Promise<{ readonly id: string; readonly token: string }>;
  /** Returns when memory may answer (again). */
  memoryAnswers(): Promise<void>;
  /** Ends all and fails if a connection to the database is left. */
  close(): Promise<void>;
}

/** @param options.server more options of the server, e.g. a clock or settings */
export async function startBehindProxy(
  options: { readonly server?: Parameters<typeof startServer>[0] } = {},
): Promise<ServerBehindProxy> {
  const database = await createDatabase();
  const proxy = await startFaultProxy(database.url);
  const { env, ...more } = options.server ?? {};
  const server = await startServer({ databaseUrl: proxy.url, env: { ...HASTY, ...env }, ...more });
  const clients = createClients({ address: server.address, token: server.rootToken });
  const { keyspace } = await clients.keyspaces.createKeyspace({
    keyspace: { slug: 'orders', tokenPrefix: 'acme' },
  });
  const keyspaceId = keyspace?.id ?? '';
  return {
    database,
    proxy,
    server,
    clients,
    keyspaceId,
    async createKey() {
      const { key, token } = await clients.keys.createKey({ key: { keyspaceId } });
      return { id: key?.id ?? '', token };
    },
    async memoryAnswers() {
      while (!(await fetch(`${server.httpAddress}/readyz`)).ok) await sleep(10);
    },
    async close() {
      clients.close();
      await proxy.pass();
      await server.stop();
      await proxy.close();
      await database.drop();
    },
  };
}
