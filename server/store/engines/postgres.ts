import createKnex, { type Knex } from 'knex';
import type { Logger } from '../../telemetry/logger.ts';
import type { Engine } from './engine.ts';
import { knexLog } from './knex-log.ts';
import { createLogReader, HINT_CHANNEL } from './log-reader.ts';
import { createLoneConnection } from './lone-connection.ts';
import { createSockets } from './sockets.ts';

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
  /** Connections for the reads of verification, beside the pool. */
  readonly loadPoolSize: number;
  /** Whether statements that are run over and over are prepared. */
  readonly prepared: boolean;
  /** How long a poll of the change log, or a call of the ledger, may take, ms. */
  readonly pollTimeoutMs: number;
  /** Who polls. */
  readonly replica: { readonly id: string; readonly version: string };
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
  const bounded = {
    ...connection,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + CLIENT_GRACE_MS,
  };
  const pool = createPool(options, options.poolSize, bounded);
  const loadPool = createPool(options, options.loadPoolSize, {
    ...bounded,
    application_name: 'latchkey-load',
  });
  const prompt = {
    ...connection,
    connectionTimeoutMillis: options.pollTimeoutMs,
    statement_timeout: options.pollTimeoutMs,
    query_timeout: options.pollTimeoutMs,
  };
  const { replica, prepared } = options;
  const logReader = createLogReader({ ...prompt, application_name: 'latchkey-poll' }, { replica, prepared });
  const ledger = createLoneConnection({
    config: { ...prompt, application_name: 'latchkey-ledger' },
    prepared,
  });
  return {
    knex: pool.knex,
    loadKnex: loadPool.knex,
    ledger: {
      query: (statement, values) => ledger.query({ ...statement, values: [...values] }),
    },
    log: {
      reader: logReader,
      async hint() {
        await pool.knex.raw(`NOTIFY ${HINT_CHANNEL}`);
      },
    },
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
      await Promise.all([logReader.close(), ledger.close(), pool.close(), loadPool.close()]);
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
