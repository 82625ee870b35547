/** Who has taken fewer times since the last lease is in no hurry for the next one: see `Allowance.isLow`. */
export const TAKES_MIN = 4;

/**
 * How much to ask the ledger for: see `RateLease.need` and `RateLease.demand`.
 * @param needed what the first of those who wait would spend; 0: nobody waits
 * @param wanted what all of them would spend, or more; 0: they only look
 * @param held what is here
 */
export function missingOf(
  needed: number,
  wanted: number,
  held: number,
): { readonly need: number; readonly demand: number } {
  if (wanted === 0) return { need: Math.max(0, needed - held), demand: 0 };
  const need = Math.max(1, needed - held);
  return { need, demand: Math.max(need, wanted - held) };
}

/** What one process may spend of a limit without asking the ledger. Times are of the monotonic clock. */
export interface Allowance {
  /** How much the limit allows; of credits, the initial balance. */
  readonly max: number;
  /**
   * How much may be spent now.
   * @param sinceMs only what was asked for after this, where a change could have made it void; what was before goes back
   */
  available(nowMs: number, sinceMs: number): number;
  /** Spends what is available. */
  take(cost: number): void;
  /**
   * Whether it is known that the ledger has not what is missing; then when to ask again for it, ms from now; Infinity: it
   * never will.
   * @param sinceMs see Denial.ofMs
   */
  deniedMs(cost: number, nowMs: number, sinceMs: number): number | undefined;
  /** Whether the ledger should be asked before all is spent. */
  isLow(): boolean;
  /** Whether the ledger has told what is left. */
  readonly isKnown: boolean;
  /** Whether it has since a time. */
  isKnownSince(sinceMs: number): boolean;
  /** How much is left, here and in the ledger, as far as is known. */
  remaining(nowMs: number): number;
  /** When the limit is whole again or refilled, ms from now; undefined: it is, or never, or it is not known. */
  resetMs(nowMs: number): number | undefined;
  /** Gives up all that is held: it goes back with the next lease. What was refused may be there now. */
  renounce(): void;
  /** Gives up what was held for long enough. */
  rest(nowMs: number): void;
  /** Whether something waits to go back. */
  readonly hasReturns: boolean;
}
