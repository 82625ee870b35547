/**
 * How far a change had come when its call was answered. The change is effective all the same: a replica that has not
 * confirmed it cannot answer from memory any more, or is gone.
 */
export interface Propagation {
  /** How many replicas were alive, the one that answered included. */
  readonly replicas: number;
  /** How many of them had applied the change. */
  readonly confirmed: number;
}

/** What a change that may take access away tells beside its result. */
export interface Propagated {
  /** How far the change had come by `effectiveTime`. Absent if nobody waited for it. */
  readonly propagation?: Propagation;
}
