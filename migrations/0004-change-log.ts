import type { Knex } from 'knex';

/** What changed, for every replica's memory: the change log, and the replicas that follow it. */
export async function up(knex: Knex): Promise<void> {
  // Positions of one epoch go on from each other; a database that was made anew is another.
  await knex.raw(
    `ALTER TABLE change_head ADD COLUMN epoch text NOT NULL DEFAULT md5(random()::text || clock_timestamp()::text)`,
  );
  await knex.raw(`
    CREATE TABLE change_log (
      shard integer NOT NULL,
      seq bigint NOT NULL,
      kind text NOT NULL,
      id text NOT NULL,
      wait boolean NOT NULL,
      time timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (shard, seq)
    )`);
  await knex.raw('CREATE INDEX change_log_by_time ON change_log (time)');
  await knex.raw(`
    CREATE TABLE replicas (
      id text PRIMARY KEY,
      version text NOT NULL,
      start_time timestamptz NOT NULL DEFAULT clock_timestamp(),
      applied_seq bigint NOT NULL,
      lease_until timestamptz NOT NULL
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE replicas');
  await knex.raw('DROP TABLE change_log');
  await knex.raw('ALTER TABLE change_head DROP COLUMN epoch');
}
