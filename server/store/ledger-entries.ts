import type { Knex } from 'knex';
import type { LedgerRepository } from '../lifecycle/ports.ts';

/** The ledger's tables, and what of each is over. */
const TABLES = {
  RATE: { table: 'rate_ledger', over: 'entry.expire_time <= clock_timestamp()' },
  // Of an id without an owner in it the last condition is about a keyspace that does not exist: see `ledgerId`.
  CREDITS: {
    table: 'credit_balances',
    over: `NOT EXISTS (SELECT 1 FROM keys WHERE keys.id = split_part(entry.id, ' ', 1))
      AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.keyspace_id = split_part(entry.id, ' ', 1)
                                             AND owners.id = regexp_replace(entry.id, '^[^ ]+ (.*) [^ ]+$', '\\1'))`,
  },
} as const;

/** Credit balances, for management: inside of the caller's transaction, if there is one. */
export function createLedgerRepository(
  knex: Knex,
  options: {
    /** The time, ms since 1970, instead of the database's: for tests. */
    readonly nowMs?: () => number;
  } = {},
): LedgerRepository {
  const { nowMs } = options;
  return {
    async adjust({ id, initial, refill }, { kind, amount }) {
      const { rows } = (await knex.raw(
        `SELECT done, new_balance FROM latchkey_adjust_credits(?, ?::bigint, ?::bigint, ?, ?::integer, ?::bigint, ?, ?::bigint, ?::bigint)`,
        [
          id,
          initial,
          refill?.amount ?? null,
          refill?.interval ?? null,
          refill?.day ?? null,
          refill?.maxBalance ?? null,
          kind,
          amount,
          nowMs === undefined ? null : Math.round(nowMs() * 1000),
        ],
      )) as unknown as { readonly rows: readonly { readonly done: boolean; readonly new_balance: string }[] };
      const [row] = rows;
      if (row === undefined) throw new Error('the change of a balance gave no answer');
      return { done: row.done, balance: Number(row.new_balance) };
    },

    async deleteOf(subject) {
      // Another owner's id may begin with this one's and a space; then what follows is not just a limit's name.
      for (const [table, rest] of [
        ['credit_balances', '^[a-z][a-z0-9_-]*$'],
        ['rate_ledger', '^[a-z][a-z0-9_-]* [0-9]+$'],
      ] as const) {
        await knex(table)
          .whereRaw('id >= ? AND id < ? AND substr(id, length(?::text) + 1) ~ ?', [
            `${subject} `,
            `${subject}!`,
            `${subject} `,
            rest,
          ])
          .delete();
      }
    },

    async purgePage(kind, afterId, limit) {
      const { table, over } = TABLES[kind];
      // Waits for no lock: leases lock many rows, and it would take them in another order. The condition stands twice:
      // between the locking of a row and its removal nothing can change, but before that it may have.
      const { rows } = (await knex.raw(
        `WITH page AS MATERIALIZED (
           SELECT id FROM ${table} WHERE id > ? ORDER BY id LIMIT ?
         ), over AS MATERIALIZED (
           SELECT entry.id FROM ${table} entry
            WHERE entry.id IN (SELECT id FROM page) AND ${over}
              FOR UPDATE OF entry SKIP LOCKED
         ), gone AS (
           DELETE FROM ${table} entry USING over WHERE entry.id = over.id AND ${over} RETURNING 1
         )
         SELECT (SELECT max(id) FROM page) AS last_id, (SELECT count(*) FROM page) AS seen,
                (SELECT count(*) FROM gone) AS removed`,
        [afterId, limit],
      )) as unknown as {
        readonly rows: readonly {
          readonly last_id: string | null;
          readonly seen: string;
          readonly removed: string;
        }[];
      };
      const [row] = rows;
      const isLast = row === undefined || Number(row.seen) < limit;
      return {
        removed: Number(row?.removed ?? 0),
        lastId: isLast ? undefined : (row.last_id ?? undefined),
      };
    },
  };
}
