/** Limits as the domain sees them: plain data that survives JSON. */

/** So many in any interval of a length, on all replicas together. */
export interface RateRule {
  readonly kind: 'RATE';
  /** How many; 1 to RATE_MAX. */
  readonly limit: number;
  /** The length of the interval, ms; WINDOW_MIN_MS to WINDOW_MAX_MS. */
  readonly windowMs: number;
}

/** How a balance grows by itself: at midnight UTC. */
export interface CreditRefill {
  readonly amount: number;
  readonly interval: 'DAILY' | 'WEEKLY' | 'MONTHLY';
  /** Of the week, 1 (Monday) to 7, or of the month, 1 to 31 (in a shorter month its last); 0: every day. */
  readonly day: number;
  /** A refill does not raise the balance above this; null: no bound. */
  readonly maxBalance: number | null;
}

/** As many as there are credits. */
export interface CreditRule {
  readonly kind: 'CREDITS';
  /** What a balance begins with. */
  readonly initial: number;
  readonly refill: CreditRefill | null;
}

/** A named limit, as a key, a policy or an owner has it. */
export interface Limit {
  /** Unique among the limits that it stands with. */
  readonly name: string;
  readonly rule: RateRule | CreditRule;
  /** Whether only verifications that name it charge it. */
  readonly onDemand: boolean;
  /** What a verification does that would have to ask the ledger while it is away. */
  readonly onUnavailable: 'DENY' | 'ALLOW';
}

/** Another number for a rate limit, for a time. */
export interface LimitOverride {
  /** The name of the limit. */
  readonly limit: string;
  /** 0 to RATE_MAX. */
  readonly value: number;
  /** When the limit's own number holds again, ms since 1970. */
  readonly endTimeMs: number;
}

/** Who shares a limit. */
export type LimitScope = 'KEY' | 'OWNER';

/** A limit in effect for a key. */
export interface LiveLimit extends Limit {
  readonly scope: LimitScope;
  /** What its ledger entry is found by: see `ledgerId`. */
  readonly ledgerId: string;
  /** The override that was set, whether over or not; null: none. Rate limits only. */
  readonly override: LimitOverride | null;
}

/** What a name looks like. */
export const LIMIT_NAME_PATTERN = /^[a-z][a-z0-9_-]{0,63}$/;

/** The same in words. */
export const LIMIT_NAME_SHAPE = '1 to 64 characters of a-z 0-9 _ -, the first a letter';

/** The most limits that a key, a policy or an owner may have. */
export const LIMITS_MAX = 16;

export const RATE_MAX = 1_000_000_000;
export const WINDOW_MIN_MS = 1000;
export const WINDOW_MAX_MS = 30 * 86_400_000;

/** The most that an initial balance, a refill or one adjustment may be. */
export const CREDITS_MAX = 1_000_000_000_000;

/** The most that a balance may grow to. */
export const BALANCE_MAX = 1_000_000_000_000_000;

/** The most that one charge may cost. */
export const COST_MAX = 1_000_000_000;

/**
 * What a limit's entry in the ledger is found by. A rate limit's belongs to its window too: with another one it counts
 * anew. Neither the id of a key or a keyspace nor the name of a limit holds a space; an owner's id may, and stands
 * between them.
 *
 * @param subject whose limit it is: see `keySubject` and `ownerSubject`
 */
export function ledgerId(subject: string, { name, rule }: Pick<Limit, 'name' | 'rule'>): string {
  return rule.kind === 'RATE' ? `${subject} ${name} ${rule.windowMs}` : `${subject} ${name}`;
}

export const keySubject = (keyId: string): string => keyId;
export const ownerSubject = (keyspaceId: string, ownerId: string): string => `${keyspaceId} ${ownerId}`;
