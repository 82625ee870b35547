import type { Limit } from './limit.ts';

/** The rules that a key, or a policy for all its keys, may set: plain data that survives JSON. */

/** Which resources a key may be used for. */
export type ResourceAccess =
  { readonly type: 'ALL' } | { readonly type: 'LISTED'; readonly ids: readonly string[] };

/** An app by its package and the SHA-1 of its signing certificate. */
export interface AndroidApp {
  readonly packageName: string;
  /** 40 hex digits, lower case. */
  readonly certSha1: string;
}

/** Operations of one API: those that a path or a block matches; with neither, all of them. */
export interface ApiTarget {
  readonly api: string;
  /** In upper case; empty: all. */
  readonly verbs: readonly string[];
  readonly paths: readonly string[];
  /** Blocks of the keyspace's catalogue. */
  readonly groups: readonly string[];
}

/** From where and for what a key may be used. An empty list restricts nothing. */
export interface Restrictions {
  readonly allowedIps: readonly string[];
  readonly allowedReferrers: readonly string[];
  readonly androidApps: readonly AndroidApp[];
  readonly iosBundleIds: readonly string[];
  readonly apiTargets: readonly ApiTarget[];
}

export const NO_RESTRICTIONS: Restrictions = {
  allowedIps: [],
  allowedReferrers: [],
  androidApps: [],
  iosBundleIds: [],
  apiTargets: [],
};

/** What both a key and a policy can set. An empty list or map, and null, say nothing. */
export interface Rules {
  readonly scopes: readonly string[];
  readonly resourceAccess: ResourceAccess | null;
  readonly restrictions: Restrictions;
  /** Counted for each key alone, also those of a policy. */
  readonly limits: readonly Limit[];
  /** What verification tells of the key. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
}

/** One method of an API, by verb and path pattern. */
export interface ApiMethod {
  /** In upper case; empty: any. */
  readonly verb: string;
  readonly path: string;
  /** Whether the operation is about no resource. */
  readonly noResource: boolean;
}

/** A block of methods that a key can be given whole. */
export interface ApiGroup {
  readonly name: string;
  readonly methods: readonly ApiMethod[];
}

/** One API of a keyspace's catalogue. */
export interface Api {
  readonly name: string;
  readonly groups: readonly ApiGroup[];
}
