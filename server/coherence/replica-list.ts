import type { Revision } from '../../core/revision.ts';
import type { ReplicaStatus } from './ports.ts';

/** One replica, as operators see it. */
export interface ListedReplica {
  readonly id: string;
  readonly version: string;
  readonly startTimeMs: number;
  /** How many changes it has not applied yet. */
  readonly lag: number;
  /** How long its lease still holds, ms; negative: it is over; null: it needs none. */
  readonly leaseLeftMs: number | null;
  /** Whether it is this process. */
  readonly self: boolean;
}

/** All replicas that share the database. */
export interface ReplicaList {
  /** @throws Fault DATABASE_UNAVAILABLE */
  read(): Promise<{ readonly head: Revision; readonly replicas: readonly ListedReplica[] }>;
}

export function createReplicaList(options: {
  readonly self: Pick<ListedReplica, 'id' | 'version' | 'startTimeMs'>;
  /** The newest position of the change log. */
  readonly head: () => Promise<Revision>;
  /** What the database knows of the replicas; undefined: this process has the database for itself. */
  readonly readAll: (() => Promise<readonly ReplicaStatus[]>) | undefined;
}): ReplicaList {
  const { self, head, readAll } = options;
  return {
    async read() {
      const revision = await head();
      if (readAll === undefined)
        return { head: revision, replicas: [{ ...self, lag: 0, leaseLeftMs: null, self: true }] };
      const replicas = (await readAll()).map(({ id, version, startTimeMs, appliedSeq, leaseEndedMs }) => ({
        id,
        version,
        startTimeMs,
        lag: Math.max(0, revision.seq - appliedSeq),
        leaseLeftMs: -Math.round(leaseEndedMs),
        self: id === self.id,
      }));
      return { head: revision, replicas };
    },
  };
}
