import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { createPgConfig } from '@electric-sql/pglite/node-postgres';
import createKnex, { type Knex } from 'knex';
import { lockDirectory } from './directory-lock.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Engine } from './engine.ts';
import { knexLog } from './knex-log.ts';

/**
 * Postgres inside this process (PGlite, WebAssembly), for one process, with its files under `dataDir`.
 *
 * PGlite takes no lock of its own, and two processes on one directory lose rows without a word: hence ours. It does
 * not fsync: what it acknowledged survives a killed process, not a power cut.
 *
 * @throws DirectoryInUse if another process has the directory
 */
export async function openEmbedded(options: {
  /** Made if there is none, readable by its owner only. Undefined: in memory, for tests. */
  readonly dataDir: string | undefined;
  /** How long a query waits for the one connection, ms. */
  readonly acquireTimeoutMs: number;
  readonly logger: Logger;
}): Promise<Engine> {
  const { dataDir, acquireTimeoutMs, logger } = options;
  const lock = dataDir === undefined ? undefined : await lockDirectory(dataDir);
  try {
    const files = dataDir === undefined ? undefined : join(dataDir, 'db');
    if (files !== undefined) await mkdir(files, { recursive: true, mode: 0o700 });
    const pglite = await PGlite.create(files === undefined ? {} : { dataDir: files });
    const knex = createKnex({
      client: 'pg',
      log: knexLog(logger),
      connection: () => Object.assign({}, createPgConfig(pglite)),
      pool: { min: 1, max: 1 },
      acquireConnectionTimeout: acquireTimeoutMs,
    });
    return {
      knex,
      loadKnex: knex,
      ledger: {
        async query<Row extends object>({ text }: { readonly text: string }, values: readonly unknown[]) {
          const { rows } = (await knex.raw(text.replaceAll(/\$\d+/g, '?'), [
            ...values,
          ] as Knex.Value[])) as unknown as { readonly rows: readonly Row[] };
          return rows;
        },
      },
      log: undefined,
      unhurried: (work) => work(knex),
      async maintain() {
        await knex.raw('VACUUM ANALYZE');
      },
      async close() {
        await knex.destroy();
        await pglite.close();
        await lock?.release();
      },
    };
  } catch (error) {
    await lock?.release();
    throw error;
  }
}
