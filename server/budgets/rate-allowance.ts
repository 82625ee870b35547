import type { LiveLimit, RateRule } from '../../core/limit.ts';
import { missingOf, TAKES_MIN, type Allowance } from './allowance.ts';
import { BUCKETS } from './buckets.ts';
import { createDenial, type Denial } from './denial.ts';
import type { LabelledTokens, RateGrant, RateLease } from './ports.ts';

/** A live limit that is a rate limit. */
export type LiveRate = LiveLimit & { readonly rule: RateRule };

/** How long tokens are kept at most, ms: what is not spent by then goes back, so that other replicas can have it. */
export const CHUNK_LIFE_MS = 2000;

/**
 * How many buckets past the current one tokens may live: a quarter of the window. The further, the fewer leases; but what
 * was spent counts until its label leaves, so also the longer a client that used up its limit has to wait.
 */
const AHEAD_MAX = BUCKETS / 4;

/** How much shorter than the database's a span is on our clock, which may run that much slower: 0.1 %, and a half ms. */
const CLOCK_RATE = 0.999;
const CLOCK_SLACK_MS = 0.5;

/** Tokens that were leased together. */
interface Chunk {
  readonly label: number;
  readonly granted: number;
  /** When they may not be spent any more, on the monotonic clock. */
  readonly endMs: number;
  left: number;
}

/**
 * What one process may spend of a rate limit without asking: tokens that were leased from the ledger, each until the end
 * of the bucket that it is counted under. Times are of the monotonic clock.
 *
 * A span that the database tells counts from some moment after the call was sent; counted from its sending, and a little
 * shorter, it ends before the database's does.
 */
export class RateAllowance implements Allowance {
  #limit: LiveRate;
  /** In the order in which they were leased. */
  #chunks: Chunk[] = [];
  /** All that is left in the chunks. */
  #tokens = 0;
  /** When the first of the chunks ends. */
  #endMs = Infinity;
  /** How often something was taken since the last lease. */
  #takes = 0;
  /** Whether the tokens were given up since the last lease was sent: what it grants may not be spent. */
  #overtaken = false;
  /** What goes back with the next lease, by label. */
  #returns = new Map<number, number>();
  #denial: Denial = createDenial();
  /** How many tokens to ask for: as many as the last ones of which some were left, or twice those that were not enough. */
  #want = 1;
  /** How many buckets past the current one to ask for. */
  #ahead = 0;
  /** How long the last call of the ledger took. */
  #tookMs = 0;
  /** What the ledger said last. */
  #known: { readonly atMs: number; readonly remaining: number; readonly resetAtMs: number } | undefined;
  #max: number;

  constructor(limit: LiveRate) {
    this.#limit = limit;
    this.#max = limit.rule.limit;
  }

  get id(): string {
    return this.#limit.ledgerId;
  }

  get max(): number {
    return this.#max;
  }

  /** The limit as a verification sees it. What was leased under another number is not spent under this one. */
  adopt(limit: LiveRate): void {
    if (limit === this.#limit) return;
    const same = isSame(limit, this.#limit);
    this.#limit = limit;
    if (same) return;
    this.renounce();
    this.#max = limit.rule.limit;
    this.#want = 1;
  }

  /** Tokens are leased under the limit as it was read with the key, so none is void for a change that came since. */
  available(nowMs: number): number {
    this.rest(nowMs);
    return this.#tokens;
  }

  take(cost: number): void {
    this.#tokens -= cost;
    this.#takes += 1;
    let due = cost;
    for (let chunk = this.#chunks[0]; chunk !== undefined && due > 0; chunk = this.#chunks[0]) {
      const some = Math.min(due, chunk.left);
      chunk.left -= some;
      due -= some;
      if (chunk.left > 0) return;
      this.#chunks.shift();
      this.#want = Math.min(2 * chunk.granted, this.#limit.rule.limit);
    }
  }

  deniedMs(cost: number, nowMs: number, sinceMs: number): number | undefined {
    const { rule, override } = this.#limit;
    // An override may be over, or not begun to hold by the database's clock.
    if (cost > Math.max(rule.limit, override?.value ?? 0)) return Infinity;
    return this.#denial.ofMs(cost - this.#tokens, nowMs, sinceMs);
  }

  isLow(): boolean {
    return this.#takes >= TAKES_MIN && this.#tokens * 4 <= this.#want && !this.#denial.isKnown();
  }

  remaining(nowMs: number): number {
    const known = this.#known;
    if (known === undefined || nowMs >= known.resetAtMs) return this.#max;
    return Math.min(this.#max, this.#tokens + known.remaining);
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  isKnownSince(sinceMs: number): boolean {
    return this.#known !== undefined && this.#known.atMs >= sinceMs;
  }

  resetMs(nowMs: number): number | undefined {
    const leftMs = (this.#known?.resetAtMs ?? 0) - nowMs;
    return leftMs > 0 ? leftMs : undefined;
  }

  renounce(): void {
    this.#overtaken = true;
    for (const chunk of this.#chunks) this.#giveBack(chunk);
    this.#chunks = [];
    this.#tokens = 0;
    this.#endMs = Infinity;
    this.#denial = createDenial();
    this.#known = undefined;
  }

  rest(nowMs: number): void {
    if (nowMs >= this.#endMs) this.#expire(nowMs);
  }

  get hasReturns(): boolean {
    return this.#returns.size > 0;
  }

  /**
   * What to ask the ledger. What goes back with it is gone from here: if the answer is lost, nobody knows whether it
   * went back, and it must not do so twice.
   * @param needed see `missingOf`
   * @param wanted likewise
   */
  lease(needed: number, wanted: number, nowMs: number): RateLease {
    const { need, demand } = missingOf(needed, wanted, this.available(nowMs));
    const returns: LabelledTokens[] = [...this.#returns].map(([label, count]) => ({ label, count }));
    this.#returns.clear();
    this.#overtaken = false;
    const { rule, override, ledgerId } = this.#limit;
    return {
      id: ledgerId,
      limit: rule.limit,
      windowMs: rule.windowMs,
      override: override ?? undefined,
      need,
      demand,
      want: wanted === 0 ? 0 : Math.max(demand, this.#want),
      // So many buckets past the current one; and never so short that they could be over when the answer comes.
      lifeMs: (this.#ahead * rule.windowMs) / BUCKETS + Math.min(2 * this.#tookMs, CHUNK_LIFE_MS),
      returns,
    };
  }

  /**
   * Takes in what the ledger answered to a lease that was sent at a time.
   * @param tookMs how long that took
   */
  settle({ need }: RateLease, grant: RateGrant, sentMs: number, tookMs: number): void {
    const { granted, label, leftMs, remaining, retryMs, resetMs } = grant;
    this.#known = { atMs: sentMs, remaining, resetAtMs: sentMs + resetMs };
    this.#max = grant.limit;
    if (remaining < need && granted === 0) this.#denial.learn(need, sentMs, retryMs);
    this.#tookMs = tookMs;
    if (granted === 0) return;
    this.#denial.forgive();
    this.#adaptLife(grant);
    const chunk = {
      label,
      granted,
      left: granted,
      endMs: sentMs + Math.min(leftMs * CLOCK_RATE - CLOCK_SLACK_MS, CHUNK_LIFE_MS),
    };
    if (this.#overtaken) {
      this.#giveBack(chunk);
      return;
    }
    this.#takes = 0;
    this.#chunks.push(chunk);
    this.#tokens += granted;
    this.#endMs = Math.min(this.#endMs, chunk.endMs);
  }

  /** Takes back what a lease would have given back that never reached the ledger. */
  restore({ returns }: RateLease): void {
    for (const { label, count } of returns) this.#returns.set(label, (this.#returns.get(label) ?? 0) + count);
  }

  /** Where half of the limit or more is left, tokens may live longer; where little is, that would keep it from others. */
  #adaptLife({ limit, remaining }: RateGrant): void {
    const bucketMs = this.#limit.rule.windowMs / BUCKETS;
    this.#ahead =
      2 * remaining < limit
        ? this.#ahead >> 1
        : Math.min(2 * this.#ahead + 1, AHEAD_MAX, Math.ceil(CHUNK_LIFE_MS / bucketMs) - 1);
  }

  #expire(nowMs: number): void {
    this.#chunks = this.#chunks.filter((chunk) => {
      if (nowMs < chunk.endMs) return true;
      // What goes back may be enough for what was refused.
      this.#denial = createDenial();
      this.#tokens -= chunk.left;
      this.#giveBack(chunk);
      // A little more than was spent.
      this.#want = Math.max(1, Math.ceil(1.25 * (chunk.granted - chunk.left)));
      return false;
    });
    this.#endMs = Math.min(Infinity, ...this.#chunks.map(({ endMs }) => endMs));
  }

  #giveBack({ label, left }: Chunk): void {
    if (left > 0) this.#returns.set(label, (this.#returns.get(label) ?? 0) + left);
  }
}

function isSame(one: LiveRate, other: LiveRate): boolean {
  return (
    one.rule.limit === other.rule.limit &&
    one.override?.value === other.override?.value &&
    one.override?.endTimeMs === other.override?.endTimeMs
  );
}
