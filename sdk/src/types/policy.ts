import type { Propagated } from './propagation.ts';
import type { NewRules, Rules, RulesChange } from './rules.ts';

/** A policy: a named bundle of rules, such as a plan or a role, that keys of its keyspace refer to. */
export interface Policy extends Rules {
  /** `pol_` and 16 letters and digits. */
  readonly id: string;
  /** The keyspace it belongs to, `ks_…`. */
  readonly keyspaceId: string;
  /** A name for people, unique in its keyspace. */
  readonly displayName: string;
  readonly createTime: Date;
  /** When it was last changed. */
  readonly updateTime: Date;
  /** Changes with every change; given back in one, it makes that fail if someone else was faster. */
  readonly etag: string;
}

/** A policy with the number of its keys. */
export interface CountedPolicy extends Policy {
  /** How many keys refer to it, deleted ones that are not purged included. */
  readonly keyCount: number;
}

/** A policy to create. */
export interface NewPolicy extends NewRules {
  /** The keyspace it is to belong to, `ks_…`. */
  readonly keyspaceId: string;
  /** A name for people, unique in its keyspace. 1 to 128 characters. */
  readonly displayName: string;
}

/** What to change of a policy, and with it of all its keys. */
export interface PolicyChange extends RulesChange {
  /** 1 to 128 characters. */
  readonly displayName?: string | undefined;
}

/** Which policies to list, and how. */
export interface PolicyQuery {
  /** Those of this keyspace, `ks_…`. */
  readonly keyspaceId: string;
  /** How many policies a page has at most, 1 to 1000 (more is taken as 1000). Default: 50, for `listAll` 250. */
  readonly pageSize?: number | undefined;
}

/** A page of policies. */
export interface PolicyPage {
  /** By their display name. */
  readonly policies: readonly Policy[];
  /** Ask for the next page with it, and with the same keyspace. Absent: this was the last. */
  readonly nextPageToken?: string;
}

/** A policy after a change. */
export interface ChangedPolicy {
  readonly policy: Policy;
  /** The position of the change in the change log; see `VerifyRequest.minRevision`. */
  readonly revision: string;
}

/** A policy after a change that may take access away. */
export interface NarrowedPolicy extends ChangedPolicy, Propagated {
  /** No verification that starts after this time, on any replica, goes by the policy from before the change. */
  readonly effectiveTime: Date;
}
