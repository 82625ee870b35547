import type { Knex } from 'knex';

/** A step of the schema and the name that the database knows it by. */
export type NamedMigration = readonly [name: string, migration: Knex.Migration];

/** Any number will do, as long as it is ours alone in this database. */
const MIGRATION_LOCK = 5_226_801_177;

/** How long one replica waits for another's migration, ms. */
const LOCK_WAIT_MS = 120_000;

const TABLE = 'schema_migrations';

/** The schema and this version do not fit together. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch';
}

/**
 * Brings the schema up to date and returns the names of the steps that were taken.
 *
 * All of it is one transaction under an advisory lock: of several replicas that start at once, one migrates and the
 * others wait and find nothing to do; a process that is killed leaves neither half a schema nor a lock behind.
 *
 * @throws SchemaMismatch if the schema is newer than this version
 */
export async function migrate(knex: Knex, migrations: readonly NamedMigration[]): Promise<readonly string[]> {
  return knex.transaction(async (trx) => {
    await trx.raw(`SET LOCAL statement_timeout = 0`);
    await trx.raw(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
    await trx.raw('SELECT pg_advisory_xact_lock(?)', [MIGRATION_LOCK]);
    await requireKnown(trx, migrations);
    const migrationSource: Knex.MigrationSource<NamedMigration> = {
      getMigrations: async () => [...migrations],
      getMigrationName: ([name]) => name,
      getMigration: async ([, migration]) => migration,
    };
    const [, names] = (await trx.migrate.latest({ migrationSource, tableName: TABLE })) as [number, string[]];
    return names;
  });
}

/**
 * For a start that must not migrate.
 * @throws SchemaMismatch if the schema is older or newer than this version
 */
export async function requireMigrated(knex: Knex, migrations: readonly NamedMigration[]): Promise<void> {
  const taken = await requireKnown(knex, migrations);
  const missing = migrations.map(([name]) => name).filter((name) => !taken.includes(name));
  if (missing.length === 0) return;
  throw new SchemaMismatch(
    `the schema of the database lacks ${missing.join(', ')}; run \`npm run migrate\` first`,
  );
}

/** The names of the steps that the database has taken. @throws SchemaMismatch if this version does not know one */
async function requireKnown(knex: Knex, migrations: readonly NamedMigration[]): Promise<readonly string[]> {
  if (!(await knex.schema.hasTable(TABLE))) return [];
  const taken = (await knex<{ readonly name: string }>(TABLE).select('name')).map(({ name }) => name);
  const unknown = taken.filter((name) => !migrations.some(([known]) => known === name));
  if (unknown.length === 0) return taken;
  throw new SchemaMismatch(
    `the schema of the database has ${unknown.join(', ')}, which this version does not know; run a newer version`,
  );
}
