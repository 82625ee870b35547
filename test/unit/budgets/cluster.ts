import { vi } from 'vitest';
import type { LiveLimit } from '../../../core/limit.ts';
import { createBudgets, type Budgets } from '../../../server/budgets/budgets.ts';
import {
  LedgerUnreached,
  type CreditGrant,
  type CreditLease,
  type Ledger,
  type RateGrant,
  type RateLease,
} from '../../../server/budgets/ports.ts';
import type { Charge, ChargeOutcome } from '../../../server/verification/budgets.ts';
import { captureLogger } from '../../support/capture-logger.ts';
import type { Random } from '../../support/random.ts';
import { createExactLedger, type ExactLedger } from './exact-ledger.ts';

/** Replicas with their budgets over one ledger, in a time of their own. */
export interface Cluster {
  readonly budgets: readonly Budgets[];
  readonly ledger: ExactLedger;
  nowMs(): number;
  /** Every call that a replica made, in the order in which they were sent. */
  readonly traffic: readonly Exchange[];
  /** Does something at a time. */
  at(timeMs: number, run: () => void): void;
  /** Lets time pass until all that was planned is done, or until a time. */
  run(untilMs?: number): Promise<void>;
  /** Lets so much time pass, ms. */
  wait(ms: number): Promise<void>;
  /** Charges limits on the first replica or another: memory first, and the ledger if that does not suffice. */
  charge(
    limits: readonly LiveLimit[],
    charges?: readonly Charge[],
    options?: { readonly replica?: number; readonly checkOnly?: boolean },
  ): Promise<ChargeOutcome>;
  /** Likewise, without a wait; tells what became of it, at once if memory suffices, and nothing if it failed. */
  begin(
    limits: readonly LiveLimit[],
    charges: readonly Charge[],
    options: { readonly replica: number | undefined; readonly checkOnly?: boolean },
    tell: (outcome: ChargeOutcome) => void,
  ): void;
  /** What the ledger has left of a limit. */
  left(limit: LiveLimit): number;
  /** Cuts all replicas off from the ledger: their calls are not done, and they know that; or joins them again. */
  cut(isCut: boolean): void;
  /** Gives back all that is leased, as when all processes end. */
  stop(): Promise<void>;
}

/** A call of the ledger. */
export interface Exchange {
  readonly replica: number;
  readonly sentMs: number;
  readonly leases: readonly (RateLease | CreditLease)[];
  /** Whether the ledger got it, as far as anybody can say. */
  reached: boolean;
  /** What the replica was told; undefined: nothing, yet or ever. */
  grants: readonly (RateGrant | CreditGrant)[] | undefined;
}

/** How often replicas look after what they hold, ms. */
const SWEEP_MS = 500;

export const CALM: Weather = { delayMs: 2, lost: 0 };

/** What can go wrong between a replica and the ledger, and remedies that are taken away. */
export interface Weather {
  /** The longest that a call takes, each way, ms. */
  readonly delayMs: number;
  /** How many of the calls fail after the ledger has done them. May be changed on the way. */
  readonly lost: number;
  /** What comes between: a remedy that is switched off. */
  readonly sabotage?: (ledger: Ledger) => Ledger;
}

/** Takes the timers of the test file over: there is one cluster at a time. */
export function createCluster(options: {
  readonly replicas: number;
  readonly random: Random;
  readonly weather: Weather;
  readonly isFresh?: (replica: number) => boolean;
}): Cluster {
  const { replicas, random, weather, isFresh = () => true } = options;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  /** The latest first; of one time in the order in which they were planned. */
  const plan: { readonly timeMs: number; readonly run: () => void }[] = [];
  let now = 1_000_000;
  let sweepMs = now + SWEEP_MS;
  let isCut = false;
  const traffic: Exchange[] = [];
  const ledger = createExactLedger({ nowMs: () => now, replicas });

  function at(timeMs: number, act: () => void): void {
    let low = 0;
    for (let high = plan.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((plan[middle]?.timeMs ?? 0) > timeMs) low = middle + 1;
      else high = middle;
    }
    plan.splice(low, 0, { timeMs: Math.max(now, timeMs), run: act });
  }

  /** Over the network: the call takes a while there, and a while back. */
  function remote<L extends RateLease | CreditLease, G extends RateGrant | CreditGrant>(
    replica: number,
    call: (leases: readonly L[]) => readonly G[],
  ) {
    return (leases: readonly L[]): Promise<readonly G[]> =>
      new Promise((resolve, reject) => {
        const exchange: Exchange = { replica, sentMs: now, leases, reached: true, grants: undefined };
        traffic.push(exchange);
        at(now + random.next() * weather.delayMs, () => {
          if (isCut) {
            exchange.reached = false;
            reject(new LedgerUnreached(new Error('cut off')));
            return;
          }
          const grants = call(leases);
          at(now + random.next() * weather.delayMs, () => {
            if (random.next() < weather.lost) {
              reject(new Error('the reply was lost'));
              return;
            }
            exchange.grants = grants;
            resolve(grants);
          });
        });
      });
  }

  const budgets = Array.from({ length: replicas }, (_, index) => {
    const plain: Ledger = {
      leaseRates: remote(index, (leases) => ledger.leaseRates(leases)),
      leaseCredits: remote(index, (leases) => ledger.leaseCredits(leases)),
    };
    // Each has a monotonic clock with a beginning of its own.
    const offsetMs = random.next() * 1e6;
    return createBudgets({
      ledger: weather.sabotage?.(plain) ?? plain,
      isFresh: () => isFresh(index),
      clock: { nowMs: () => now, monotonicMs: () => now - offsetMs },
      logger: captureLogger().logger,
    });
  });

  async function run(untilMs = Infinity): Promise<void> {
    for (;;) {
      // What promises do in between takes no time.
      for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      const next = plan.at(-1);
      const dueMs = Math.min(next?.timeMs ?? Infinity, untilMs);
      if (dueMs === Infinity) return;
      if (sweepMs <= dueMs) {
        now = sweepMs;
        sweepMs += SWEEP_MS;
        vi.advanceTimersByTime(SWEEP_MS);
      } else if (next === undefined || next.timeMs > untilMs) {
        now = untilMs;
        return;
      } else {
        plan.pop();
        now = next.timeMs;
        next.run();
      }
    }
  }

  function budgetsOf(replica: number | undefined): Budgets {
    const one = replica === undefined ? undefined : budgets[replica];
    if (one === undefined) throw new Error(`there is no replica ${replica}`);
    return one;
  }

  return {
    budgets,
    ledger,
    traffic,
    nowMs: () => now,
    at,
    run,
    wait: (ms) => run(now + ms),
    begin(limits, charges, { replica, checkOnly = false }, tell) {
      const one = budgetsOf(replica);
      const known = one.tryCharge(limits, charges, checkOnly);
      if (known === undefined) void tellLater(one.charge(limits, charges, checkOnly), tell);
      else tell(known);
    },
    async charge(limits, charges = [], { replica = 0, checkOnly = false } = {}) {
      const one = budgetsOf(replica);
      const known = one.tryCharge(limits, charges, checkOnly);
      if (known !== undefined) return known;
      const outcome = one.charge(limits, charges, checkOnly);
      outcome.catch(() => {});
      await run();
      return outcome;
    },
    left(limit) {
      const { ledgerId: id, rule, override } = limit;
      if (rule.kind === 'CREDITS') {
        const look = { need: 0, demand: 0, want: 0, returned: 0, generation: 0 };
        return ledger.leaseCredits([{ id, ...rule, ...look }])[0]?.balance ?? NaN;
      }
      const look = { need: 0, demand: 0, want: 0, lifeMs: 0, returns: [] };
      const lease = { id, ...rule, override: override ?? undefined, ...look };
      return ledger.leaseRates([lease])[0]?.remaining ?? NaN;
    },
    cut(cut) {
      isCut = cut;
    },
    async stop() {
      const stopped = Promise.all(budgets.map((one) => one.stop()));
      await run();
      await stopped;
    },
  };
}

async function tellLater(
  answer: Promise<ChargeOutcome>,
  tell: (outcome: ChargeOutcome) => void,
): Promise<void> {
  try {
    tell(await answer);
  } catch {
    // A reply was lost.
  }
}

/** A rate limit of a key. */
export function rateLimit(limit: number, windowMs: number, changes: Partial<LiveLimit> = {}): LiveLimit {
  return {
    name: 'calls',
    rule: { kind: 'RATE', limit, windowMs },
    onDemand: false,
    onUnavailable: 'DENY',
    scope: 'KEY',
    ledgerId: `key_a calls ${windowMs}`,
    override: null,
    ...changes,
  };
}

/** A balance of a key. */
export function creditLimit(initial: number, changes: Partial<LiveLimit> = {}): LiveLimit {
  return {
    name: 'credits',
    rule: { kind: 'CREDITS', initial, refill: null },
    onDemand: false,
    onUnavailable: 'DENY',
    scope: 'KEY',
    ledgerId: 'key_a credits',
    override: null,
    ...changes,
  };
}

/** The most that any interval of a length holds. Admissions in the order of time, each with its cost. */
export function worstInterval(
  admissions: readonly { readonly timeMs: number; readonly cost: number }[],
  lengthMs: number,
): number {
  let worst = 0;
  let sum = 0;
  let first = 0;
  for (const { timeMs, cost } of admissions) {
    sum += cost;
    for (let oldest = admissions[first]; oldest !== undefined && oldest.timeMs <= timeMs - lengthMs;) {
      sum -= oldest.cost;
      first += 1;
      oldest = admissions[first];
    }
    worst = Math.max(worst, sum);
  }
  return worst;
}
