import type { Change } from '../../core/change.ts';
import { effectiveRules } from '../../core/effective-rules.ts';
import { Fault, invalidFields } from '../../core/fault.ts';
import type { LimitOverride, LiveLimit } from '../../core/limit.ts';
import { isOverrideLive, keyLiveLimits, ownerLiveLimits } from '../../core/live-limits.ts';
import type { Caller } from '../callers/caller.ts';
import { changed, lockKey, requireAlive } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import { changedOwner, lockOwner } from './owners.ts';
import type { CreditChange, Repositories } from './ports.ts';
import { policiesOf } from './read-key.ts';

/** Whose limits are meant: those that a key has for itself, or those that an owner's keys share. */
export type LimitSubject =
  | { readonly kind: 'KEY'; readonly id: string }
  | { readonly kind: 'OWNER'; readonly keyspaceId: string; readonly id: string };

/** Names a limit. */
export interface LimitTarget extends MutationRequest {
  readonly subject: LimitSubject;
  readonly limit: string;
  /** For people; kept in the audit record only. */
  readonly note: string;
}

/** The longest time for which an override may hold: 366 days, ms. */
export const OVERRIDE_MAX_MS = 366 * 24 * 60 * 60 * 1000;

export interface AdjustCreditsRequest extends LimitTarget {
  readonly change: CreditChange;
}

/**
 * Adds to a balance, takes from it or sets it.
 * @throws Fault KEY_NOT_FOUND, KEY_DELETED, KEY_REVOKED, OWNER_NOT_FOUND, LIMIT_NOT_FOUND, NOT_CREDITS, CREDITS_INSUFFICIENT, BALANCE_TOO_LARGE
 */
export function adjustCredits(
  mutate: Mutate,
  request: AdjustCreditsRequest,
): Promise<Mutated<{ readonly balance: number }>> {
  const { caller, subject, change, note } = request;
  return mutate('AdjustCredits', request, async (tx) => {
    const { limits, target } = await lockLimits(tx, caller, subject);
    const limit = limits.find(({ name }) => name === request.limit);
    if (limit === undefined) throw limitNotFound();
    const { name, rule, ledgerId: id } = limit;
    if (rule.kind !== 'CREDITS') {
      throw new Fault('NOT_CREDITS', `the limit ${name} is a rate limit: it has no balance`, {
        metadata: { limit: name },
      });
    }
    const { initial, refill } = rule;
    const { done, balance } = await tx.ledger.adjust({ id, initial, refill }, change);
    if (!done) throw refusedChange(name, change, balance);
    return {
      answer: { balance },
      audit: {
        action: 'credits.adjust',
        ...target,
        details: { subject: subject.kind, limit: name, ...change, balance, note },
      },
      // Also what was added: replicas remember that there was nothing.
      changes: [{ kind: 'limit', id }],
      awaited: change.kind !== 'ADD',
    };
  });
}

function refusedChange(limit: string, { kind, amount }: CreditChange, balance: number): Fault {
  const metadata = { limit, balance: String(balance) };
  return kind === 'TAKE'
    ? new Fault('CREDITS_INSUFFICIENT', `${amount} cannot be taken from a balance of ${balance}`, {
        metadata,
      })
    : new Fault('BALANCE_TOO_LARGE', `a balance of ${balance} cannot grow by ${amount}`, { metadata });
}

export interface SetLimitOverrideRequest extends LimitTarget {
  /** 0 to RATE_MAX. */
  readonly value: number;
  /** When it ends, ms since 1970; undefined: see `ttlMs`. */
  readonly endTimeMs: number | undefined;
  /** How long it holds, 1 s to OVERRIDE_MAX_MS, ms. */
  readonly ttlMs: number | undefined;
}

/**
 * Gives a rate limit another number for a time.
 * @throws Fault KEY_NOT_FOUND, KEY_DELETED, KEY_REVOKED, OWNER_NOT_FOUND, LIMIT_NOT_FOUND, NOT_A_RATE_LIMIT, INVALID_FIELD
 */
export function setLimitOverride(
  mutate: Mutate,
  request: SetLimitOverrideRequest,
): Promise<Mutated<{ readonly override: LimitOverride }>> {
  const { caller, subject, value, note } = request;
  return mutate('SetLimitOverride', request, async (tx, nowMs) => {
    const { limits, overrides, target, change, write } = await lockLimits(tx, caller, subject);
    const limit = limits.find(({ name }) => name === request.limit);
    if (limit === undefined) throw limitNotFound();
    const { name, rule } = limit;
    if (rule.kind !== 'RATE') {
      throw new Fault('NOT_A_RATE_LIMIT', `the limit ${name} is a balance; AdjustCredits changes it`, {
        metadata: { limit: name },
      });
    }
    const override = { limit: name, value, endTimeMs: overrideEnd(request, nowMs) };
    const others = overrides.filter((one) => one.limit !== name && isOverrideLive(one, nowMs));
    await write([...others, override], nowMs);
    return {
      answer: { override },
      audit: {
        action: 'limit.set-override',
        ...target,
        details: { subject: subject.kind, ...override, note },
      },
      changes: [change],
      awaited: true,
    };
  });
}

/** @throws Fault INVALID_FIELD */
function overrideEnd({ endTimeMs, ttlMs }: SetLimitOverrideRequest, nowMs: number): number {
  const end = endTimeMs ?? nowMs + (ttlMs ?? 0);
  if (end > nowMs && end <= nowMs + OVERRIDE_MAX_MS) return end;
  throw invalidFields([
    {
      field: endTimeMs === undefined ? 'ttl' : 'end_time',
      description: 'must be in the future, at most 366 days from now',
    },
  ]);
}

/**
 * Ends an override before its time. A limit of which there is none may have been taken away meanwhile.
 * @throws Fault KEY_NOT_FOUND, KEY_DELETED, KEY_REVOKED, OWNER_NOT_FOUND, LIMIT_NOT_FOUND if there is neither the limit nor an override of it
 */
export function clearLimitOverride(mutate: Mutate, request: LimitTarget): Promise<Mutated<object>> {
  const { caller, subject, limit, note } = request;
  return mutate<object>('ClearLimitOverride', request, async (tx, nowMs) => {
    const { limits, overrides, target, change, write } = await lockLimits(tx, caller, subject);
    const live = overrides.filter((override) => isOverrideLive(override, nowMs));
    const others = live.filter((override) => override.limit !== limit);
    if (others.length === live.length) {
      if (!limits.some(({ name }) => name === limit)) throw limitNotFound();
      return { answer: {}, awaited: true };
    }
    await write(others, nowMs);
    return {
      answer: {},
      audit: { action: 'limit.clear-override', ...target, details: { subject: subject.kind, limit, note } },
      changes: [change],
      awaited: true,
    };
  });
}

/** The limits of a key or an owner that is locked until the transaction ends. */
interface LockedLimits {
  readonly limits: readonly LiveLimit[];
  /** Some may be over, or of limits that were taken away. */
  readonly overrides: readonly LimitOverride[];
  readonly target: { readonly keyspaceId: string; readonly targetId: string };
  /** What a change of the overrides makes stale. */
  readonly change: Change;
  /** Makes the overrides these. */
  readonly write: (overrides: readonly LimitOverride[], nowMs: number) => Promise<void>;
}

/** @throws Fault KEY_NOT_FOUND, KEY_DELETED, KEY_REVOKED, OWNER_NOT_FOUND */
async function lockLimits(tx: Repositories, caller: Caller, subject: LimitSubject): Promise<LockedLimits> {
  if (subject.kind === 'OWNER') {
    const { keyspaceId, id } = subject;
    const owner = await lockOwner(tx, { caller, keyspaceId, id, etag: '' });
    return {
      limits: ownerLiveLimits(owner),
      overrides: owner.limitOverrides,
      target: { keyspaceId, targetId: id },
      change: { kind: 'owner', keyspaceId, id },
      write: (limitOverrides, nowMs) => tx.owners.update(changedOwner(owner, { limitOverrides }, nowMs)),
    };
  }
  const { id } = subject;
  const key = await lockKey(tx, caller, id, '');
  requireAlive(key);
  const { rules } = effectiveRules(key, await policiesOf(tx, key));
  return {
    limits: keyLiveLimits(key, rules.limits),
    overrides: key.limitOverrides,
    target: { keyspaceId: key.keyspaceId, targetId: id },
    change: { kind: 'key', id },
    write: (limitOverrides, nowMs) => tx.keys.update(changed(key, { limitOverrides }, nowMs)),
  };
}

/** What was asked for is not told back: a token in its place would be told with it. */
function limitNotFound(): Fault {
  return new Fault('LIMIT_NOT_FOUND', 'there is no limit of this name here');
}
