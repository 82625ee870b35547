import type { Knex } from 'knex';
import type { SecretUse } from '../usage/use-recorder.ts';
import { inBatches } from './in-batches.ts';

/**
 * Writes when secrets were last used. A use that is older than the one that is known changes nothing, one of a key that
 * is purged is let go.
 */
export async function recordUses(knex: Knex, uses: readonly SecretUse[]): Promise<void> {
  await inBatches(uses, async (batch) => {
    // In one order, so that replicas that write the same ones wait for each other and do not lock up.
    await knex.raw(
      `INSERT INTO secret_uses (secret_id, key_id, last_used_time, idle_since)
         SELECT use.secret_id, keys.id, use.time, use.time
           FROM unnest(?::text[], ?::text[], ?::timestamptz[]) AS use (secret_id, key_id, time)
           JOIN keys ON keys.id = use.key_id
          ORDER BY use.secret_id
       ON CONFLICT (secret_id) DO UPDATE
         SET last_used_time = excluded.last_used_time, idle_since = excluded.idle_since
       WHERE secret_uses.last_used_time IS NULL OR secret_uses.last_used_time < excluded.last_used_time`,
      [
        batch.map(({ secretId }) => secretId),
        batch.map(({ keyId }) => keyId),
        batch.map(({ timeMs }) => new Date(timeMs)),
      ],
    );
  });
}
