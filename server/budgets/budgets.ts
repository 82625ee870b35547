import type { Change } from '../../core/change.ts';
import { databaseUnavailable, invalidFields } from '../../core/fault.ts';
import type { LiveLimit } from '../../core/limit.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type {
  Budgets as VerifierBudgets,
  Charge,
  ChargeOutcome,
  LimitState,
} from '../verification/budgets.ts';
import type { Allowance } from './allowance.ts';
import { createClockWatch } from './clock-watch.ts';
import { CreditAllowance, type LiveCredits } from './credit-allowance.ts';
import { createLeaseQueue, type LeaseQueue } from './lease-queue.ts';
import type { CreditGrant, CreditLease, Ledger, RateGrant, RateLease } from './ports.ts';
import { RateAllowance, type LiveRate } from './rate-allowance.ts';

/** Counts for metrics, since the start. */
export interface BudgetStats {
  /** Limits that are in memory. */
  readonly allowances: number;
  /** Calls of the ledger. */
  readonly calls: number;
  /** Leases in them. */
  readonly leases: number;
  /** Calls that failed. */
  readonly failures: number;
  /** Charges of limits with `onUnavailable: 'ALLOW'` that passed uncounted. */
  readonly uncounted: number;
  /** How often the database's clock jumped forward. */
  readonly clockJumps: number;
}

/** What is leased of all limits, and what keeps it true. */
export interface Budgets extends VerifierBudgets {
  /** Applies a change: what was leased of a balance that was changed goes back. */
  forget(change: Change): void;
  /** The same for all balances: it is not known which were changed. */
  clear(): void;
  /** Gives back all that was leased and is not spent. Nothing may be charged after it. */
  stop(): Promise<void>;
  stats(): BudgetStats;
}

/** How old may be what a look is answered with, ms. */
const LOOK_MS = 100;

/** How often what is over is given back, ms. */
const SWEEP_MS = 500;

/** What the clocks may part by between two looks without a suspension, ms; the wall clock's are whole. */
const SUSPENDED_MS = 5;

/** An allowance that nobody has asked for in this time is forgotten, ms. */
const FORGET_MS = 60_000;

/** An allowance with what keeps it supplied. */
interface Entry {
  readonly allowance: Allowance;
  /** Takes in the limit as a verification sees it. */
  adopt(limit: LiveLimit): void;
  /** See LeaseQueue.ask. */
  ask(needed: number, wanted: number): Promise<void>;
  /** See LeaseQueue.isAsked. */
  isAsked(): boolean;
  /** When it was last asked for. */
  usedMs: number;
  /** Whether it had something to give back at the last sweep. */
  returning: boolean;
}

/** A limit that a verification charges or looks at. */
interface Due {
  readonly limit: LiveLimit;
  readonly entry: Entry;
  readonly cost: number;
  /** See Allowance.deniedMs, as it was found last. */
  deniedMs: number | undefined;
  /** Set once its ledger is known to be away and it may be passed all the same. */
  uncounted: boolean;
}

/**
 * Takes from limits in memory, out of what was leased from the ledger; asks it for more when that is spent. All
 * processes together can spend only what was leased, and the ledger leases no more than the limit: so nothing is admitted
 * twice, whatever is lost. Within a verification all is taken or nothing is, without a pause between.
 */
export function createBudgets(options: {
  readonly ledger: Ledger;
  /** Whether memory may answer: see Coherence.isFresh. */
  readonly isFresh: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}): Budgets {
  const { ledger, isFresh, clock, logger } = options;
  const entries = new Map<string, Entry>();
  const clockWatch = createClockWatch(logger);
  const rates = createLeaseQueue<RateLease, RateGrant, RateAllowance>({
    async call(leases) {
      const sentMs = clock.monotonicMs();
      const grants = await noting(ledger.leaseRates(leases));
      const [first] = grants;
      if (first !== undefined) clockWatch.observe(first.timeMs, sentMs, clock.monotonicMs());
      return grants;
    },
    monotonicMs: clock.monotonicMs,
  });
  const credits = createLeaseQueue<CreditLease, CreditGrant, CreditAllowance>({
    call: (leases) => noting(ledger.leaseCredits(leases)),
    monotonicMs: clock.monotonicMs,
  });
  /** By how much the wall clock is ahead of the monotonic one. */
  let wallAheadMs = Infinity;
  let uncounted = 0;
  let failing = false;

  function openEntry(limit: LiveLimit): Entry {
    return isRate(limit)
      ? suppliedBy(rates, new RateAllowance(limit))
      : suppliedBy(credits, new CreditAllowance(limit as LiveCredits));
  }

  function entryOf(limit: LiveLimit, nowMs: number): Entry {
    let entry = entries.get(limit.ledgerId);
    if (entry === undefined) entries.set(limit.ledgerId, (entry = openEntry(limit)));
    entry.usedMs = nowMs;
    entry.adopt(limit);
    return entry;
  }

  /**
   * While a machine is suspended its monotonic clock may stand still, and what was leased would live too long. The wall
   * clock goes on: where it has gone further than the other since it was looked at last, all that is held goes back.
   */
  function noteSuspension(nowMs: number, wallMs: number): void {
    const aheadMs = wallMs - nowMs;
    if (aheadMs > wallAheadMs + SUSPENDED_MS) {
      for (const { allowance } of entries.values()) allowance.renounce();
    }
    wallAheadMs = aheadMs;
  }

  function duesOf(limits: readonly LiveLimit[], charges: readonly Charge[], nowMs: number): Due[] {
    const dues: Due[] = [];
    for (const limit of limits) {
      const charge = charges.length === 0 ? undefined : charges.find((one) => one.limit === limit.name);
      if (charge === undefined && limit.onDemand) continue;
      const cost = charge?.cost ?? 1;
      dues.push({ limit, entry: entryOf(limit, nowMs), cost, deniedMs: undefined, uncounted: false });
    }
    return dues;
  }

  /**
   * What becomes of the dues by what is known; those of which more must be known, if that is not enough.
   * @param startMs when the verification began
   */
  function decide(dues: readonly Due[], checkOnly: boolean, startMs: number): ChargeOutcome | Due[] {
    const nowMs = clock.monotonicMs();
    const wallMs = clock.nowMs();
    noteSuspension(nowMs, wallMs);
    // What was leased before a change that this process may not know of must not be spent.
    const sinceMs = isFresh() ? -Infinity : startMs;
    const missing: Due[] = [];
    let refused = false;
    for (const due of dues) {
      const { cost, uncounted: passes } = due;
      const { allowance } = due.entry;
      due.deniedMs = undefined;
      if (passes) continue;
      const available = allowance.available(nowMs, sinceMs);
      if (cost > 0 && available >= cost) continue;
      due.deniedMs = cost === 0 ? undefined : allowance.deniedMs(cost, nowMs, startMs);
      if (due.deniedMs !== undefined) {
        refused = true;
        continue;
      }
      const looks = cost === 0 || checkOnly;
      const enough = looks && allowance.isKnownSince(Math.min(startMs, nowMs - LOOK_MS));
      if (!enough || allowance.remaining(nowMs) < cost) missing.push(due);
    }
    if (!refused && missing.length > 0) return missing;
    if (!refused && !checkOnly) takeAll(dues);
    return outcomeOf(dues, nowMs, wallMs);
  }

  function takeAll(dues: readonly Due[]): void {
    for (const { entry, cost, uncounted: passes } of dues) {
      if (passes) uncounted += 1;
      else if (cost > 0) entry.allowance.take(cost);
    }
    for (const { entry, cost, uncounted: passes } of dues) {
      const { allowance } = entry;
      if (cost === 0 || passes || !allowance.isLow() || entry.isAsked()) continue;
      // Before the last is spent, so that nobody need wait.
      entry.ask(0, 1).catch(() => {});
    }
  }

  function outcomeOf(dues: readonly Due[], nowMs: number, wallMs: number): ChargeOutcome {
    let refusal: ChargeOutcome['refusal'];
    let retryAfterMs = 0;
    const states: LimitState[] = [];
    for (const { limit, entry, deniedMs, uncounted: passes } of dues) {
      const { allowance } = entry;
      const refused = deniedMs !== undefined;
      if (refused && isRate(limit)) {
        // Of several that refuse, a rate limit is named first.
        refusal = 'RATE_LIMITED';
        retryAfterMs = Math.max(retryAfterMs, deniedMs);
      } else if (refused) {
        refusal ??= 'CREDITS_EXHAUSTED';
      }
      // Nothing can be said of it.
      if (passes || (!refused && !allowance.isKnown)) continue;
      const resetMs = allowance.resetMs(nowMs);
      states.push({
        limit,
        max: allowance.max,
        remaining: allowance.remaining(nowMs),
        resetTimeMs: resetMs === undefined ? undefined : wallMs + resetMs,
        refused,
      });
    }
    const comesBack = refusal === 'RATE_LIMITED' && retryAfterMs !== Infinity;
    return { refusal, retryAfterMs: comesBack ? retryAfterMs : undefined, states };
  }

  /** Logs when the ledger is away, and when it is there again. */
  async function noting<T>(call: Promise<T>): Promise<T> {
    try {
      const answer = await call;
      if (failing) logger.info('ledger.recovered');
      failing = false;
      return answer;
    } catch (error) {
      if (!failing) logger.warn({ err: error }, 'ledger.unavailable');
      failing = true;
      throw error;
    }
  }

  /** Asks the ledger about all that is missing. @throws Fault DATABASE_UNAVAILABLE, unless all of it may pass without */
  async function askFor(missing: readonly Due[], checkOnly: boolean): Promise<void> {
    await Promise.all(
      missing.map(async (due) => {
        try {
          await due.entry.ask(due.cost, checkOnly ? 0 : due.cost);
        } catch (error) {
          if (due.limit.onUnavailable === 'DENY')
            throw databaseUnavailable(error, 'the limits of the key cannot be looked up now; try again');
          due.uncounted = true;
        }
      }),
    );
  }

  const sweep = setInterval(() => {
    const nowMs = clock.monotonicMs();
    for (const [id, entry] of entries) {
      const { allowance } = entry;
      allowance.rest(nowMs);
      // Of a limit that is in use it goes with the next lease, which costs nothing: so not at the first sweep.
      if (allowance.hasReturns && entry.returning) entry.ask(0, 0).catch(() => {});
      entry.returning = allowance.hasReturns;
      if (!entry.returning && nowMs - entry.usedMs > FORGET_MS) entries.delete(id);
    }
  }, SWEEP_MS);
  sweep.unref();

  function renounceCredits(): void {
    for (const { allowance } of entries.values()) {
      if (allowance instanceof CreditAllowance) allowance.renounce();
    }
  }

  return {
    tryCharge(limits, charges, checkOnly) {
      requireKnown(limits, charges);
      const nowMs = clock.monotonicMs();
      const outcome = decide(duesOf(limits, charges, nowMs), checkOnly, nowMs);
      return Array.isArray(outcome) ? undefined : outcome;
    },

    async charge(limits, charges, checkOnly) {
      requireKnown(limits, charges);
      const startMs = clock.monotonicMs();
      const dues = duesOf(limits, charges, startMs);
      for (;;) {
        const outcome = decide(dues, checkOnly, startMs);
        if (!Array.isArray(outcome)) return outcome;
        await askFor(outcome, checkOnly);
      }
    },

    forget(change) {
      if (change.kind === 'limit') entries.get(change.id)?.allowance.renounce();
    },
    clear: renounceCredits,

    async stop() {
      clearInterval(sweep);
      await Promise.all([rates.idle(), credits.idle()]);
      const last = [...entries.values()].map(async ({ allowance, ask }) => {
        allowance.renounce();
        if (allowance.hasReturns) await ask(0, 0);
      });
      const results = await Promise.allSettled(last);
      const lost = results.filter(({ status }) => status === 'rejected').length;
      if (lost > 0) logger.warn({ limits: lost }, 'ledger.not-given-back');
      entries.clear();
    },

    stats() {
      const [one, other] = [rates.stats(), credits.stats()];
      return {
        allowances: entries.size,
        calls: one.calls + other.calls,
        leases: one.leases + other.leases,
        failures: one.failures + other.failures,
        uncounted,
        clockJumps: clockWatch.jumps(),
      };
    },
  };
}

/** @param queue which asks the ledger for allowances of this kind */
function suppliedBy<A extends Allowance & { adopt(limit: never): void }>(
  queue: LeaseQueue<A>,
  allowance: A,
): Entry {
  return {
    allowance,
    // Of one ledger id all are rate limits, or none is.
    adopt: (limit) => allowance.adopt(limit as never),
    ask: (needed, wanted) => queue.ask(allowance, needed, wanted),
    isAsked: () => queue.isAsked(allowance),
    usedMs: 0,
    returning: false,
  };
}

const isRate = (limit: LiveLimit): limit is LiveRate => limit.rule.kind === 'RATE';

/** @throws Fault INVALID_FIELD for a charge of a limit that is not there */
function requireKnown(limits: readonly LiveLimit[], charges: readonly Charge[]): void {
  if (charges.length === 0) return;
  const violations = charges.flatMap(({ limit }, index) =>
    limits.some(({ name }) => name === limit)
      ? []
      : [
          {
            field: `charges[${index}].limit`,
            description: `neither the key nor its owner has a limit ${limit}`,
          },
        ],
  );
  if (violations.length > 0) throw invalidFields(violations);
}
