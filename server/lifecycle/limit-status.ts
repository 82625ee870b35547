import { databaseUnavailable } from '../../core/fault.ts';
import type { CreditRule, LimitOverride, LiveLimit, RateRule } from '../../core/limit.ts';
import { isOverrideLive, keyLiveLimits, ownerLiveLimits } from '../../core/live-limits.ts';
import type { Ledger } from '../budgets/ports.ts';
import type { Caller } from '../callers/caller.ts';
import type { LimitSubject } from './limits.ts';
import { readOwner } from './owners.ts';
import type { Repositories } from './ports.ts';
import { getEffectiveKey, type EffectiveKey } from './read-key.ts';

/** A limit with what the ledger says of it. What replicas hold in advance counts as used. */
export interface LimitReading {
  readonly limit: LiveLimit;
  /** The policy that it comes from; empty: none. */
  readonly policyId: string;
  /** The override that holds; undefined: none. */
  readonly override: LimitOverride | undefined;
  /** How much it allows now; of credits, what the balance began with. */
  readonly max: number;
  readonly remaining: number;
  /** When it is whole again or refilled, ms since 1970; null: it is, or never. */
  readonly resetTimeMs: number | null;
}

interface StatusOptions {
  readonly store: Repositories;
  readonly ledger: Ledger;
  readonly nowMs: () => number;
}

/**
 * Reads how much is left of each limit of a key or owner, by their names; of a key also of its owner's, after them.
 * @throws Fault KEY_NOT_FOUND, OWNER_NOT_FOUND, DATABASE_UNAVAILABLE
 */
export async function getLimitStatus(
  { store, ledger, nowMs }: StatusOptions,
  caller: Caller,
  subject: LimitSubject,
): Promise<readonly LimitReading[]> {
  const found =
    subject.kind === 'OWNER'
      ? byName(ownerLiveLimits(await readOwner(store, caller, subject))).map(withoutPolicy)
      : limitsOf(await getEffectiveKey(store, caller, subject.id));
  const counts = await readLedger(
    ledger,
    found.map(({ limit }) => limit),
  );
  const now = nowMs();
  return found.map(({ limit, policyId }) => {
    const count = counts.get(limit.ledgerId);
    if (count === undefined) throw new Error('the ledger did not answer for every limit');
    const { max, remaining, resetMs } = count;
    return {
      limit,
      policyId,
      override: limit.override !== null && isOverrideLive(limit.override, now) ? limit.override : undefined,
      max,
      remaining,
      resetTimeMs: resetMs === null ? null : now + resetMs,
    };
  });
}

interface Found {
  readonly limit: LiveLimit;
  readonly policyId: string;
}

function limitsOf({ key, policies, owner, rules }: EffectiveKey): readonly Found[] {
  const policyOf = (name: string): string =>
    key.limits.length > 0
      ? ''
      : (policies.find(({ limits }) => limits.some((limit) => limit.name === name))?.id ?? '');
  return [
    ...byName(keyLiveLimits(key, rules.limits)).map((limit) => ({ limit, policyId: policyOf(limit.name) })),
    ...(owner === undefined ? [] : byName(ownerLiveLimits(owner)).map(withoutPolicy)),
  ];
}

const withoutPolicy = (limit: LiveLimit): Found => ({ limit, policyId: '' });

/** Names are of ASCII. */
function byName(limits: readonly LiveLimit[]): readonly LiveLimit[] {
  return limits.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** What the ledger says of a limit. */
interface Count {
  readonly max: number;
  readonly remaining: number;
  /** null: it is whole, or never refilled. */
  readonly resetMs: number | null;
}

/** Asks the ledger without taking anything; answers by ledger ids. */
export async function readLedger(
  ledger: Ledger,
  limits: readonly LiveLimit[],
): Promise<ReadonlyMap<string, Count>> {
  const rates = limits.flatMap((limit) => (limit.rule.kind === 'RATE' ? [[limit, limit.rule] as const] : []));
  const balances = limits.flatMap((limit) =>
    limit.rule.kind === 'CREDITS' ? [[limit, limit.rule] as const] : [],
  );
  const [rateCounts, balanceCounts] = await Promise.all([
    readRates(ledger, rates),
    readBalances(ledger, balances),
  ]).catch((error: unknown) => {
    throw databaseUnavailable(error);
  });
  return new Map([...rateCounts, ...balanceCounts]);
}

async function readRates(
  ledger: Ledger,
  rates: readonly (readonly [LiveLimit, RateRule])[],
): Promise<readonly (readonly [string, Count])[]> {
  const grants = await ledger.leaseRates(
    rates.map(([{ ledgerId: id, override }, { limit, windowMs }]) => ({
      id,
      limit,
      windowMs,
      override: override ?? undefined,
      need: 0,
      demand: 0,
      want: 0,
      lifeMs: 0,
      returns: [],
    })),
  );
  return grants.flatMap(({ limit: max, remaining, resetMs }, index) => {
    const id = rates[index]?.[0].ledgerId;
    return id === undefined ? [] : [[id, { max, remaining, resetMs: resetMs === 0 ? null : resetMs }]];
  });
}

async function readBalances(
  ledger: Ledger,
  balances: readonly (readonly [LiveLimit, CreditRule])[],
): Promise<readonly (readonly [string, Count])[]> {
  const grants = await ledger.leaseCredits(
    balances.map(([{ ledgerId: id }, { initial, refill }]) => ({
      id,
      initial,
      refill,
      need: 0,
      demand: 0,
      want: 0,
      returned: 0,
      generation: 0,
    })),
  );
  return grants.flatMap(({ balance, refillMs }, index) => {
    const found = balances[index];
    return found === undefined
      ? []
      : [[found[0].ledgerId, { max: found[1].initial, remaining: balance, resetMs: refillMs }]];
  });
}
