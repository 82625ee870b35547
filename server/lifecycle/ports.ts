import type { Change } from '../../core/change.ts';
import type { CreditRefill } from '../../core/limit.ts';
import { ROOT_KEYSPACE_ID, type KeyRecord, type KeyspaceRecord, type KeyState } from '../../core/key.ts';
import type { OwnerRecord } from '../../core/owner.ts';
import type { PolicyRecord } from '../../core/policy.ts';
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
  readonly policyId: string | undefined;
  readonly tag: string | undefined;
  readonly scope: string | undefined;
  readonly api: string | undefined;
  readonly search: string | undefined;
  readonly expiresBeforeMs: number | undefined;
  readonly lastUsedBeforeMs: number | undefined;
  readonly createdAfterMs: number | undefined;
  readonly showDeleted: boolean;
}

/** A filter that asks for nothing: every key, but root keys and those that are deleted. */
export const EVERY_KEY: KeyFilter = {
  keyspaceIds: undefined,
  exceptKeyspaceIds: [ROOT_KEYSPACE_ID],
  states: [],
  accessType: undefined,
  resource: undefined,
  ownerId: undefined,
  policyId: undefined,
  tag: undefined,
  scope: undefined,
  api: undefined,
  search: undefined,
  expiresBeforeMs: undefined,
  lastUsedBeforeMs: undefined,
  createdAfterMs: undefined,
  showDeleted: false,
};

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

/** Which keys of a keyspace a batch is about; every field that is set must match. Deleted keys never are. */
export interface KeyChoice {
  readonly keyspaceId: string;
  readonly ownerId?: string | undefined;
  readonly policyId?: string | undefined;
  readonly tag?: string | undefined;
  readonly createdBeforeMs?: number | undefined;
  /** Only those that are not revoked. */
  readonly revocableOnly?: boolean;
}

/** Keys in the database. Deleted ones are there until they are purged. */
export interface KeyRepository {
  get(id: string, lock?: RowLock): Promise<KeyRecord | undefined>;
  list(page: KeyPage): Promise<readonly KeyRecord[]>;
  /** Inserts a key with its secrets. */
  insert(key: KeyRecord): Promise<void>;
  /** Writes all that can change of a key, but its secrets. */
  update(key: KeyRecord): Promise<void>;
  /** Makes a key's secrets those of the record. */
  replaceSecrets(key: Pick<KeyRecord, 'id' | 'secrets'>): Promise<void>;
  /** The ids of the first `limit` keys of a choice, oldest first. */
  idsOf(choice: KeyChoice, limit: number, lock?: RowLock): Promise<readonly string[]>;
  /** Revokes keys that are locked. */
  revokeMany(
    ids: readonly string[],
    revocation: { readonly timeMs: number; readonly reason: string },
  ): Promise<void>;
  /** Takes an owner from all its keys, deleted ones too; returns their ids. */
  detachOwner(keyspaceId: string, ownerId: string, nowMs: number): Promise<readonly string[]>;
  /** Which of the digests belong to imported keys, and to which. */
  importedBy(
    digestsHex: readonly string[],
  ): Promise<
    readonly (readonly [
      digestHex: string,
      key: { readonly id: string; readonly keyspaceId: string; readonly deleted: boolean },
    ])[]
  >;
  /** Inserts a key with its imported secret, if no other has the digest. @returns whether it did @throws Fault KEYSPACE_NOT_FOUND */
  insertImported(key: KeyRecord): Promise<boolean>;
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

/** Policies in the database. */
export interface PolicyRepository {
  get(id: string, lock?: RowLock): Promise<PolicyRecord | undefined>;
  /** Policies by their ids; those that do not exist are left out. `share` keeps them from being deleted meanwhile. */
  getMany(ids: readonly string[], lock?: 'none' | 'share'): Promise<readonly PolicyRecord[]>;
  /** Policies of a keyspace by display name, in the order of the characters' codes. */
  list(page: {
    readonly keyspaceId: string;
    readonly afterName: string | undefined;
    readonly limit: number;
  }): Promise<readonly PolicyRecord[]>;
  /** @throws Fault POLICY_NAME_TAKEN, KEYSPACE_NOT_FOUND */
  insert(policy: PolicyRecord): Promise<void>;
  /** @throws Fault POLICY_NAME_TAKEN */
  update(policy: PolicyRecord): Promise<void>;
  delete(id: string): Promise<void>;
  /** How many keys refer to it, deleted ones too. */
  countKeys(policy: Pick<PolicyRecord, 'id' | 'keyspaceId'>): Promise<number>;
}

/** How many keys there are in each state; deleted ones are not counted. */
export type KeyCounts = Readonly<Record<KeyState, number>>;

/** Owners in the database. */
export interface OwnerRepository {
  get(keyspaceId: string, id: string, lock?: RowLock): Promise<OwnerRecord | undefined>;
  /** Owners of a keyspace by id, in the order of the characters' codes. */
  list(page: {
    readonly keyspaceId: string;
    readonly suspendedOnly: boolean;
    readonly afterId: string | undefined;
    readonly limit: number;
  }): Promise<readonly OwnerRecord[]>;
  /** @throws Fault OWNER_EXISTS, KEYSPACE_NOT_FOUND */
  insert(owner: OwnerRecord): Promise<void>;
  /**
   * Inserts those that do not exist yet, and keeps all of them from being deleted until the transaction ends.
   * @returns those that were inserted
   * @throws Fault KEYSPACE_NOT_FOUND
   */
  ensure(owners: readonly OwnerRecord[]): Promise<readonly OwnerRecord[]>;
  update(owner: OwnerRecord): Promise<void>;
  delete(keyspaceId: string, id: string): Promise<void>;
  /** How many keys it has. */
  countKeys(keyspaceId: string, id: string, nowMs: number): Promise<KeyCounts>;
}

/** A credit balance: by what its ledger entry is found, and what it begins with if there is none yet. */
export interface CreditBalance {
  /** See `ledgerId`. */
  readonly id: string;
  readonly initial: number;
  readonly refill: CreditRefill | null;
}

/** What to do with a balance. SET makes all void that replicas hold in advance. */
export interface CreditChange {
  readonly kind: 'ADD' | 'TAKE' | 'SET';
  readonly amount: number;
}

/** What was counted of limits, for management; verification asks the ledger itself (budgets/ports.ts). */
export interface LedgerRepository {
  /**
   * Changes a balance and locks it until the transaction ends. What would make it less than nothing or more than
   * BALANCE_MAX is not done.
   * @returns whether it was done, and the balance that is there now
   */
  adjust(
    balance: CreditBalance,
    change: CreditChange,
  ): Promise<{ readonly done: boolean; readonly balance: number }>;
  /** Forgets what was counted for a key or an owner, rates too: see `keySubject` and `ownerSubject`. */
  deleteOf(subject: string): Promise<void>;
  /**
   * Looks at up to `limit` entries of the ledger after an id, and removes those that nothing needs: rates of which nothing
   * counts any more, balances of keys and owners that are gone. What a replica is working on is left for the next time.
   * @returns how many were removed, and the id of the last one looked at; undefined: there are no more
   */
  purgePage(
    kind: 'RATE' | 'CREDITS',
    afterId: string,
    limit: number,
  ): Promise<{ readonly removed: number; readonly lastId: string | undefined }>;
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
  readonly policies: PolicyRepository;
  readonly owners: OwnerRepository;
  readonly ledger: LedgerRepository;
  readonly idempotency: IdempotencyRepository;
  readonly audit: {
    append(event: AuditEvent): Promise<void>;
    appendAll(events: readonly AuditEvent[]): Promise<void>;
  };
  readonly changes: {
    /** The newest position that is committed, or this transaction's own. */
    head(): Promise<Revision>;
    /**
     * Writes changes to the log, each at the next position; of no changes an empty one. The last act of a transaction:
     * its lock lasts to the commit.
     * @param options.wait whether somebody will wait until every replica has applied them
     * @returns the last position
     */
    advance(changes: readonly Change[], options: { readonly wait: boolean }): Promise<Revision>;
    /** Removes up to `limit` rows that no replica needs any more; returns how many. */
    purgeDue(nowMs: number, limit: number): Promise<number>;
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
