/** One running server process of those that share a database. */
export interface Replica {
  /** `rep_` and 16 letters and digits; new at every start. */
  readonly id: string;
  /** The version of Latchkey that it runs. */
  readonly version: string;
  readonly startTime: Date;
  /** How many changes it has not applied yet. */
  readonly lag: number;
  /** Whether its lease holds: it may answer from memory. */
  readonly leaseValid: boolean;
  /** How long its lease still holds, ms; negative: how long ago it ended; null: the embedded database needs none. */
  readonly leaseLeftMs: number | null;
  /** Whether it is the one that answered. */
  readonly self: boolean;
}

/** The replicas that were alive in the last day. */
export interface ReplicaList {
  /** The oldest first. */
  readonly replicas: readonly Replica[];
  /** The head of the change log. */
  readonly revision: string;
}
