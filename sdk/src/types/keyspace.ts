import type { Propagated } from './propagation.ts';

/** A keyspace: a set of keys with its own token prefix and rules for new keys. */
export interface Keyspace {
  /** `ks_` and 16 letters and digits. */
  readonly id: string;
  /** Its unique name. */
  readonly slug: string;
  /** What the tokens of its new keys begin with. */
  readonly tokenPrefix: string;
  /** A name for people; may be empty. */
  readonly displayName: string;
  /** The lifetime of a key that is created without one, ms; null: it does not expire. */
  readonly defaultTtlMs: number | null;
  /** The longest lifetime of a new key, ms; null: no bound. */
  readonly maxTtlMs: number | null;
  /** Whether every key must expire. */
  readonly requireExpiry: boolean;
  /** The catalogue of API methods, whose blocks can be given to keys whole. */
  readonly apis: readonly Api[];
  readonly createTime: Date;
  /** When it was last changed. */
  readonly updateTime: Date;
  /** Changes with every change; given back in one, it makes that fail if someone else was faster. */
  readonly etag: string;
}

/** One API of a keyspace's catalogue. */
export interface Api {
  /** The name that operations and api targets use, unique in the catalogue. At most 128 characters. */
  readonly name: string;
  /** Its blocks. At most 64. */
  readonly groups: readonly ApiGroup[];
}

/** A block of methods that a key can be given whole. */
export interface ApiGroup {
  /** Unique in its API. At most 64 characters. */
  readonly name: string;
  /** At most 256. */
  readonly methods: readonly ApiMethod[];
}

/** One method of an API. */
export interface ApiMethod {
  /** The HTTP verb. At most 16 characters. Absent: any, or gRPC. */
  readonly verb?: string | undefined;
  /** The path pattern, or the full gRPC method, as in `ApiTarget.paths`. At most 512 characters. */
  readonly path: string;
  /** The operation is about no resource: a key with access to listed ones may be used for it without one. Default: false. */
  readonly noResource?: boolean | undefined;
}

/** A keyspace to create. */
export interface NewKeyspace {
  /** A unique name, `[a-z][a-z0-9-]{0,62}`. Cannot be changed. */
  readonly slug: string;
  /** What the tokens of its keys begin with: `[a-z][a-z0-9_]{0,23}`, not ending in `_`. */
  readonly tokenPrefix: string;
  /** A name for people. At most 128 characters. Default: empty. */
  readonly displayName?: string | undefined;
  /** The lifetime of a key that is created without one, ms: 1 second to 100 years. Default: it does not expire. */
  readonly defaultTtlMs?: number | undefined;
  /** The longest lifetime of a new key, ms: 1 second to 100 years. Implies that keys expire. Default: no bound. */
  readonly maxTtlMs?: number | undefined;
  /** Whether every key must expire. Default: false. */
  readonly requireExpiry?: boolean | undefined;
  /** The catalogue of API methods. At most 64 APIs with at most 1024 methods in all. Default: empty. */
  readonly apis?: readonly Api[] | undefined;
}

/**
 * What to change of a keyspace: the properties that are there. A property that is absent or `undefined` is left as it
 * is; `null`, where it is allowed, clears. Rules for new keys do not reach keys that exist; the catalogue does.
 */
export interface KeyspaceChange {
  /** As in `NewKeyspace.tokenPrefix`. Reaches only tokens that are made after it. */
  readonly tokenPrefix?: string | undefined;
  /** At most 128 characters. */
  readonly displayName?: string | undefined;
  /** In ms, 1 second to 100 years; null: keys that are created without a lifetime do not expire. */
  readonly defaultTtlMs?: number | null | undefined;
  /** In ms, 1 second to 100 years; null: no bound. */
  readonly maxTtlMs?: number | null | undefined;
  readonly requireExpiry?: boolean | undefined;
  /** As in `NewKeyspace.apis`, replaced whole. Reaches the keys that chose a block. */
  readonly apis?: readonly Api[] | undefined;
}

/** How to list keyspaces. */
export interface KeyspaceQuery {
  /** How many keyspaces a page has at most, 1 to 1000 (more is taken as 1000). Default: 50, for `listAll` 250. */
  readonly pageSize?: number | undefined;
}

/** A page of keyspaces. */
export interface KeyspacePage {
  /** By their slug. */
  readonly keyspaces: readonly Keyspace[];
  /** Ask for the next page with it. Absent: this was the last. */
  readonly nextPageToken?: string;
}

/** A keyspace after a change. */
export interface ChangedKeyspace {
  readonly keyspace: Keyspace;
  /** The position of the change in the change log. */
  readonly revision: string;
}

/** A keyspace after a change that may take access away. */
export interface NarrowedKeyspace extends ChangedKeyspace, Propagated {
  /** No verification that starts after this time, on any replica, goes by the catalogue from before the change. */
  readonly effectiveTime: Date;
}
