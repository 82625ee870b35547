import type { LimitOverride } from './limit.ts';
import type { Api, Rules } from './rules.ts';

/** Keys and keyspaces as the domain sees them: plain data that survives JSON, times in milliseconds since 1970. */

/** The state that an operator gave a key. Expiry and deletion are times, not states. */
export type KeySwitch = 'ACTIVE' | 'DISABLED' | 'REVOKED';

/** What people see: the switch, or EXPIRED for an active key whose time is over. */
export type KeyState = KeySwitch | 'EXPIRED';

/** What is kept of one secret of a key. */
export interface SecretRecord {
  /** `sec_…` */
  readonly id: string;
  /** SHA-256 of the whole token, in hex (64 characters). */
  readonly digestHex: string;
  /** The last four characters of the token; empty for an imported one. */
  readonly hint: string;
  /** Whether the token was made elsewhere: it is found by its digest, not by a key id in it. */
  readonly imported: boolean;
  readonly createTimeMs: number;
  /** When a rotation ends it; null: with the key. */
  readonly expireTimeMs: number | null;
  /** When it was last accepted, to the minute; null: never, or not read with the key (for verification it is not). */
  readonly lastUsedTimeMs: number | null;
}

/** What a caller may set of a key. */
export interface KeyAttributes extends Rules {
  readonly displayName: string;
  /** Empty: none. */
  readonly ownerId: string;
  /** The policies that it refers to, in the order in which they unite. */
  readonly policyIds: readonly string[];
  /** null: never. */
  readonly expireTimeMs: number | null;
}

/** A key as it is stored. */
export interface KeyRecord extends KeyAttributes {
  /** `key_…` */
  readonly id: string;
  readonly keyspaceId: string;
  /** The prefix its tokens were made with. */
  readonly tokenPrefix: string;
  readonly switch: KeySwitch;
  /** Of the limits that are counted for it alone, whatever their source; some may be over. */
  readonly limitOverrides: readonly LimitOverride[];
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
  readonly revokeTimeMs: number | null;
  readonly revokeReason: string;
  readonly deleteTimeMs: number | null;
  readonly purgeTimeMs: number | null;
  /** When one of its secrets, of those that are gone too, was last accepted; null as there. */
  readonly lastUsedTimeMs: number | null;
  /** Newest first. */
  readonly secrets: readonly SecretRecord[];
  /** Counts the changes, from 1. */
  readonly version: number;
  /** The id of the root key that made it, or `system`. */
  readonly createdBy: string;
}

/** What a caller may set of a keyspace after its creation. */
export interface KeyspaceAttributes {
  readonly tokenPrefix: string;
  readonly displayName: string;
  /** Lifetime of keys that are created without one, in ms; null: none. */
  readonly defaultTtlMs: number | null;
  /** Longest lifetime of a new key, in ms; null: no bound. */
  readonly maxTtlMs: number | null;
  readonly requireExpiry: boolean;
  /** The catalogue of API methods. */
  readonly apis: readonly Api[];
}

/** A keyspace as it is stored. */
export interface KeyspaceRecord extends KeyspaceAttributes {
  /** `ks_…` */
  readonly id: string;
  readonly slug: string;
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
  readonly version: number;
}

/** What a slug looks like. */
export const SLUG_PATTERN = /^[a-z][a-z0-9-]{0,62}$/;

/** The built-in keyspace, whose keys are root keys. Its id is fixed so that every replica knows it. */
export const ROOT_KEYSPACE_ID = 'ks_latchkey';

/** Whether a secret has not ended; the instant of its end itself is too late. */
export function isSecretLive({ expireTimeMs }: Pick<SecretRecord, 'expireTimeMs'>, nowMs: number): boolean {
  return expireTimeMs === null || expireTimeMs > nowMs;
}

/** The state that people see of a key at a time. */
export function keyState(key: Pick<KeyRecord, 'switch' | 'expireTimeMs'>, nowMs: number): KeyState {
  if (key.switch === 'ACTIVE' && key.expireTimeMs !== null && key.expireTimeMs <= nowMs) return 'EXPIRED';
  return key.switch;
}
