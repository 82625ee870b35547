import type { KeyRecord, KeyspaceRecord, KeyState } from '../../core/key.ts';
import type { Revision } from '../../core/revision.ts';
import type { AuditEvent } from '../audit/audit-event.ts';

/** Which keys a list holds; every field that is set must match. */
export interface KeyFilter {
  /** Keys of these keyspaces; undefined: of all but the built-in one and those in `exceptKeyspaceIds`. */
  readonly keyspaceIds: readonly string[] | undefined;
  readonly exceptKeyspaceIds: readonly string[];
  readonly states: readonly KeyState[];
  readonly accessType: 'ALL' | 'LISTED' | undefined;
  readonly resource: string | undefined;
  readonly ownerId: string | undefined;
  readonly tag: string | undefined;
  readonly scope: string | undefined;
  readonly search: string | undefined;
  readonly expiresBeforeMs: number | undefined;
  readonly createdAfterMs: number | undefined;
  readonly showDeleted: boolean;
}

/** A place in a list: after the row with this time and id. */
export interface KeyPosition {
  readonly createTimeMs: number;
  readonly id: string;
}

/** One page of keys to read. */
export interface KeyPage {
  readonly filter: KeyFilter;
  readonly newestFirst: boolean;
  readonly after: KeyPosition | undefined;
  readonly limit: number;
  /** The time by which EXPIRED is judged, ms since 1970. */
  readonly nowMs: number;
}

/** How a row is read: `update` locks it until the transaction ends. */
export type RowLock = 'none' | 'update';

/** Keys in the database. Deleted ones are there until they are purged. */
export interface KeyRepository {
  get(id: string, lock?: RowLock): Promise<KeyRecord | undefined>;
  list(page: KeyPage): Promise<readonly KeyRecord[]>;
  /** Inserts a key with its secrets. */
  insert(key: KeyRecord): Promise<void>;
  /** Writes all that can change of a key, but its secrets. */
  update(key: KeyRecord): Promise<void>;
  /** How many keys of a keyspace are not deleted. */
  countIn(keyspaceId: string): Promise<number>;
  /** Removes a keyspace's deleted keys for good. */
  purgeDeletedIn(keyspaceId: string): Promise<void>;
  /** Removes up to `limit` keys whose purge time has come; returns how many. */
  purgeDue(nowMs: number, limit: number): Promise<number>;
}

/** Keyspaces in the database. */
export interface KeyspaceRepository {
  get(id: string, lock?: RowLock): Promise<KeyspaceRecord | undefined>;
  /** Keyspaces by slug, of `ids` only if given, without the built-in one unless `withRoot`. */
  list(page: {
    readonly ids: readonly string[] | undefined;
    readonly withRoot: boolean;
    readonly afterSlug: string | undefined;
    readonly limit: number;
  }): Promise<readonly KeyspaceRecord[]>;
  /** @throws Fault SLUG_TAKEN */
  insert(keyspace: KeyspaceRecord): Promise<void>;
  update(keyspace: KeyspaceRecord): Promise<void>;
  delete(id: string): Promise<void>;
}

/** The first answer to a request id. */
export interface IdempotencyRecord {
  /** SHA-256 of the request, in hex. */
  readonly requestDigestHex: string;
  /** The sealed answer. */
  readonly sealedAnswer: Buffer;
}

/** Answers that are kept for retries. */
export interface IdempotencyRepository {
  /**
   * Claims a request id for this transaction. If another transaction holds it, waits for its end.
   * @returns undefined if it is ours now, else the first answer
   */
  claim(idHashHex: string, expireTimeMs: number): Promise<IdempotencyRecord | undefined>;
  /** Writes the answer of a claimed id. */
  complete(idHashHex: string, record: IdempotencyRecord): Promise<void>;
  /** Removes up to `limit` answers that are over; returns how many. */
  purgeDue(nowMs: number, limit: number): Promise<number>;
}

/** Everything that a transaction, or a reader outside of one, can do with the database. */
export interface Repositories {
  readonly keys: KeyRepository;
  readonly keyspaces: KeyspaceRepository;
  readonly idempotency: IdempotencyRepository;
  readonly audit: { append(event: AuditEvent): Promise<void> };
  readonly changes: {
    /** The newest position that is committed, or this transaction's own. */
    head(): Promise<Revision>;
    /** Takes the next position. The last act of a transaction: its lock lasts to the commit. */
    advance(): Promise<Revision>;
  };
}

/** The database. */
export interface Store extends Repositories {
  /**
   * Runs `body` in one transaction. Serialization failures and deadlocks run it again from the start, so it must have
   * no effects of its own.
   * @throws Fault DATABASE_UNAVAILABLE, CONFLICT, and whatever `body` throws
   */
  transaction<T>(body: (tx: Repositories) => Promise<T>): Promise<T>;
}
