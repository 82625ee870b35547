import { Client, type ClientConfig } from 'pg';
import { readLoggedChange } from '../../../core/change.ts';
import { LOG_PAGE_MAX, type LogReader } from '../../coherence/ports.ts';
import { destroySocket } from './sockets.ts';

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
  const statement = prepared ? POLL : { text: POLL.text };
  let client: Client | undefined;
  let hint = (): void => {};

  async function connected(): Promise<Client> {
    if (client !== undefined) return client;
    const fresh = new Client(config);
    // An idle connection that breaks says so here; the next poll finds out by itself.
    fresh.on('error', () => {});
    fresh.on('notification', () => hint());
    try {
      await fresh.connect();
      // Behind a pooler in transaction mode nothing will come; then changes are seen at the next poll.
      await fresh.query(`LISTEN ${HINT_CHANNEL}`);
    } catch (error) {
      destroySocket(fresh);
      throw error;
    }
    client = fresh;
    return fresh;
  }

  return {
    async poll({ cursor, leaseMs }) {
      try {
        const { rows } = await (
          await connected()
        ).query<Row>({ ...statement, values: [replica.id, replica.version, cursor, leaseMs] });
        const [row] = rows;
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
      } catch (error) {
        if (client !== undefined) destroySocket(client);
        client = undefined;
        throw error;
      }
    },
    onHint(listener) {
      hint = listener;
    },
    async close() {
      const last = client;
      client = undefined;
      if (last === undefined) return;
      const timer = setTimeout(() => destroySocket(last), GOODBYE_MS);
      await last.query('DELETE FROM replicas WHERE id = $1', [replica.id]).catch(() => {});
      await last.end().catch(() => {});
      clearTimeout(timer);
    },
  };
}

/** What a server gets to say goodbye, ms; one that is cut off never does. */
const GOODBYE_MS = 1000;
