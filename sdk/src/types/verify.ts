import type { ClientRefusal, Verdict } from '../../../core/verdict.ts';
import type { LimitStatus } from './limit.ts';

/** One token and what its bearer wants to do. What is left out does not meet a rule of the key that asks for it. */
export interface VerifyRequest {
  /** The token as the client presented it. Any text is judged: what is no token, the empty text too, is MALFORMED. */
  readonly token: string;
  /** The key must belong to this keyspace, `ks_…`; a key of another one is NOT_FOUND. */
  readonly keyspaceId?: string | undefined;
  /** What the client wants to do. None: only keys without API restrictions pass. */
  readonly operation?: Operation | undefined;
  /**
   * The store, project or tenant it is about, at most 256 characters. None: only keys with access to ALL pass, unless the
   * keyspace's catalogue marks the operation as being about none.
   */
  readonly resource?: string | undefined;
  /** Scopes that the key must hold, all of them: at most 64 of at most 128 characters each, without wildcards. */
  readonly scopes?: readonly string[] | undefined;
  /**
   * An expression over scopes that must hold too: `orders:read AND (orders:write OR admin)`. AND binds tighter than OR;
   * both in upper case. At most 1024 characters, 64 scopes and 16 parentheses deep.
   */
  readonly scopeQuery?: string | undefined;
  /** Where the request came from. */
  readonly client?: ClientInfo | undefined;
  /**
   * What to take from which limit, by its name, in the limit's own unit: from all of them or from none. At most 32 of at
   * most 1,000,000,000; 0 looks without taking, and refuses nothing. A limit that is not named is charged 1, or nothing if
   * it is `onDemand`; of a name that both the key and its owner have, both are charged. A limit that neither has is
   * INVALID_ARGUMENT.
   */
  readonly charges?: Readonly<Record<string, number>> | undefined;
  /** Takes nothing and counts nothing: only looks. Default: false. */
  readonly checkOnly?: boolean | undefined;
  /** Answer from a state at least as fresh as this `revision`, which a change returned. */
  readonly minRevision?: string | undefined;
  /** Labels for usage statistics: at most 8 of at most 64 characters each. */
  readonly tags?: readonly string[] | undefined;
}

/** What a client wants to do with an API. */
export interface Operation {
  /** The name of the API, matched exactly. At most 128 characters. */
  readonly api?: string | undefined;
  /** The HTTP verb, in any case; none for gRPC. At most 16 characters. */
  readonly verb?: string | undefined;
  /** The HTTP path, or the full gRPC method `/pkg.Service/Method`. At most 8192 characters. */
  readonly path?: string | undefined;
}

/** What is known of the bearer of a token. */
export interface ClientInfo {
  /** The IPv4 or IPv6 address. At most 64 characters. */
  readonly ip?: string | undefined;
  /** The referrer, as in the Referer header. At most 2048 characters. */
  readonly referrer?: string | undefined;
  /** The name of the Android package. At most 256 characters. */
  readonly androidPackage?: string | undefined;
  /** The SHA-1 of the Android app's signing certificate, in hex, with or without colons. At most 64 characters. */
  readonly androidCertSha1?: string | undefined;
  /** The bundle id of the iOS app. At most 256 characters. */
  readonly iosBundleId?: string | undefined;
}

/** The answer of a verification: look at `valid` first, then TypeScript knows the rest. */
export type VerifyResult = ValidResult | RefusedResult;

/** The token passes. */
export interface ValidResult {
  readonly valid: true;
  readonly verdict: 'VALID';
  /** The key that the token belongs to. */
  readonly key: VerifiedKey;
  /** The limits that were charged or looked at, the key's before its owner's. */
  readonly limits: readonly LimitStatus[];
  /** The state that the verdict was taken from, at least. */
  readonly revision: string;
}

/** The token does not pass. */
export type RefusedResult = RateLimitedResult | DeniedResult;

/** A rate limit is used up: one with `refused` in `limits`. */
export interface RateLimitedResult extends Refusal {
  readonly verdict: 'RATE_LIMITED';
  /** How long to wait before the next try, ms; null: the cost is more than the limit ever allows. */
  readonly retryAfterMs: number | null;
}

/** The token does not pass, and no rate limit is why. */
export interface DeniedResult extends Refusal {
  readonly verdict: Exclude<Verdict, 'VALID' | 'RATE_LIMITED'>;
  readonly retryAfterMs?: undefined;
}

/** What every refusal tells. */
export interface Refusal {
  readonly valid: false;
  /** Why: the first check that failed. */
  readonly verdict: Exclude<Verdict, 'VALID'>;
  /** The key that the token belongs to. Absent for MALFORMED and NOT_FOUND. */
  readonly key?: VerifiedKey;
  /**
   * For SCOPE_MISSING, what would have sufficed: the required scopes that the key lacks, and of a `scopeQuery` the
   * alternative that lacks fewest; else empty.
   */
  readonly missingScopes: readonly string[];
  /** For CLIENT_NOT_ALLOWED: which condition did not hold. */
  readonly clientRefusal?: ClientRefusal;
  /**
   * For RATE_LIMITED and CREDITS_EXHAUSTED: the limits that were to be charged or looked at, the key's before its owner's;
   * those with `refused` are why. Else empty.
   */
  readonly limits: readonly LimitStatus[];
  /** The state that the verdict was taken from, at least. */
  readonly revision: string;
}

/** What a service learns of the key that it verified. */
export interface VerifiedKey {
  /** The public id, `key_…`, the same for life. */
  readonly id: string;
  /** The keyspace it belongs to, `ks_…`. */
  readonly keyspaceId: string;
  /** The id of its owner, of your choosing; null: none. */
  readonly ownerId: string | null;
  /** A name for people; may be empty. */
  readonly displayName: string;
  /** The scopes that it holds, as they were granted (`orders:*`) to it or its policies. */
  readonly scopes: readonly string[];
  /** Data of yours, its own or of its policies. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Its tags, its own or of its policies. */
  readonly tags: readonly string[];
  /** The policies that it refers to, `pol_…`. */
  readonly policyIds: readonly string[];
  /** When it expires; null: never. */
  readonly expireTime: Date | null;
}
