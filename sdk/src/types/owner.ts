import type { Limit, LimitOverride } from './limit.ts';
import type { Propagated } from './propagation.ts';

/** What names an owner. An `Owner` does too. */
export interface OwnerRef {
  /** The keyspace it belongs to, `ks_…`. */
  readonly keyspaceId: string;
  /** Its id, of your choosing, unique in its keyspace. 1 to 256 characters. */
  readonly id: string;
}

/** An owner: the user, app, tenant or service that keys belong to. */
export interface Owner extends OwnerRef {
  /** A name for people; may be empty. */
  readonly displayName: string;
  /** Data of yours. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Limits that all its keys share, on top of each key's own. */
  readonly limits: readonly Limit[];
  /** The overrides of its limits that are not over: see `limits.setOverride`. */
  readonly limitOverrides: readonly LimitOverride[];
  /** When it was suspended, which stops all its keys; null: it is not. */
  readonly suspendTime: Date | null;
  /** Why, as `owners.suspend` was told; may be empty. */
  readonly suspendReason: string;
  readonly createTime: Date;
  /** When it was last changed. */
  readonly updateTime: Date;
  /** Changes with every change; given back in one, it makes that fail if someone else was faster. */
  readonly etag: string;
}

/** How many keys an owner has, by their state. Deleted keys are not counted. */
export interface OwnerKeyCounts {
  readonly active: number;
  readonly disabled: number;
  readonly revoked: number;
  readonly expired: number;
}

/** An owner with the numbers of its keys. */
export interface CountedOwner extends Owner {
  readonly keys: OwnerKeyCounts;
}

/** An owner to create. */
export interface NewOwner extends OwnerRef, OwnerChange {}

/** What to change of an owner: the properties that are there. */
export interface OwnerChange {
  /** A name for people. At most 128 characters. */
  readonly displayName?: string | undefined;
  /** Data of yours, replaced whole. At most 64 entries, names of 1 to 64 characters, 4096 bytes together. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * Limits that all its keys share, on top of each key's own, each with a name of its own; replaced whole. At most 16.
   * Owners of root keys cannot have any.
   */
  readonly limits?: readonly Limit[] | undefined;
}

/** Which owners to list, and how. */
export interface OwnerQuery {
  /** Those of this keyspace, `ks_…`. */
  readonly keyspaceId: string;
  /** Only those that are suspended. Default: false. */
  readonly suspendedOnly?: boolean | undefined;
  /** How many owners a page has at most, 1 to 1000 (more is taken as 1000). Default: 50, for `listAll` 250. */
  readonly pageSize?: number | undefined;
}

/** A page of owners. */
export interface OwnerPage {
  /** By their id. */
  readonly owners: readonly Owner[];
  /** Ask for the next page with it, and with the same filter. Absent: this was the last. */
  readonly nextPageToken?: string;
}

/** An owner after a change. */
export interface ChangedOwner {
  readonly owner: Owner;
  /** The position of the change in the change log; see `VerifyRequest.minRevision`. */
  readonly revision: string;
}

/** An owner after a change that may take access away. */
export interface NarrowedOwner extends ChangedOwner, Propagated {
  /** No verification that starts after this time, on any replica, is judged by the owner from before the change. */
  readonly effectiveTime: Date;
}

/** An owner after it was suspended, or with `validateOnly` as it is. */
export interface SuspendedOwner extends ChangedOwner, Propagated {
  /** The keys that are stopped, or would be. */
  readonly keys: OwnerKeyCounts;
  /** No verification that starts after this time, on any replica, accepts a key of it; null with `validateOnly`. */
  readonly effectiveTime: Date | null;
}

/** What became of the keys of an owner that was deleted, or with `validateOnly` would. */
export interface DeletedOwner extends Propagated {
  /** The keys that it had. */
  readonly keys: OwnerKeyCounts;
  /** The ids of the first 100 keys that are hit, or would be. */
  readonly sampleIds: readonly string[];
  /** The position of the change in the change log. */
  readonly revision: string;
  /** No verification that starts after this time accepts a key that was revoked; null with `validateOnly`. */
  readonly effectiveTime: Date | null;
}
