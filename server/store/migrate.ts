import type { Knex } from 'knex';

/** A step of the schema and the name that the database knows it by. */
export type NamedMigration = readonly [name: string, migration: Knex.Migration];

/** Any number will do, as long as it is ours alone in this database. */
const MIGRATION_LOCK = 5_226_801_177;

/** How long one replica waits for another's migration, ms. */
const LOCK_WAIT_MS = 120_000;

/**
 * Brings the schema up to date and returns the names of the steps that were taken.
 *
 * All of it is one transaction under an advisory lock: of several replicas that start at once, one migrates and the
 * others wait and find nothing to do; a process that is killed leaves neither half a schema nor a lock behind.
 *
 * @throws Error if the schema is newer than this version knows
 */
export async function migrate(knex: Knex, migrations: readonly NamedMigration[]): Promise<readonly string[]> {
  const migrationSource: Knex.MigrationSource<NamedMigration> = {
    getMigrations: async () => [...migrations],
    getMigrationName: ([name]) => name,
    getMigration: async ([, migration]) => migration,
  };
  return knex.transaction(async (trx) => {
    await trx.raw(`SET LOCAL statement_timeout = 0`);
    await trx.raw(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
    await trx.raw('SELECT pg_advisory_xact_lock(?)', [MIGRATION_LOCK]);
    const [, names] = (await trx.migrate.latest({ migrationSource, tableName: 'schema_migrations' })) as [
      number,
      string[],
    ];
    return names;
  });
}
