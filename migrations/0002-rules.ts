import type { Knex } from 'knex';

/** What a key may do, for whom, from where, on which store: restrictions, policies, owners, catalogues, imported keys. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE policies (
      id text PRIMARY KEY,
      keyspace_id text NOT NULL REFERENCES keyspaces (id) ON DELETE CASCADE,
      display_name text NOT NULL,
      scopes text[] NOT NULL,
      access_type text CHECK (access_type IN ('ALL', 'LISTED')),
      resources text[] NOT NULL,
      restrictions jsonb NOT NULL,
      apis text[] NOT NULL,
      metadata jsonb NOT NULL,
      tags text[] NOT NULL,
      create_time timestamptz NOT NULL,
      update_time timestamptz NOT NULL,
      version bigint NOT NULL
    )`);
  // In the order of the characters' codes, as pages are read, whatever the database's collation.
  await knex.raw(
    'CREATE UNIQUE INDEX policies_by_display_name ON policies (keyspace_id, display_name COLLATE "C")',
  );

  await knex.raw(`
    CREATE TABLE owners (
      keyspace_id text NOT NULL REFERENCES keyspaces (id) ON DELETE CASCADE,
      id text COLLATE "C" NOT NULL,
      display_name text NOT NULL,
      metadata jsonb NOT NULL,
      suspend_time timestamptz,
      suspend_reason text NOT NULL,
      create_time timestamptz NOT NULL,
      update_time timestamptz NOT NULL,
      version bigint NOT NULL,
      PRIMARY KEY (keyspace_id, id)
    )`);
  // Owners that keys name already.
  await knex.raw(`
    INSERT INTO owners (keyspace_id, id, display_name, metadata, suspend_reason, create_time, update_time, version)
      SELECT keyspace_id, owner_id, '', '{}', '', min(create_time), min(create_time), 1
        FROM keys WHERE owner_id <> '' GROUP BY keyspace_id, owner_id`);

  await knex.raw(`ALTER TABLE keyspaces ADD COLUMN apis jsonb NOT NULL DEFAULT '[]'`);

  await knex.raw(`
    ALTER TABLE keys
      ALTER COLUMN access_type DROP NOT NULL,
      ADD COLUMN restrictions jsonb NOT NULL DEFAULT '{}',
      ADD COLUMN apis text[] NOT NULL DEFAULT '{}',
      ADD COLUMN policy_ids text[] NOT NULL DEFAULT '{}'`);
  await knex.raw('DROP INDEX keys_by_owner');
  // The owner first: it is also looked for in all keyspaces.
  await knex.raw(
    `CREATE INDEX keys_by_owner ON keys (owner_id, keyspace_id, create_time, id) WHERE owner_id <> ''`,
  );
  await createListIndexes(knex);

  await knex.raw('ALTER TABLE key_secrets ADD COLUMN imported boolean NOT NULL DEFAULT false');
  // A foreign token is found by its digest, and no two keys can have one.
  await knex.raw('CREATE UNIQUE INDEX key_secrets_by_imported_digest ON key_secrets (digest) WHERE imported');
}

/** What lists of keys are filtered by, for values that few keys have; docs/list-plans.md shows what they save and cost. */
async function createListIndexes(knex: Knex): Promise<void> {
  // One index for all columns: any of them can be asked for, and an insert pays for one only.
  await knex.raw(
    'CREATE INDEX keys_by_element ON keys USING gin (scopes, resources, tags, apis, policy_ids)',
  );
  // A key that says nothing may be used for all if no policy confines it: surely if it has none.
  await knex.raw(`CREATE INDEX keys_by_access_type ON keys (keyspace_id, access_type, (policy_ids = '{}'))`);
  await knex.raw(
    `CREATE INDEX keys_by_switch ON keys (keyspace_id, switch, create_time, id) WHERE switch <> 'ACTIVE'`,
  );
  await knex.raw(
    'CREATE INDEX keys_by_expire_time ON keys (keyspace_id, expire_time) WHERE expire_time IS NOT NULL',
  );
}

export async function down(knex: Knex): Promise<void> {
  // What only these rules held back must not pass without them.
  await knex.raw(
    `UPDATE keys SET switch = 'DISABLED' WHERE switch = 'ACTIVE' AND (restrictions <> '{}' OR policy_ids <> '{}')`,
  );
  await knex.raw('DELETE FROM key_secrets WHERE imported');
  await knex.raw('DROP INDEX key_secrets_by_imported_digest');
  await knex.raw('ALTER TABLE key_secrets DROP COLUMN imported');
  for (const index of ['keys_by_expire_time', 'keys_by_switch', 'keys_by_access_type', 'keys_by_element']) {
    await knex.raw('DROP INDEX ??', [index]);
  }
  await knex.raw('DROP INDEX keys_by_owner');
  await knex.raw(`UPDATE keys SET access_type = 'ALL' WHERE access_type IS NULL`);
  await knex.raw(`
    ALTER TABLE keys
      ALTER COLUMN access_type SET NOT NULL,
      DROP COLUMN restrictions,
      DROP COLUMN apis,
      DROP COLUMN policy_ids`);
  await knex.raw(`CREATE INDEX keys_by_owner ON keys (owner_id, create_time, id) WHERE owner_id <> ''`);
  await knex.raw('ALTER TABLE keyspaces DROP COLUMN apis');
  await knex.raw('DROP TABLE owners');
  await knex.raw('DROP TABLE policies');
}
