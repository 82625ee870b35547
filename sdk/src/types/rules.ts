import type { Limit } from './limit.ts';

/** Which resources a key may be used for: all of them, or the 1 to 1000 listed, of 1 to 256 characters each. */
export type ResourceAccess = 'ALL' | { readonly ids: readonly string[] };

/** An Android app by its package and signing certificate. */
export interface AndroidApp {
  /** The name of the package, `com.example.app`. At most 256 characters. */
  readonly package: string;
  /** The SHA-1 of the signing certificate: 40 hex digits in any case, with or without colons; told in lower case without. */
  readonly certSha1: string;
}

/** Operations of one API: those that a path or a block matches; with neither, the whole API. What is empty is absent. */
export interface ApiTarget {
  /** The name of the API, matched exactly. At most 128 characters. */
  readonly api: string;
  /** HTTP verbs, which narrow all of the target. At most 16 of at most 16 characters. Default: all, and gRPC. */
  readonly verbs?: readonly string[] | undefined;
  /**
   * Path patterns: `*` stands for characters of one segment, a last `**` for all that follows; for gRPC
   * `/pkg.Service/Method` or `/pkg.Service/*`. At most 256 of at most 512 characters.
   */
  readonly paths?: readonly string[] | undefined;
  /** Blocks of the keyspace's catalogue, each with all methods that it has when the key is used. At most 64. */
  readonly groups?: readonly string[] | undefined;
}

/**
 * From where and for what a key may be used. `allowedIps` must hold; of the web sites and apps, any one suffices. A
 * condition for which a request gives no value does not hold. What is absent or empty restricts nothing; what Latchkey
 * tells of is never empty.
 */
export interface Restrictions {
  /** IPv4 and IPv6 addresses and CIDR ranges (`203.0.113.0/24`). At most 256. */
  readonly allowedIps?: readonly string[] | undefined;
  /**
   * Web sites: a host, or `*.` and a host for all below it, and maybe a scheme, a port and a path
   * (`https://*.example.com/shop/*`). At most 256 of at most 512 characters.
   */
  readonly allowedReferrers?: readonly string[] | undefined;
  /** At most 64. */
  readonly androidApps?: readonly AndroidApp[] | undefined;
  /** Bundle ids of iOS apps. At most 64 of at most 256 characters. */
  readonly iosBundleIds?: readonly string[] | undefined;
  /** The operations: any one that matches suffices. At most 64, with at most 512 paths in all. */
  readonly apiTargets?: readonly ApiTarget[] | undefined;
}

/**
 * What a key, or a policy for all its keys, says. What a key does not say its policies say for it; lists of several
 * policies unite.
 */
export interface Rules {
  /** What it may do: `orders:read`; a last `*` grants all that begins so. Empty: it says nothing. */
  readonly scopes: readonly string[];
  /** Which resources it may be used for; null: it says nothing. Where nobody says anything, ALL. */
  readonly resourceAccess: ResourceAccess | null;
  /** From where and for what it may be used; each list is a rule of its own. */
  readonly restrictions: Restrictions;
  /** Its rate limits and credits; those of policies are counted for each key alone. Empty: it says nothing. */
  readonly limits: readonly Limit[];
  /** Data of yours, which a verification returns. Empty: it says nothing. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Labels, which a verification returns. Those of a key are also to filter by. Empty: it says nothing. */
  readonly tags: readonly string[];
}

/** Rules to set. What is left out says nothing. */
export interface NewRules {
  /**
   * What it may do: `orders:read`; a last `*` grants all that begins so (`orders:*`, `*`). At most 256 of at most 128
   * characters each, out of `A-Z a-z 0-9 _ - . / :`.
   */
  readonly scopes?: readonly string[] | undefined;
  /** Which resources it may be used for; null is the same as leaving it out. */
  readonly resourceAccess?: ResourceAccess | null | undefined;
  /** From where and for what it may be used. */
  readonly restrictions?: Restrictions | undefined;
  /**
   * Its rate limits and credits, each with a name of its own; those of a policy are counted for each of its keys alone. At
   * most 16. Of several policies with a limit of one name, the first policy's holds. The limits of the owner hold as well.
   */
  readonly limits?: readonly Limit[] | undefined;
  /**
   * Data of yours, which a verification returns. At most 64 entries, names of 1 to 64 characters, 4096 bytes of names
   * and values together.
   */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Labels. At most 32 of 1 to 64 characters each. */
  readonly tags?: readonly string[] | undefined;
}

/**
 * Rules to change: those that are there. A property that is absent or `undefined` is left as it is; an empty list, map
 * or `restrictions`, and null, say nothing from now on. All are replaced whole: `restrictions` with all its lists.
 */
export type RulesChange = NewRules;

/** The rules that a key is judged by: its own, and where it has none those of its policies. */
export interface EffectiveRules extends Rules {
  /** Which resources it may be used for. */
  readonly resourceAccess: ResourceAccess;
  /** The limits that are counted for the key alone. */
  readonly limits: readonly Limit[];
  /** The limits that it shares with the other keys of its owner. */
  readonly ownerLimits: readonly Limit[];
  /** Whether its owner is suspended. */
  readonly ownerSuspended: boolean;
  /** Where each rule comes from. A rule that is not named is not set anywhere. */
  readonly sources: readonly RuleSource[];
}

/** Where a rule comes from. */
export interface RuleSource {
  /** The rule, in the names of the contract: `scopes`, `resource_access`, `restrictions.allowed_ips`, …. */
  readonly field: string;
  /** The policies whose values were united, `pol_…`. Empty: the key itself. */
  readonly policyIds: readonly string[];
}
