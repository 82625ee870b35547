import { BUCKETS } from '../../../server/budgets/buckets.ts';
import type { CreditGrant, CreditLease, RateGrant, RateLease } from '../../../server/budgets/ports.ts';

/** Tokens that were granted, under the bucket in which they may be spent last. */
interface Grant {
  readonly label: number;
  count: number;
}

/** A ledger in memory that counts grant by grant, to hold allowances against. No refills. */
export interface ExactLedger {
  leaseRates(leases: readonly RateLease[]): readonly RateGrant[];
  leaseCredits(leases: readonly CreditLease[]): readonly CreditGrant[];
  /** Makes a balance this, and void what was leased of it. */
  setBalance(id: string, balance: number): void;
  /** What is not leased. */
  balance(id: string): number;
}

/**
 * @param options.nowMs the ledger's own clock
 * @param options.replicas how many share it
 */
export function createExactLedger(options: {
  readonly nowMs: () => number;
  readonly replicas: number;
}): ExactLedger {
  const { nowMs, replicas } = options;
  const rates = new Map<string, Grant[]>();
  const newest = new Map<string, number>();
  const balances = new Map<string, { balance: number; generation: number }>();

  function share({ need, demand, want }: RateLease | CreditLease, remaining: number): number {
    if (want === 0 || need === 0 || remaining < need) return 0;
    return Math.min(remaining, Math.max(need, demand, Math.min(want, Math.ceil(remaining / (2 * replicas)))));
  }

  function leaseRate(lease: RateLease): RateGrant {
    const timeMs = nowMs();
    const widthMs = lease.windowMs / BUCKETS;
    const current = Math.max(Math.floor(timeMs / widthMs), newest.get(lease.id) ?? 0);
    newest.set(lease.id, current);
    const grants = (rates.get(lease.id) ?? []).filter(({ label }) => label >= current - BUCKETS);
    rates.set(lease.id, grants);
    for (const { label, count } of lease.returns) {
      let due = count;
      for (const grant of grants) {
        if (grant.label !== label) continue;
        const some = Math.min(due, grant.count);
        grant.count -= some;
        due -= some;
      }
    }
    const overridden = lease.override !== undefined && timeMs < lease.override.endTimeMs;
    const limit = overridden ? (lease.override?.value ?? 0) : lease.limit;
    const used = grants.reduce((sum, { count }) => sum + count, 0);
    const remaining = Math.max(0, limit - used);
    const granted = share(lease, remaining);
    const label = Math.min(
      Math.max(current, Math.floor((timeMs + lease.lifeMs) / widthMs)),
      current + BUCKETS - 1,
    );
    if (granted > 0) grants.push({ label, count: granted });
    const endMs = (label + 1) * widthMs;
    let freed = limit - used;
    let retryMs: number | null = remaining >= lease.need ? 0 : null;
    for (const grant of grants.toSorted((one, other) => one.label - other.label)) {
      freed += grant.count;
      if (retryMs === null && freed >= lease.need) retryMs = (grant.label + BUCKETS + 1) * widthMs - timeMs;
    }
    if (overridden && limit < lease.limit && remaining < lease.need && lease.need <= lease.limit)
      retryMs = Math.min(retryMs ?? Infinity, (lease.override?.endTimeMs ?? Infinity) - timeMs);
    const last = Math.max(-1, ...grants.filter(({ count }) => count > 0).map((grant) => grant.label));
    return {
      granted,
      label,
      leftMs: Math.min(endMs, overridden ? (lease.override?.endTimeMs ?? endMs) : endMs) - timeMs,
      limit,
      remaining: remaining - granted,
      retryMs,
      resetMs: last < 0 ? 0 : (last + BUCKETS + 1) * widthMs - timeMs,
      timeMs,
    };
  }

  function leaseCredit(lease: CreditLease): CreditGrant {
    const { id, initial, returned, generation } = lease;
    const entry = balances.get(id) ?? { balance: initial, generation: 0 };
    balances.set(id, entry);
    if (generation === entry.generation) entry.balance += returned;
    const granted = share(lease, entry.balance);
    entry.balance -= granted;
    return { granted, balance: entry.balance, generation: entry.generation, refillMs: null };
  }

  return {
    leaseRates: (leases) => leases.map(leaseRate),
    leaseCredits: (leases) => leases.map(leaseCredit),
    setBalance(id, balance) {
      balances.set(id, { balance, generation: (balances.get(id)?.generation ?? 0) + 1 });
    },
    balance: (id) => balances.get(id)?.balance ?? 0,
  };
}
