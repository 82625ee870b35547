import type { CreditRefill } from '../../core/limit.ts';

/** Unspent tokens of a rate limit that go back, each time under the label that they were leased with. */
export interface LabelledTokens {
  readonly label: number;
  readonly count: number;
}

/** Asks for tokens of one rate limit. */
export interface RateLease {
  /** See `ledgerId`. No two leases of a batch have the same. */
  readonly id: string;
  /** How many it allows in any window. */
  readonly limit: number;
  /** The length of the window, ms. */
  readonly windowMs: number;
  /** Another number that holds until a time by the database's clock, ms since 1970; undefined: none. */
  readonly override: { readonly value: number; readonly endTimeMs: number } | undefined;
  /** With fewer than these nothing is granted. */
  readonly need: number;
  /** How many would be spent at once: so many are granted, or what is there. */
  readonly demand: number;
  /**
   * How many are wanted, at least `need` and `demand`: those beyond them from a part of what is left, as other replicas
   * may need some. 0: nothing is to be granted, only told.
   */
  readonly want: number;
  /** How long the tokens should live at least, ms. */
  readonly lifeMs: number;
  /** What goes back first. */
  readonly returns: readonly LabelledTokens[];
}

/** What a rate limit's ledger entry answers. All spans count from the moment at which the database looked. */
export interface RateGrant {
  /** How many tokens; 0: fewer than needed were there, or none was asked for. */
  readonly granted: number;
  /** What they are counted under. */
  readonly label: number;
  /** How long they may be spent, ms. */
  readonly leftMs: number;
  /** The number that holds now: the limit's own or its override's. */
  readonly limit: number;
  /** How many are left in the ledger now. */
  readonly remaining: number;
  /** When `need` could be granted, if nothing more is leased, ms; null: never; 0: it was, or could be. */
  readonly retryMs: number | null;
  /** When nothing of what was leased counts any more, ms. */
  readonly resetMs: number;
  /** The moment by the database's clock, ms since 1970. */
  readonly timeMs: number;
}

/** Asks for credits of one balance. */
export interface CreditLease {
  /** See `ledgerId`. No two leases of a batch have the same. */
  readonly id: string;
  /** What the balance begins with, if there is none yet. */
  readonly initial: number;
  readonly refill: CreditRefill | null;
  /** With fewer than these nothing is granted. */
  readonly need: number;
  /** How many would be spent at once: so many are granted, or what is there. */
  readonly demand: number;
  /**
   * How many are wanted, at least `need` and `demand`: those beyond them from a part of what is left, as other replicas
   * may need some. 0: nothing is to be granted, only told.
   */
  readonly want: number;
  /** How many go back first. They are taken only if the balance was not set since: see `generation`. */
  readonly returned: number;
  /** Of which generation those are. */
  readonly generation: number;
}

/** What a balance's ledger entry answers. */
export interface CreditGrant {
  /** How many credits; 0: fewer than needed were there, or none was asked for. */
  readonly granted: number;
  /** How many are left in the ledger now. */
  readonly balance: number;
  /** Another one each time that the balance is set or made anew: what was leased before counts no more. */
  readonly generation: number;
  /** When the balance is refilled next, ms from the moment at which the database looked; null: never. */
  readonly refillMs: number | null;
}

/** A call that the ledger has certainly not done: there was no connection to it. */
export class LedgerUnreached extends Error {
  override readonly name = 'LedgerUnreached';

  constructor(cause: unknown) {
    super('there is no connection to the ledger', { cause });
  }
}

/**
 * The truth about limits. What it grants is committed, and survives any crash, before it answers.
 *
 * A call that fails may have been done or not, unless it fails with LedgerUnreached. What it returned must then never be
 * returned again, and what it would have granted never be spent.
 */
export interface Ledger {
  /** Answers in the order of the leases. @throws when the database does not answer in time */
  leaseRates(leases: readonly RateLease[]): Promise<readonly RateGrant[]>;
  /** Likewise. */
  leaseCredits(leases: readonly CreditLease[]): Promise<readonly CreditGrant[]>;
}
