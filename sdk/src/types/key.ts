import type { ErrorReason } from './error.ts';
import type { LimitOverride } from './limit.ts';
import type { Propagated } from './propagation.ts';
import type { EffectiveRules, NewRules, Rules, RulesChange } from './rules.ts';

/** Whether a key works: EXPIRED once its `expireTime` has passed, else as it was switched. */
export type KeyState = 'ACTIVE' | 'DISABLED' | 'REVOKED' | 'EXPIRED';

/** A key with the rules that it sets itself. It never holds a token. */
export interface Key extends Rules {
  /** `key_` and 16 letters and digits; the same for life. */
  readonly id: string;
  /** The keyspace it belongs to, `ks_…`. */
  readonly keyspaceId: string;
  /** A name for people; may be empty. */
  readonly displayName: string;
  /** Its token without the secret, fit to be shown: `<prefix>_<key id>…<last four>`. Empty for an imported key. */
  readonly tokenHint: string;
  readonly state: KeyState;
  /** The user, app, tenant or service it belongs to; null: none. */
  readonly ownerId: string | null;
  /** The policies that it refers to, `pol_…`: what it does not set itself is taken from them. */
  readonly policyIds: readonly string[];
  /** The overrides of its limits that are not over: see `limits.setOverride`. */
  readonly limitOverrides: readonly LimitOverride[];
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
  /** When a verification last found it valid, to the minute, told within some ten seconds; null: never. */
  readonly lastUsedTime: Date | null;
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
  /** See `Key.lastUsedTime`. */
  readonly lastUsedTime: Date | null;
}

/** A key to create. What its rules leave out is taken from its policies. */
export interface NewKey extends KeyAttributes {
  /** The keyspace it is to belong to, `ks_…`. */
  readonly keyspaceId: string;
  /** Its lifetime in ms, 1 second to 100 years. Neither this nor `expireTime`: the keyspace's default. */
  readonly ttlMs?: number | undefined;
}

/** What is said of a key when it is created or imported. */
export interface KeyAttributes extends NewRules {
  /** A name for people. At most 128 characters. Default: empty. */
  readonly displayName?: string | undefined;
  /**
   * The user, app, tenant or service it is for; an id of your choosing, at most 256 characters. An owner that is named
   * for the first time is created. Default: none.
   */
  readonly ownerId?: string | undefined;
  /** The policies it refers to, of its own keyspace, `pol_…`. At most 16. Default: none. */
  readonly policyIds?: readonly string[] | undefined;
  /** When it stops working: in the future, before the year 10000. Not together with `ttlMs`. */
  readonly expireTime?: Date | undefined;
}

/**
 * What to change of a key: the properties that are there. A property that is absent or `undefined` is left as it is;
 * `null`, where it is allowed, clears. Lists and metadata are replaced whole.
 */
export interface KeyChange extends RulesChange {
  /** At most 128 characters. */
  readonly displayName?: string | undefined;
  /** At most 256 characters; null: none. */
  readonly ownerId?: string | null | undefined;
  /** As in `NewKey.policyIds`. */
  readonly policyIds?: readonly string[] | undefined;
  /** When it stops working: in the future, before the year 10000; null: never. */
  readonly expireTime?: Date | null | undefined;
}

/** A key with the rules in effect. */
export interface EffectiveKey {
  readonly key: Key;
  /** What it is judged by. */
  readonly effective: EffectiveRules;
}

/** A key that was issued elsewhere. */
export interface ImportedKey extends KeyAttributes {
  /** The SHA-256 digest of its token (UTF-8), in hex or base64. */
  readonly sha256: string;
}

/** What became of keys that were issued elsewhere. */
export interface ImportedKeys {
  /** One for each, in their order. */
  readonly results: readonly ImportResult[];
  /** The position of the change in the change log; see `VerifyRequest.minRevision`. */
  readonly revision: string;
}

/** What became of one of them: look at `imported` first, then TypeScript knows the rest. */
export type ImportResult =
  | {
      readonly imported: true;
      /** The id of the key here, `key_…`. */
      readonly id: string;
      /** Whether it was here before, in the same keyspace. Then nothing of it was changed. */
      readonly alreadyImported: boolean;
    }
  | {
      readonly imported: false;
      /** Why not, for people: each property that is wrong, with its bound. */
      readonly error: string;
      /** Why not: what `keys.create` would say, or DIGEST_TAKEN if another key has this digest. */
      readonly reason: ErrorReason;
    };

/** Which keys to revoke: those that match every property that is there and are neither revoked nor deleted. */
export interface KeyChoice {
  /** Keys of this keyspace, `ks_…`. */
  readonly keyspaceId: string;
  /** Keys of this owner. At most 256 characters. */
  readonly ownerId?: string | undefined;
  /** Keys that refer to this policy, `pol_…`. */
  readonly policyId?: string | undefined;
  /** Keys with this tag of their own. At most 64 characters. */
  readonly tag?: string | undefined;
  /** Keys that were created before this time. One condition besides the keyspace is required: for all, the present. */
  readonly createdBefore?: Date | undefined;
}

/** Keys that were revoked together, or with `validateOnly` would be. */
export interface RevokedKeys extends Propagated {
  /** How many. */
  readonly count: number;
  /** The ids of the first 100 of them. */
  readonly sampleIds: readonly string[];
  /** The position of the change in the change log. */
  readonly revision: string;
  /** No verification that starts after this time, on any replica, accepts one of them; null with `validateOnly`. */
  readonly effectiveTime: Date | null;
}

/** Which keys to list: those that match every property that is there. */
export interface KeyFilter {
  /** Keys of this keyspace, `ks_…`. Default: of every keyspace that the root key may touch. */
  readonly keyspaceId?: string | undefined;
  /** Keys in one of these states. At most 8. Default: in any. */
  readonly states?: readonly KeyState[] | undefined;
  /** Keys with access to all resources, or to listed ones, their own or by their policies. Default: both. */
  readonly accessType?: 'ALL' | 'LISTED' | undefined;
  /** Keys that may be used for this resource, of their own or by their policies. At most 256 characters. */
  readonly resource?: string | undefined;
  /** Keys of this owner. At most 256 characters. */
  readonly ownerId?: string | undefined;
  /** Keys that refer to this policy, `pol_…`. */
  readonly policyId?: string | undefined;
  /** Keys with this tag of their own. At most 64 characters. */
  readonly tag?: string | undefined;
  /** Keys that were granted exactly this scope, of their own or by their policies. At most 128 characters. */
  readonly scope?: string | undefined;
  /** Keys with a target of this API, of their own or by their policies. At most 128 characters. */
  readonly api?: string | undefined;
  /** Keys whose display name, owner id or key id contains this text, in upper or lower case. At most 128 characters. */
  readonly search?: string | undefined;
  /** Keys that expire before this time. */
  readonly expiresBefore?: Date | undefined;
  /** Keys that were not used since this time; one that was never used counts as used when it was made. */
  readonly lastUsedBefore?: Date | undefined;
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
      /** A whole token, also of an imported key. At most 512 characters. Its secret must be right. */
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
export interface NarrowedKey extends ChangedKey, Propagated {
  /** No verification that starts after this time, on any replica, goes by the rules from before the change. */
  readonly effectiveTime: Date;
}

/** A key after its rotation. */
export interface RotatedKey extends NarrowedKey {
  /** The token with the new secret, to hand to the client. It is shown only here. */
  readonly token: string;
}
