import type { Rules } from './rules.ts';

/** What a caller may set of a policy. */
export interface PolicyAttributes extends Rules {
  /** Unique in its keyspace. */
  readonly displayName: string;
}

/** A policy as it is stored: rules for all keys that refer to it. */
export interface PolicyRecord extends PolicyAttributes {
  /** `pol_…` */
  readonly id: string;
  readonly keyspaceId: string;
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
  /** Counts the changes, from 1. */
  readonly version: number;
}

/** The most policies that a key may refer to. */
export const POLICIES_MAX = 16;
