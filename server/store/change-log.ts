import type { Knex } from 'knex';
import { logChange, NOTHING_LOGGED } from '../../core/change.ts';
import type { Revision } from '../../core/revision.ts';
import type { Repositories } from '../lifecycle/ports.ts';

/** There is one shard; the column stands for the day when one row is too narrow a gate. */
const SHARD = 0;

/** Rows of the log that are kept, ms: a replica that is further behind begins anew from the head. */
const LOG_LIFETIME_MS = 60 * 60 * 1000;

/**
 * The change log and its head. The head's row is updated as the last act of every mutation and stays locked to the
 * commit, so positions are gapless and in the order of the commits on any SQL database.
 */
export function createChangeLog(knex: Knex): Repositories['changes'] {
  return {
    async head() {
      return revision(
        await knex<{ shard: number; seq: string }>('change_head').select('seq').where({ shard: SHARD }),
      );
    },

    async advance(changes, { wait }) {
      const rows = changes.length === 0 ? [NOTHING_LOGGED] : changes.map(logChange);
      const { rows: found } = (await knex.raw(
        `WITH head AS (
           UPDATE change_head SET seq = seq + :count WHERE shard = :shard RETURNING seq
         ), logged AS (
           INSERT INTO change_log (shard, seq, kind, id, wait)
           SELECT :shard, head.seq - :count + entry.position, entry.kind, entry.id, :wait
             FROM head, unnest(:kinds::text[], :ids::text[]) WITH ORDINALITY AS entry (kind, id, position)
         )
         SELECT seq,
                -- What is answered must survive a crash. Lasts to the end of the transaction.
                CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
                     THEN set_config('synchronous_commit', 'on', true) END
           FROM head`,
        {
          count: rows.length,
          shard: SHARD,
          wait,
          kinds: rows.map(({ kind }) => kind),
          ids: rows.map(({ id }) => id),
        },
      )) as unknown as { readonly rows: readonly { readonly seq: string }[] };
      return revision(found);
    },

    async purgeDue(nowMs, limit) {
      const due = knex('change_log')
        .select('shard', 'seq')
        .where('time', '<', new Date(nowMs - LOG_LIFETIME_MS))
        .limit(limit);
      return knex('change_log').whereIn(['shard', 'seq'], due).delete();
    },
  };
}

function revision(rows: readonly { readonly seq: string }[]): Revision {
  const [row] = rows;
  if (row === undefined)
    throw new Error('the table change_head has no row: the schema was not migrated whole');
  return { shard: SHARD, seq: Number(row.seq) };
}
