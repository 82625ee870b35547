import type { Revision } from '../../core/revision.ts';

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
