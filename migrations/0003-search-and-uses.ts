import type { Knex } from 'knex';

/** Keys rewritten in one statement. */
const BATCH = 1000;

/** Keys are found by any part of their texts, and by when they were last used. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`ALTER TABLE keys ADD COLUMN search_text text NOT NULL DEFAULT ''`);
  await fillSearchText(knex);
  await knex.raw('ALTER TABLE keys ALTER COLUMN search_text DROP DEFAULT');
  // Three characters from each place on, fewer at the end, so that shorter texts are found as beginnings. The cost keeps
  // the planner from running it for each row of a walk before cheaper conditions.
  await knex.raw(`
    CREATE FUNCTION latchkey_grams(folded text) RETURNS tsvector
      LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000
      AS $$
        SELECT pg_catalog.array_to_tsvector(ARRAY(
          SELECT pg_catalog.substr(folded, place, 3)
            FROM pg_catalog.generate_series(1, pg_catalog.length(folded)) AS place))
      $$`);
  await knex.raw('CREATE INDEX keys_by_gram ON keys USING gin (latchkey_grams(search_text))');

  // Apart from keys and secrets, whose rows are wide and change seldom.
  await knex.raw(`
    CREATE TABLE secret_uses (
      secret_id text PRIMARY KEY,
      key_id text NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
      last_used_time timestamptz,
      idle_since timestamptz NOT NULL
    ) WITH (fillfactor = 70)`);
  await knex.raw('CREATE INDEX secret_uses_by_key ON secret_uses (key_id)');
  await knex.raw('CREATE INDEX secret_uses_by_idle_since ON secret_uses (idle_since)');
  await knex.raw(`
    INSERT INTO secret_uses (secret_id, key_id, idle_since)
      SELECT s.id, s.key_id, k.create_time FROM key_secrets s JOIN keys k ON k.id = s.key_id`);
}

/** As server/store/search-text.ts folded texts when this step was written. */
async function fillSearchText(knex: Knex): Promise<void> {
  let afterId = '';
  for (;;) {
    const rows = await knex<{ id: string; display_name: string; owner_id: string }>('keys')
      .select('id', 'display_name', 'owner_id')
      .whereRaw('id COLLATE "C" > ?', [afterId])
      .orderByRaw('id COLLATE "C"')
      .limit(BATCH);
    const last = rows.at(-1);
    if (last === undefined) return;
    afterId = last.id;
    const texts = rows.map(({ id, display_name: name, owner_id: owner }) =>
      [name, owner, id].map((text) => text.normalize('NFKC').toLowerCase().replaceAll('ς', 'σ')).join('\n'),
    );
    await knex.raw(
      `UPDATE keys SET search_text = folded.search_text
         FROM unnest(?::text[], ?::text[]) AS folded (id, search_text) WHERE keys.id = folded.id`,
      [rows.map(({ id }) => id), texts],
    );
  }
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE secret_uses');
  await knex.raw('DROP INDEX keys_by_gram');
  await knex.raw('DROP FUNCTION latchkey_grams(text)');
  await knex.raw('ALTER TABLE keys DROP COLUMN search_text');
}
