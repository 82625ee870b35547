import type { Knex } from 'knex';
import type { ReplicaStatus } from '../coherence/ports.ts';

/** A replica that renewed its lease a day ago the last time has ended without saying so. */
const IS_GONE = `(lease_until <= clock_timestamp() - interval '1 day')`;

/** What the database knows of the replicas. Those whose lease ended a day ago are left out. */
export async function readReplicas(knex: Knex): Promise<readonly ReplicaStatus[]> {
  const { rows } = (await knex.raw(
    `SELECT id, version, start_time, applied_seq, lease_until::text AS lease,
            (extract(epoch FROM clock_timestamp() - lease_until) * 1000)::double precision AS lease_ended_ms
       FROM replicas
      WHERE NOT ${IS_GONE}
      ORDER BY start_time, id`,
  )) as unknown as {
    readonly rows: readonly {
      readonly id: string;
      readonly version: string;
      readonly start_time: Date;
      readonly applied_seq: string;
      readonly lease_ended_ms: number;
      readonly lease: string;
    }[];
  };
  return rows.map((row) => ({
    id: row.id,
    version: row.version,
    startTimeMs: row.start_time.getTime(),
    appliedSeq: Number(row.applied_seq),
    leaseEndedMs: row.lease_ended_ms,
    lease: row.lease,
  }));
}

/** Takes the replicas off the list that `readReplicas` leaves out. */
export async function purgeReplicas(knex: Knex): Promise<void> {
  await knex('replicas').whereRaw(IS_GONE).delete();
}
