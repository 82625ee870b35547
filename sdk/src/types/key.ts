/** Whether a key works: EXPIRED once its `expireTime` has passed, else as it was switched. */
export type KeyState = 'ACTIVE' | 'DISABLED' | 'REVOKED' | 'EXPIRED';

/** Which resources a key may be used for: all of them, or the 1 to 1000 listed, of 1 to 256 characters each. */
export type ResourceAccess = 'ALL' | { readonly ids: readonly string[] };

/** A key. It never holds a token. */
export interface Key {
  /** `key_` and 16 letters and digits; the same for life. */
  readonly id: string;
  /** The keyspace it belongs to, `ks_…`. */
  readonly keyspaceId: string;
  /** A name for people; may be empty. */
  readonly displayName: string;
  /** Its token without the secret, fit to be shown: `<prefix>_<key id>…<last four>`. */
  readonly tokenHint: string;
  readonly state: KeyState;
  /** The user, app, tenant or service it belongs to; null: none. */
  readonly ownerId: string | null;
  /** What it may do: `orders:read`; a last `*` grants all that begins so. */
  readonly scopes: readonly string[];
  readonly resourceAccess: ResourceAccess;
  /** Data of yours, which a verification returns. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Labels to filter by. */
  readonly tags: readonly string[];
  /** When it stops working; null: never. */
  readonly expireTime: Date | null;
  readonly createTime: Date;
  /** When it was last changed. */
  readonly updateTime: Date;
  /** When it was revoked; null: it was not. */
  readonly revokeTime: Date | null;
  /** Why it was revoked, as `keys.revoke` was told; may be empty. */
  readonly revokeReason: string;
  /** When it was deleted; null: it was not. */
  readonly deleteTime: Date | null;
  /** When a deleted key will be purged, 30 days after its deletion; until then `keys.undelete` brings it back. */
  readonly purgeTime: Date | null;
  /** Its current secrets, newest first. */
  readonly secrets: readonly KeySecret[];
  /** Changes with every change; given back in one, it makes that fail if someone else was faster. */
  readonly etag: string;
  /** The id of the root key that created it, `key_…`; `system` for the first. */
  readonly createdBy: string;
}

/** What is known of one of a key's secrets; never the secret itself. */
export interface KeySecret {
  /** `sec_…` */
  readonly id: string;
  /** The last four characters of its token. */
  readonly hint: string;
  readonly createTime: Date;
  /** When it stops working; null: with the key. */
  readonly expireTime: Date | null;
}

/** A key to create. */
export interface NewKey {
  /** The keyspace it is to belong to, `ks_…`. */
  readonly keyspaceId: string;
  /** A name for people. At most 128 characters. Default: empty. */
  readonly displayName?: string | undefined;
  /** The user, app, tenant or service it is for; an id of your choosing, at most 256 characters. Default: none. */
  readonly ownerId?: string | undefined;
  /**
   * What it may do: `orders:read`; a last `*` grants all that begins so (`orders:*`, `*`). At most 256 of at most 128
   * characters each, out of `A-Z a-z 0-9 _ - . / :`. Default: nothing.
   */
  readonly scopes?: readonly string[] | undefined;
  /** Which resources it may be used for. Default: ALL. */
  readonly resourceAccess?: ResourceAccess | undefined;
  /**
   * Data of yours, which a verification returns. At most 64 entries, names of 1 to 64 characters, 4096 bytes of names
   * and values together.
   */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Labels to filter by. At most 32 of 1 to 64 characters each. */
  readonly tags?: readonly string[] | undefined;
  /** When it stops working: in the future, before the year 10000. Not together with `ttlMs`. */
  readonly expireTime?: Date | undefined;
  /** Its lifetime in ms, 1 second to 100 years. Neither this nor `expireTime`: the keyspace's default. */
  readonly ttlMs?: number | undefined;
}

/**
 * What to change of a key: the properties that are there. A property that is absent or `undefined` is left as it is;
 * `null`, where it is allowed, clears. Lists and metadata are replaced whole.
 */
export interface KeyChange {
  /** At most 128 characters. */
  readonly displayName?: string | undefined;
  /** At most 256 characters; null: none. */
  readonly ownerId?: string | null | undefined;
  /** As in `NewKey.scopes`; an empty list takes all away. */
  readonly scopes?: readonly string[] | undefined;
  readonly resourceAccess?: ResourceAccess | undefined;
  /** As in `NewKey.metadata`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** As in `NewKey.tags`. */
  readonly tags?: readonly string[] | undefined;
  /** When it stops working: in the future, before the year 10000; null: never. */
  readonly expireTime?: Date | null | undefined;
}

/** Which keys to list: those that match every property that is there. */
export interface KeyFilter {
  /** Keys of this keyspace, `ks_…`. Default: of every keyspace that the root key may touch. */
  readonly keyspaceId?: string | undefined;
  /** Keys in one of these states. At most 8. Default: in any. */
  readonly states?: readonly KeyState[] | undefined;
  /** Keys with access to all resources, or to listed ones. Default: both. */
  readonly accessType?: 'ALL' | 'LISTED' | undefined;
  /** Keys that may be used for this resource. At most 256 characters. */
  readonly resource?: string | undefined;
  /** Keys of this owner. At most 256 characters. */
  readonly ownerId?: string | undefined;
  /** Keys with this tag. At most 64 characters. */
  readonly tag?: string | undefined;
  /** Keys that were granted exactly this scope. At most 128 characters. */
  readonly scope?: string | undefined;
  /** Keys whose display name, owner id or key id contains this text, in any case. At most 128 characters. */
  readonly search?: string | undefined;
  /** Keys that expire before this time. */
  readonly expiresBefore?: Date | undefined;
  /** Keys that were created after this time. */
  readonly createdAfter?: Date | undefined;
  /** Also keys that are deleted and not yet purged. Default: false. */
  readonly showDeleted?: boolean | undefined;
}

/** Which keys to list, and how. */
export interface KeyQuery {
  /** Default: all that are not deleted. */
  readonly filter?: KeyFilter | undefined;
  /** By the time of creation. Default: NEWEST_FIRST. */
  readonly order?: 'NEWEST_FIRST' | 'OLDEST_FIRST' | undefined;
  /** How many keys a page has at most, 1 to 1000 (more is taken as 1000). Default: 50, for `listAll` 250. */
  readonly pageSize?: number | undefined;
}

/** A page of keys. */
export interface KeyPage {
  readonly keys: readonly Key[];
  /** Ask for the next page with it, and with the same filter and order. Absent: this was the last. */
  readonly nextPageToken?: string;
}

/** How to find a key: by its whole token, or by what may be known of it in public. */
export type KeyLookup =
  | {
      /** A whole token, as found in a log or a repository. At most 256 characters. Its secret must be right. */
      readonly token: string;
    }
  | {
      /**
       * A key id, with or without `key_`, or a beginning of a token with all of the key id, such as a `tokenHint`. At most
       * 256 characters.
       */
      readonly prefix: string;
    };

/** A key after a change. */
export interface ChangedKey {
  readonly key: Key;
  /** The position of the change in the change log; see `VerifyRequest.minRevision`. */
  readonly revision: string;
}

/** A key that was created. */
export interface CreatedKey extends ChangedKey {
  /** The token to hand to the client. It is shown only here: Latchkey keeps only its digest. */
  readonly token: string;
}

/** A key after a change that may take access away. */
export interface NarrowedKey extends ChangedKey {
  /** No verification that starts after this time, on any replica, goes by the rules from before the change. */
  readonly effectiveTime: Date;
}
