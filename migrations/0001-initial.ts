import type { Knex } from 'knex';

/**
 * The first tables. Written for any engine that speaks Postgres: text ids that are made by the server, no sequences,
 * triggers or functions.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE keyspaces (
      id text PRIMARY KEY,
      slug text NOT NULL UNIQUE,
      token_prefix text NOT NULL,
      display_name text NOT NULL,
      default_ttl_ms bigint,
      max_ttl_ms bigint,
      require_expiry boolean NOT NULL,
      create_time timestamptz NOT NULL,
      update_time timestamptz NOT NULL,
      version bigint NOT NULL
    )`);

  // The built-in keyspace of root keys: every database has it, whoever starts first.
  await knex.raw(`
    INSERT INTO keyspaces (id, slug, token_prefix, display_name, require_expiry, create_time, update_time, version)
    VALUES ('ks_latchkey', 'latchkey', 'latchkey', 'Root keys of Latchkey itself', false, now(), now(), 1)`);

  await knex.raw(`
    CREATE TABLE keys (
      id text PRIMARY KEY,
      keyspace_id text NOT NULL REFERENCES keyspaces (id),
      token_prefix text NOT NULL,
      display_name text NOT NULL,
      switch text NOT NULL CHECK (switch IN ('ACTIVE', 'DISABLED', 'REVOKED')),
      owner_id text NOT NULL,
      scopes text[] NOT NULL,
      access_type text NOT NULL CHECK (access_type IN ('ALL', 'LISTED')),
      resources text[] NOT NULL,
      metadata jsonb NOT NULL,
      tags text[] NOT NULL,
      expire_time timestamptz,
      create_time timestamptz NOT NULL,
      update_time timestamptz NOT NULL,
      revoke_time timestamptz,
      revoke_reason text NOT NULL,
      delete_time timestamptz,
      purge_time timestamptz,
      version bigint NOT NULL,
      created_by text NOT NULL
    )`);
  await knex.raw('CREATE INDEX keys_by_create_time ON keys (create_time, id)');
  await knex.raw('CREATE INDEX keys_by_keyspace ON keys (keyspace_id, create_time, id)');
  await knex.raw(`CREATE INDEX keys_by_owner ON keys (owner_id, create_time, id) WHERE owner_id <> ''`);
  await knex.raw('CREATE INDEX keys_by_purge_time ON keys (purge_time) WHERE purge_time IS NOT NULL');

  await knex.raw(`
    CREATE TABLE key_secrets (
      id text PRIMARY KEY,
      key_id text NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
      digest bytea NOT NULL CHECK (octet_length(digest) = 32),
      hint text NOT NULL,
      create_time timestamptz NOT NULL,
      expire_time timestamptz
    )`);
  await knex.raw('CREATE INDEX key_secrets_by_key ON key_secrets (key_id)');

  await knex.raw(`
    CREATE TABLE audit_events (
      id text PRIMARY KEY,
      time timestamptz NOT NULL,
      actor text NOT NULL,
      action text NOT NULL,
      keyspace_id text NOT NULL,
      target_id text NOT NULL,
      details jsonb NOT NULL
    )`);
  await knex.raw('CREATE INDEX audit_events_by_target ON audit_events (target_id, time)');

  await knex.raw(`
    CREATE TABLE idempotency_records (
      id_hash bytea PRIMARY KEY,
      request_digest bytea,
      sealed_answer bytea,
      expire_time timestamptz NOT NULL
    )`);
  await knex.raw('CREATE INDEX idempotency_records_by_expire_time ON idempotency_records (expire_time)');

  await knex.raw('CREATE TABLE change_head (shard integer PRIMARY KEY, seq bigint NOT NULL)');
  await knex.raw('INSERT INTO change_head (shard, seq) VALUES (0, 0)');
}

export async function down(knex: Knex): Promise<void> {
  for (const table of [
    'change_head',
    'idempotency_records',
    'audit_events',
    'key_secrets',
    'keys',
    'keyspaces',
  ]) {
    await knex.raw('DROP TABLE ??', [table]);
  }
}
