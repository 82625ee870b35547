import type { Change } from '../../core/change.ts';
import type { Revision } from '../../core/revision.ts';

/** The memory that changes are applied to. */
export interface Memory {
  /** Forgets what a change makes stale. */
  forget(change: Change): void;
  /** Forgets everything. */
  clear(): void;
}

/**
 * What keeps memory true. Mutations tell it what they changed; verification asks it whether memory may answer.
 * Behind this port stands either one process that owns its database (`in-process.ts`) or one of several that share
 * one (`head-watch.ts`).
 */
export interface Coherence {
  /** Whether memory may answer now. Called at each verification. */
  isFresh(): boolean;
  /** Whether every change up to this one has been applied to memory. */
  covers(revision: Revision): boolean;
  /** The newest position up to which memory holds every change. */
  revision(): Revision;
  /**
   * Applies what a transaction of this process changed. Called after its end whatever that was: also when the reply
   * to its commit was lost (then without a revision).
   */
  publish(changes: readonly Change[], revision: Revision | undefined): void;
  /** How long after its commit a change may still be unknown to some replica, ms. */
  readonly effectiveDelayMs: number;
  /** Ends its own work and connection, if it has any. */
  stop(): Promise<void>;
}
