import createKnex, { type Knex } from 'knex';
import { Client, type ClientConfig } from 'pg';
import type { HeadReader } from '../../coherence/ports.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Engine } from './engine.ts';
import { knexLog } from './knex-log.ts';
import { createSockets, destroySocket } from './sockets.ts';

/** Bounds of the connections to a Postgres. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?…` */
  readonly url: string;
  readonly poolSize: number;
  /** How long to wait for a new connection, ms. */
  readonly connectTimeoutMs: number;
  /** How long to wait for a connection out of the pool, ms. */
  readonly acquireTimeoutMs: number;
  /** How long one statement may run, ms. */
  readonly statementTimeoutMs: number;
  /** How long a poll of the change head may take, ms. */
  readonly pollTimeoutMs: number;
  readonly logger: Logger;
}

/** A client's time limit, past the server's own: for a server that is cut off and cannot say so. */
const CLIENT_GRACE_MS = 1000;

/** A transaction that stops in the middle would hold the change head and with it all mutations; the server ends it. */
const IDLE_IN_TRANSACTION_MS = 5000;

/** What a server gets to say goodbye, ms; one that is cut off never does. */
const GOODBYE_MS = 1000;

/** A Postgres that several processes may share. Opening does not connect. */
export function openPostgres(options: PostgresOptions): Engine {
  const connection = {
    connectionString: options.url,
    application_name: 'latchkey',
    connectionTimeoutMillis: options.connectTimeoutMs,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
  };
  const pool = createPool(options, options.poolSize, {
    ...connection,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + CLIENT_GRACE_MS,
  });
  const headReader = createHeadReader({
    ...connection,
    application_name: 'latchkey-poll',
    connectionTimeoutMillis: options.pollTimeoutMs,
    statement_timeout: options.pollTimeoutMs,
    query_timeout: options.pollTimeoutMs,
  });
  return {
    knex: pool.knex,
    headReader,
    async unhurried(work) {
      const patient = createPool(options, 1, connection);
      try {
        return await work(patient.knex);
      } finally {
        await patient.close();
      }
    },
    maintain: async () => {},
    async close() {
      await headReader.close();
      await pool.close();
    },
  };
}

function createPool(
  { logger, acquireTimeoutMs }: PostgresOptions,
  size: number,
  connection: Knex.PgConnectionConfig,
): { readonly knex: Knex; close(): Promise<void> } {
  const sockets = createSockets();
  const knex = createKnex({
    client: 'pg',
    log: knexLog(logger),
    connection,
    pool: { min: 0, max: size, afterCreate: sockets.afterCreate },
    acquireConnectionTimeout: acquireTimeoutMs,
  });
  return {
    knex,
    async close() {
      const timer = setTimeout(() => sockets.destroyAll(), GOODBYE_MS);
      await knex.destroy();
      clearTimeout(timer);
    },
  };
}

/** Reads the change head over one connection that nothing else can keep busy; makes a new one after an error. */
function createHeadReader(config: ClientConfig): HeadReader {
  let client: Client | undefined;

  async function connected(): Promise<Client> {
    if (client !== undefined) return client;
    const fresh = new Client(config);
    // An idle connection that breaks says so here; the next poll finds out by itself.
    fresh.on('error', () => {});
    await fresh.connect();
    client = fresh;
    return fresh;
  }

  return {
    async read() {
      try {
        const { rows } = await (
          await connected()
        ).query<{ seq: string }>('SELECT seq FROM change_head WHERE shard = 0');
        const [row] = rows;
        if (row === undefined) throw new Error('the table change_head has no row');
        return { shard: 0, seq: Number(row.seq) };
      } catch (error) {
        if (client !== undefined) destroySocket(client);
        client = undefined;
        throw error;
      }
    },
    async close() {
      const last = client;
      client = undefined;
      if (last === undefined) return;
      const timer = setTimeout(() => destroySocket(last), GOODBYE_MS);
      await last.end().catch(() => {});
      clearTimeout(timer);
    },
  };
}
