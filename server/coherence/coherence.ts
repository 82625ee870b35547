import type { Change } from '../../core/change.ts';
import type { Revision } from '../../core/revision.ts';

/** The memory that changes are applied to. */
export interface Memory {
  /** Forgets what a change makes stale. */
  forget(change: Change): void;
  /** Forgets everything. */
  clear(): void;
}

/** How far a change has come. */
export interface Propagation {
  /** Replicas that were alive, this one included. */
  readonly replicas: number;
  /** Those of them that said that they had applied it. */
  readonly confirmed: number;
}

/**
 * What keeps memory true. Mutations tell it what they changed; verification asks it whether memory may answer.
 * Behind this port stands either one process that owns its database (`in-process.ts`) or one of several that share
 * one (`log-watch.ts`).
 */
export interface Coherence {
  /** Whether memory may answer now. Called at each verification. */
  isFresh(): boolean;
  /** Whether every change up to this one has been applied to memory. */
  covers(revision: Revision): boolean;
  /** The newest position up to which memory holds every change. */
  revision(): Revision;
  /** The history that this process follows; it changes where a database was restored or a standby promoted. */
  epoch(): string | undefined;
  /**
   * Applies what a transaction of this process changed. Called after its end whatever that was: also when the reply
   * to its commit was lost (then without a revision).
   * @param epoch what `epoch` was before the transaction began: its position may belong to a history that is over
   */
  publish(changes: readonly Change[], revision: Revision | undefined, epoch: string | undefined): void;
  /**
   * Waits until no replica can answer from before a change, at most `effectiveDelayMs`. It is effective when this
   * returns, whatever it returns.
   * @param isOwn whether it is a change of this process that was published; else this process may have to learn of it, too
   */
  confirm(revision: Revision, isOwn: boolean): Promise<Propagation>;
  /** Tells other processes of a change that nobody waits for, so that they know it sooner than by themselves. */
  announce(): void;
  /** How long after its commit a change may still be unknown to some replica, ms. */
  readonly effectiveDelayMs: number;
  /** Ends its own work and connection, if it has any. */
  stop(): Promise<void>;
}
