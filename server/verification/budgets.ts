import type { LiveLimit } from '../../core/limit.ts';

/** An amount to take from the limits of a name. */
export interface Charge {
  readonly limit: string;
  /** 0 to COST_MAX; 0 looks without taking. */
  readonly cost: number;
}

/** The state of one limit after a verification. */
export interface LimitState {
  readonly limit: LiveLimit;
  /** How much it allows now; of credits, the initial balance. */
  readonly max: number;
  /** What is left, as far as this process knows. */
  readonly remaining: number;
  /** When it is whole again or refilled, ms since 1970; undefined: it is, or never. */
  readonly resetTimeMs: number | undefined;
  /** Whether it is why the charge was refused. */
  readonly refused: boolean;
}

/** What became of a charge. */
export interface ChargeOutcome {
  /** undefined: all was taken, or would have been. */
  readonly refusal: 'RATE_LIMITED' | 'CREDITS_EXHAUSTED' | undefined;
  /** With RATE_LIMITED: when it is worth trying again, ms; undefined: never, the cost is more than the limit. */
  readonly retryAfterMs: number | undefined;
  readonly states: readonly LimitState[];
}

/** Takes from limits: from all that a verification charges, or from none. */
export interface Budgets {
  /**
   * The outcome, if memory suffices; undefined: the ledger has to be asked, and nothing was taken. Synchronous, no I/O.
   * @param charges at most one a name; what they do not name costs 1, or nothing if it is on demand
   * @param checkOnly takes nothing
   * @throws Fault INVALID_FIELD for a charge of a limit that is not there
   */
  tryCharge(
    limits: readonly LiveLimit[],
    charges: readonly Charge[],
    checkOnly: boolean,
  ): ChargeOutcome | undefined;
  /** The outcome. @throws Fault as above, and DATABASE_UNAVAILABLE */
  charge(
    limits: readonly LiveLimit[],
    charges: readonly Charge[],
    checkOnly: boolean,
  ): Promise<ChargeOutcome>;
}
