import type { RateGrant, RateLease } from '../../server/budgets/ports.ts';

/** What was leased of one limit and not given back. */
interface Entry {
  /** The last bucket in which something was written. */
  bucket: number;
  readonly counted: Map<number, number>;
}

/**
 * What the ledger has to say of rate limits, the slow way: nothing is shifted or forgotten, and when something will be is
 * found by looking at one bucket after the other. Times are whole microseconds.
 */
export interface LedgerModel {
  lease(lease: RateLease, nowUs: number, liveReplicas: number): RateGrant;
}

/** How many buckets a window has. */
const buckets = 20;

/** How long each bucket of a window is. */
export const bucketUsOf = (windowMs: number): number => (windowMs / buckets) * 1000;

export function createLedgerModel(): LedgerModel {
  const entries = new Map<string, Entry>();
  return {
    lease(lease, nowUs, liveReplicas) {
      const { limit: own, override, need, demand, want, lifeMs, returns } = lease;
      const widthUs = bucketUsOf(lease.windowMs);
      const entry = entries.get(lease.id) ?? { bucket: 0, counted: new Map<number, number>() };
      const { counted } = entry;
      const now = Math.max(Math.floor(nowUs / widthUs), entry.bucket);
      const countIn = (bucket: number): number => {
        let sum = 0;
        for (const [label, count] of counted) if (bucket <= label + buckets) sum += count;
        return sum;
      };
      const startOf = (bucket: number): number => bucket * widthUs - nowUs;

      for (const { label, count } of returns) {
        const there = counted.get(label) ?? 0;
        if (there === 0 || count === 0 || now > label + buckets) continue;
        counted.set(label, Math.max(0, there - count));
        entry.bucket = now;
        entries.set(lease.id, entry);
      }

      const overrideLeftUs = override === undefined ? 0 : override.endTimeMs * 1000 - nowUs;
      const isOverridden = override !== undefined && overrideLeftUs > 0;
      const number = isOverridden ? override.value : own;
      const free = number - countIn(now);
      let label = now;
      while (label < now + buckets - 1 && startOf(label + 1) <= Math.round(lifeMs * 1000)) label += 1;
      const lifeUs = Math.min(startOf(label + 1), (label - now + 1) * widthUs);

      let granted = 0;
      let retryUs: number | null = 0;
      if (free >= need) {
        const share = Math.ceil(free / (2 * liveReplicas));
        if (want > 0) granted = Math.min(free, Math.max(need, demand, Math.min(want, share)));
      } else {
        retryUs = null;
        if (need <= number) {
          let bucket = now;
          while (countIn(bucket) + need > number) bucket += 1;
          retryUs = startOf(bucket);
        }
        if (isOverridden && number < own && need <= own)
          retryUs = Math.min(retryUs ?? Infinity, overrideLeftUs);
      }
      if (granted > 0) {
        counted.set(label, (counted.get(label) ?? 0) + granted);
        entry.bucket = now;
        entries.set(lease.id, entry);
      }

      let empty = now;
      while (countIn(empty) > 0) empty += 1;
      return {
        granted,
        label,
        leftMs: Math.min(lifeUs, isOverridden ? overrideLeftUs : Infinity) / 1000,
        limit: number,
        remaining: Math.max(0, free - granted),
        retryMs: retryUs === null ? null : retryUs / 1000,
        resetMs: empty === now ? 0 : startOf(empty) / 1000,
        timeMs: nowUs / 1000,
      };
    },
  };
}
