import type { Knex } from 'knex';
import type { LogReader } from '../../coherence/ports.ts';

/** What the ledger of limits is asked over: a connection that nothing else can keep busy, where there are several. */
export interface LedgerConnection {
  /**
   * Runs one statement in a transaction of its own.
   * @param statement its name, and its text with `$1` for the first value; each value stands in it once, in order
   * @throws what the driver throws
   */
  query<Row extends object>(
    statement: { readonly name: string; readonly text: string },
    values: readonly unknown[],
  ): Promise<readonly Row[]>;
}

/** A database that is open. */
export interface Engine {
  readonly knex: Knex;
  /** What verification reads with. */
  readonly loadKnex: Knex;
  readonly ledger: LedgerConnection;
  /** The change log that replicas follow; undefined where this process owns the database alone. */
  readonly log:
    | {
        readonly reader: LogReader;
        /** Tells all replicas that there is something to read. */
        hint(): Promise<void>;
      }
    | undefined;
  /** Work that may take its time, such as a migration: over a connection without limits to a statement's time. */
  unhurried<T>(work: (knex: Knex) => Promise<T>): Promise<T>;
  /** What to do now and then for the database's health; e.g. a VACUUM where there is no autovacuum. */
  maintain(): Promise<void>;
  /** Ends all connections. */
  close(): Promise<void>;
}
