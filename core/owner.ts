/** What a caller may set of an owner. */
export interface OwnerAttributes {
  readonly displayName: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An owner as it is stored: what keys of one keyspace belong to. */
export interface OwnerRecord extends OwnerAttributes {
  readonly keyspaceId: string;
  /** Of the user's choosing, unique in its keyspace. */
  readonly id: string;
  /** When it was suspended; null: it is not. */
  readonly suspendTimeMs: number | null;
  readonly suspendReason: string;
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
  /** Counts the changes, from 1. */
  readonly version: number;
}
