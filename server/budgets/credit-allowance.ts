import type { CreditRule, LiveLimit } from '../../core/limit.ts';
import { missingOf, TAKES_MIN, type Allowance } from './allowance.ts';
import { createDenial, type Denial } from './denial.ts';
import type { CreditGrant, CreditLease } from './ports.ts';

/** A live limit that is a balance. */
export type LiveCredits = LiveLimit & { readonly rule: CreditRule };

/** Credits for about so much demand are leased at once, ms: what the loss of a process can lose. */
const DEMAND_MS = 50;

/** After this without a lease what is left goes back, ms. */
const IDLE_MS = 2000;

/**
 * What one process may spend of a balance without asking: credits that were leased from the ledger. They are spent there
 * already, so they do not end; but a balance that is set makes them void, so they are spent only by who knows that it was
 * not. Times are of the monotonic clock.
 */
export class CreditAllowance implements Allowance {
  #limit: LiveCredits;
  #credits = 0;
  /** When the oldest of them were asked for. */
  #sinceMs = Infinity;
  #generation = 0;
  /** What goes back with the next lease. */
  #returns = 0;
  /** Whether the credits were given up since the last lease was sent: what it grants may be void. */
  #overtaken = false;
  #denial: Denial = createDenial();
  /** What was spent since the last lease. */
  #spent = 0;
  /** How often. */
  #takes = 0;
  #leasedMs = -Infinity;
  #known: { readonly atMs: number; readonly balance: number; readonly refillAtMs: number } | undefined;

  constructor(limit: LiveCredits) {
    this.#limit = limit;
  }

  get id(): string {
    return this.#limit.ledgerId;
  }

  get max(): number {
    return this.#limit.rule.initial;
  }

  /** The limit as a verification sees it. */
  adopt(limit: LiveCredits): void {
    this.#limit = limit;
  }

  available(_nowMs: number, sinceMs: number): number {
    if (this.#sinceMs < sinceMs) this.renounce();
    return this.#credits;
  }

  take(cost: number): void {
    this.#credits -= cost;
    this.#spent += cost;
    this.#takes += 1;
    if (this.#credits === 0) this.#sinceMs = Infinity;
  }

  deniedMs(cost: number, nowMs: number, sinceMs: number): number | undefined {
    return this.#denial.ofMs(cost - this.#credits, nowMs, sinceMs);
  }

  isLow(): boolean {
    return this.#takes >= TAKES_MIN && this.#credits * 4 <= this.#spent && !this.#denial.isKnown();
  }

  remaining(): number {
    return this.#credits + (this.#known?.balance ?? 0);
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  isKnownSince(sinceMs: number): boolean {
    return this.#known !== undefined && this.#known.atMs >= sinceMs;
  }

  resetMs(nowMs: number): number | undefined {
    const leftMs = (this.#known?.refillAtMs ?? Infinity) - nowMs;
    return leftMs > 0 && leftMs !== Infinity ? leftMs : undefined;
  }

  renounce(): void {
    this.#overtaken = true;
    this.#returns += this.#credits;
    this.#credits = 0;
    this.#sinceMs = Infinity;
    this.#denial = createDenial();
    this.#known = undefined;
  }

  get hasReturns(): boolean {
    return this.#returns > 0;
  }

  rest(nowMs: number): void {
    if (this.#credits > 0 && nowMs - this.#leasedMs > IDLE_MS) this.renounce();
  }

  /**
   * What to ask the ledger. What goes back with it is gone from here: see RateAllowance.lease.
   * @param needed see `missingOf`
   * @param wanted likewise
   */
  lease(needed: number, wanted: number, nowMs: number): CreditLease {
    const looks = wanted === 0;
    const { need, demand } = missingOf(needed, wanted, this.#credits);
    const returned = this.#returns;
    this.#returns = 0;
    this.#overtaken = false;
    const elapsedMs = Math.max(1, nowMs - this.#leasedMs);
    // At most twice what was spent since: so the measure finds its way up, too.
    const usual = Math.ceil(this.#spent * Math.min(DEMAND_MS / elapsedMs, 2));
    if (!looks) {
      this.#leasedMs = nowMs;
      this.#spent = 0;
      this.#takes = 0;
    }
    const { rule, ledgerId } = this.#limit;
    return {
      id: ledgerId,
      initial: rule.initial,
      refill: rule.refill,
      need,
      demand,
      want: looks ? 0 : Math.max(demand, usual),
      returned,
      generation: this.#generation,
    };
  }

  /** Takes in what the ledger answered to a lease that was sent at a time. */
  settle({ need }: CreditLease, grant: CreditGrant, sentMs: number): void {
    const { granted, balance, generation, refillMs } = grant;
    if (generation !== this.#generation) {
      // What is here was leased before the balance was set.
      this.#credits = 0;
      this.#returns = 0;
      this.#sinceMs = Infinity;
      this.#generation = generation;
    }
    this.#known = { atMs: sentMs, balance, refillAtMs: refillMs === null ? Infinity : sentMs + refillMs };
    if (balance < need && granted === 0) this.#denial.learn(need, sentMs, refillMs);
    if (granted === 0) return;
    this.#denial.forgive();
    if (this.#overtaken) {
      this.#returns += granted;
      return;
    }
    this.#credits += granted;
    this.#sinceMs = Math.min(this.#sinceMs, sentMs);
  }

  /** Takes back what a lease would have given back that never reached the ledger. */
  restore({ returned, generation }: CreditLease): void {
    if (generation === this.#generation) this.#returns += returned;
  }
}
