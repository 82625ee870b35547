import type { Change } from '../../core/change.ts';
import type { Revision } from '../../core/revision.ts';

/** The most rows that a poll reads. */
export const LOG_PAGE_MAX = 1000;

/** One row of the change log. */
export interface LogRow {
  readonly seq: number;
  /** See `readLoggedChange`. */
  readonly change: Change | 'nothing' | 'anything';
  /** Whether somebody waits until every replica has applied it. */
  readonly wait: boolean;
}

/** What a poll finds. */
export interface LogPage {
  readonly head: Revision;
  /** The history that positions belong to. A database that was made anew or failed over is another. */
  readonly epoch: string;
  /** The rows after the cursor, at most `LOG_PAGE_MAX`, by position. */
  readonly rows: readonly LogRow[];
}

/** Follows the change log on the primary for one replica, over a connection of its own. */
export interface LogReader {
  /**
   * Renews the replica's lease, acknowledges all up to the cursor, and reads what comes after it: one statement.
   * @throws when the database does not answer in time
   */
  poll(options: { readonly cursor: number; readonly leaseMs: number }): Promise<LogPage>;
  /** Calls when somebody says that there is something to read. Hints can be lost; nothing depends on them but speed. */
  onHint(listener: () => void): void;
  /** Takes the replica off the list and ends the connection. */
  close(): Promise<void>;
}

/** What the database knows of a replica. */
export interface ReplicaStatus {
  readonly id: string;
  readonly version: string;
  readonly startTimeMs: number;
  /** The position up to which it has applied every change. */
  readonly appliedSeq: number;
  /** How long ago its lease ended, by the database's clock, ms; negative: it holds. */
  readonly leaseEndedMs: number;
  /** A text that every renewal of its lease changes. */
  readonly lease: string;
}
