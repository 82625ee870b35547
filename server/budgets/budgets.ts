import type { Change } from '../../core/change.ts';
import { Fault, invalidFields } from '../../core/fault.ts';
import type { LiveLimit } from '../../core/limit.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type {
  Budgets as VerifierBudgets,
  Charge,
  ChargeOutcome,
  LimitState,
} from '../verification/budgets.ts';
import { createClockWatch } from './clock-watch.ts';
import { CreditAllowance, type LiveCredits } from './credit-allowance.ts';
import { createLeaseQueue } from './lease-queue.ts';
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

type Allowance = RateAllowance | CreditAllowance;

/** How old may be what a look is answered with, ms. */
const LOOK_MS = 100;

/** How often what is over is given back, ms. */
const SWEEP_MS = 500;

/** What the clocks may part by between two looks without a suspension, ms; the wall clock's are whole. */
const SUSPENDED_MS = 5;

/** An allowance that nobody has asked for in this time is forgotten, ms. */
const FORGET_MS = 60_000;

/** An allowance with the time at which it was last asked for. */
interface Entry {
  readonly allowance: Allowance;
  usedMs: number;
}

/** A limit that a verification charges or looks at. */
interface Due {
  readonly limit: LiveLimit;
  readonly allowance: Allowance;
  readonly cost: number;
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

  function ask(allowance: Allowance, needed: number, wanted: number): Promise<void> {
    return allowance instanceof RateAllowance
      ? rates.ask(allowance, needed, wanted)
      : credits.ask(allowance, needed, wanted);
  }

  function isAsked(allowance: Allowance): boolean {
    return allowance instanceof RateAllowance ? rates.isAsked(allowance) : credits.isAsked(allowance);
  }

  function allowanceOf(limit: LiveLimit, nowMs: number): Allowance {
    let entry = entries.get(limit.ledgerId);
    if (entry === undefined) {
      const allowance = isRate(limit) ? new RateAllowance(limit) : new CreditAllowance(limit as LiveCredits);
      entry = { allowance, usedMs: nowMs };
      entries.set(limit.ledgerId, entry);
    }
    entry.usedMs = nowMs;
    const { allowance } = entry;
    if (allowance instanceof RateAllowance) allowance.adopt(limit as LiveRate);
    else allowance.adopt(limit as LiveCredits);
    return allowance;
  }

  /**
   * While a machine is suspended its monotonic clock may stand still, and what was leased would live too long. The wall
   * clock goes on: where it has gone further than the other since it was looked at last, all that is held goes back.
   */
  function noteSuspension(nowMs: number): void {
    const aheadMs = clock.nowMs() - nowMs;
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
      dues.push({ limit, allowance: allowanceOf(limit, nowMs), cost: charge?.cost ?? 1, uncounted: false });
    }
    return dues;
  }

  /** What becomes of the dues by what is known; the allowances of which more must be known if that is not enough. */
  function settle(
    dues: readonly Due[],
    {
      checkOnly,
      startMs,
      nowMs,
    }: { readonly checkOnly: boolean; readonly startMs: number; readonly nowMs: number },
  ): ChargeOutcome | Due[] {
    noteSuspension(nowMs);
    // What was leased before a change that this process may not know of must not be spent.
    const sinceMs = isFresh() ? -Infinity : startMs;
    let refused: Due | undefined;
    let retryAfterMs = 0;
    const missing: Due[] = [];
    for (const due of dues) {
      const { allowance, cost } = due;
      if (due.uncounted) continue;
      const available =
        allowance instanceof RateAllowance ? allowance.available(nowMs) : allowance.available(sinceMs);
      if (cost > 0 && available >= cost) continue;
      const deniedMs = cost === 0 ? undefined : allowance.deniedMs(cost, nowMs, startMs);
      if (deniedMs !== undefined) {
        if (refused === undefined || rank(due) < rank(refused)) refused = due;
        if (allowance instanceof RateAllowance) retryAfterMs = Math.max(retryAfterMs, deniedMs);
        continue;
      }
      const looks = cost === 0 || checkOnly;
      const enough = looks && allowance.isKnownSince(Math.min(startMs, nowMs - LOOK_MS));
      if (!enough || allowance.remaining(nowMs) < cost) missing.push(due);
    }
    if (refused === undefined && missing.length > 0) return missing;
    if (refused === undefined && !checkOnly) {
      for (const { allowance, cost, uncounted: passes } of dues) {
        if (passes) uncounted += 1;
        else if (cost > 0) allowance.take(cost);
      }
      for (const { allowance, cost, uncounted: passes } of dues) {
        // Before the last is spent, so that nobody need wait.
        if (cost > 0 && !passes && allowance.isLow() && !isAsked(allowance))
          prefetch(allowance, nowMs, sinceMs);
      }
    }
    return outcomeOf(dues, { refused, retryAfterMs, startMs, nowMs });
  }

  function prefetch(allowance: Allowance, nowMs: number, sinceMs: number): void {
    const here =
      allowance instanceof RateAllowance ? allowance.available(nowMs) : allowance.available(sinceMs);
    ask(allowance, here + 1, here + 1).catch(() => {});
  }

  function outcomeOf(
    dues: readonly Due[],
    told: {
      readonly refused: Due | undefined;
      readonly retryAfterMs: number;
      readonly startMs: number;
      readonly nowMs: number;
    },
  ): ChargeOutcome {
    const { refused, retryAfterMs, startMs, nowMs } = told;
    const wallMs = clock.nowMs();
    const states: LimitState[] = [];
    for (const due of dues) {
      const { limit, allowance, cost } = due;
      const isRefused =
        refused !== undefined && cost > 0 && allowance.deniedMs(cost, nowMs, startMs) !== undefined;
      // Nothing can be said of it.
      if (due.uncounted || (!isRefused && !allowance.isKnown)) continue;
      const resetMs = allowance.resetMs(nowMs);
      states.push({
        limit,
        max: allowance.max,
        remaining: allowance.remaining(nowMs),
        resetTimeMs: resetMs === undefined ? undefined : wallMs + resetMs,
        refused: isRefused,
      });
    }
    const rated = refused?.allowance instanceof RateAllowance;
    return {
      refusal: refused === undefined ? undefined : rated ? 'RATE_LIMITED' : 'CREDITS_EXHAUSTED',
      retryAfterMs: rated && retryAfterMs !== Infinity ? retryAfterMs : undefined,
      states,
    };
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
          await ask(due.allowance, due.cost, checkOnly ? 0 : due.cost);
        } catch (error) {
          if (due.limit.onUnavailable === 'DENY') {
            throw new Fault(
              'DATABASE_UNAVAILABLE',
              'the limits of the key cannot be looked up now; try again',
              {
                retryAfterMs: 1000,
                cause: error,
              },
            );
          }
          due.uncounted = true;
        }
      }),
    );
  }

  /** Those that had something to give back the last time. */
  const returning = new Set<string>();
  const sweep = setInterval(() => {
    const nowMs = clock.monotonicMs();
    for (const [id, { allowance, usedMs }] of entries) {
      if (allowance instanceof RateAllowance) allowance.available(nowMs);
      else allowance.rest(nowMs);
      if (!allowance.hasReturns) {
        if (nowMs - usedMs > FORGET_MS) entries.delete(id);
        returning.delete(id);
      } else if (returning.has(id)) {
        ask(allowance, 0, 0).catch(() => {});
      } else {
        // Of a limit that is in use it goes with the next lease, which costs nothing.
        returning.add(id);
      }
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
      const outcome = settle(duesOf(limits, charges, nowMs), { checkOnly, startMs: nowMs, nowMs });
      return Array.isArray(outcome) ? undefined : outcome;
    },

    async charge(limits, charges, checkOnly) {
      requireKnown(limits, charges);
      const startMs = clock.monotonicMs();
      const dues = duesOf(limits, charges, startMs);
      for (;;) {
        const outcome = settle(dues, { checkOnly, startMs, nowMs: clock.monotonicMs() });
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
      const last = [...entries.values()].map(async ({ allowance }) => {
        allowance.renounce();
        if (allowance.hasReturns) await ask(allowance, 0, 0);
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

const isRate = (limit: LiveLimit): limit is LiveRate => limit.rule.kind === 'RATE';

/** Of several that refuse, a rate limit is named first. */
const rank = ({ allowance }: Due): number => (allowance instanceof RateAllowance ? 0 : 1);

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
