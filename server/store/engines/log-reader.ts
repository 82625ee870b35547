import type { ClientConfig } from 'pg';
import { readLoggedChange } from '../../../core/change.ts';
import { LOG_PAGE_MAX, type LogReader } from '../../coherence/ports.ts';
import { createLoneConnection } from './lone-connection.ts';

/** The channel of hints. They are sent after a commit and carry nothing. */
export const HINT_CHANNEL = 'latchkey_changes';

interface Row {
  readonly head: string;
  readonly epoch: string;
  readonly rows: readonly {
    readonly seq: number;
    readonly kind: string;
    readonly id: string;
    readonly wait: boolean;
  }[];
}

/**
 * The poll: the lease is renewed and the log is read in one statement, so in one snapshot and one round trip.
 *
 * The epoch is that of the head's row and the timeline of the server's write-ahead log: a standby that was promoted has
 * another timeline, and may lack what the old primary had acknowledged.
 */
const POLL = {
  name: 'latchkey_poll',
  text: `
    WITH lease AS (
      INSERT INTO replicas (id, version, applied_seq, lease_until)
      VALUES ($1, $2, $3, clock_timestamp() + $4::double precision * interval '1 millisecond')
      ON CONFLICT (id) DO UPDATE SET applied_seq = excluded.applied_seq, lease_until = excluded.lease_until
    )
    SELECT h.seq AS head,
           h.epoch || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS epoch,
           coalesce((SELECT jsonb_agg(jsonb_build_object('seq', l.seq, 'kind', l.kind, 'id', l.id, 'wait', l.wait)
                                      ORDER BY l.seq)
                       FROM change_log l
                      WHERE l.shard = h.shard AND l.seq > $3 AND l.seq <= least(h.seq, $3 + ${LOG_PAGE_MAX})), '[]')
             AS rows
      FROM change_head h
     WHERE h.shard = 0`,
};

/** Follows the change log over one connection that nothing else can keep busy; makes a new one after an error. */
export function createLogReader(
  config: ClientConfig,
  options: {
    readonly replica: { readonly id: string; readonly version: string };
    /** Whether the poll is prepared, once a connection. */
    readonly prepared: boolean;
  },
): LogReader {
  const { replica, prepared } = options;
  let hint = (): void => {};
  const connection = createLoneConnection({
    config,
    prepared,
    async onConnect(client) {
      client.on('notification', () => hint());
      // Behind a pooler in transaction mode nothing will come; then changes are seen at the next poll.
      await client.query(`LISTEN ${HINT_CHANNEL}`);
    },
  });

  return {
    async poll({ cursor, leaseMs }) {
      const [row] = await connection.query<Row>({
        ...POLL,
        values: [replica.id, replica.version, cursor, leaseMs],
      });
      if (row === undefined) throw new Error('the table change_head has no row');
      return {
        head: { shard: 0, seq: Number(row.head) },
        epoch: row.epoch,
        rows: row.rows.map(({ seq, kind, id, wait }) => ({
          seq,
          change: readLoggedChange(kind, id),
          wait,
        })),
      };
    },
    onHint(listener) {
      hint = listener;
    },
    close: () => connection.close({ text: 'DELETE FROM replicas WHERE id = $1', values: [replica.id] }),
  };
}
