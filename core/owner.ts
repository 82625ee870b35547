import type { Limit, LimitOverride } from './limit.ts';

/** What a caller may set of an owner. */
export interface OwnerAttributes {
  readonly displayName: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Shared by all its keys, on top of each key's own. */
  readonly limits: readonly Limit[];
}

/** An owner as it is stored: what keys of one keyspace belong to. */
export interface OwnerRecord extends OwnerAttributes {
  readonly keyspaceId: string;
  /** Of the user's choosing, unique in its keyspace. */
  readonly id: string;
  /** When it was suspended; null: it is not. */
  readonly suspendTimeMs: number | null;
  readonly suspendReason: string;
  /** Of its limits; some may be over. */
  readonly limitOverrides: readonly LimitOverride[];
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
  /** Counts the changes, from 1. */
  readonly version: number;
}
