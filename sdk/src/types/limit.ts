import type { Propagated } from './propagation.ts';

/**
 * A named limit: so many in any interval of a length (`rate`), or as many as there are credits (`credits`). What Latchkey
 * tells of leaves out what is as by default.
 */
export type Limit = RateLimit | CreditLimit;

/** What every limit has. */
export interface LimitTerms {
  /**
   * Unique among the limits that it stands with: 1 to 64 characters out of `a-z 0-9 _ -`, the first a letter. What was
   * counted belongs to the name: it is still there when a limit is taken away and set again.
   */
  readonly name: string;
  /**
   * Whether it is charged only by verifications that name it. Default: false, every verification that names no other cost
   * charges it 1.
   */
  readonly onDemand?: boolean | undefined;
  /**
   * What becomes of a verification that would have to ask the database about this limit while there is none: it fails with
   * UNAVAILABLE, or passes this limit uncounted. Default: DENY.
   */
  readonly onUnavailable?: 'DENY' | 'ALLOW' | undefined;
}

/** A limit of so many in any interval of a length, on all replicas together, wherever the interval begins. */
export interface RateLimit extends LimitTerms {
  readonly rate: Rate;
  readonly credits?: undefined;
}

/** So many in so long. */
export interface Rate {
  /** How many. 1 to 1,000,000,000. */
  readonly limit: number;
  /** The length of the interval, ms. 1 second to 30 days. With another length counting begins anew. */
  readonly windowMs: number;
}

/** A limit of as many as there are credits. */
export interface CreditLimit extends LimitTerms {
  readonly credits: Credits;
  readonly rate?: undefined;
}

/** A balance of credits. It comes into being when it is first charged or looked at. */
export interface Credits {
  /**
   * How many there are to begin with. At most 1,000,000,000,000. What it is changed to does not change a balance that is
   * there: see `limits.adjustCredits`.
   */
  readonly initial: number;
  /** How the balance grows by itself. Default: it does not. */
  readonly refill?: CreditRefill | undefined;
}

/** What is added to a balance at midnight, UTC. */
export interface CreditRefill {
  /** How many credits. 1 to 1,000,000,000,000. */
  readonly amount: number;
  readonly interval: 'DAILY' | 'WEEKLY' | 'MONTHLY';
  /**
   * On which day: of the week, 1 (Monday) to 7, or of the month, 1 to 31; in a month that is shorter, on its last.
   * Required for WEEKLY and MONTHLY, and for them only.
   */
  readonly day?: number | undefined;
  /**
   * A refill does not raise the balance above this; equal to `amount` it makes it whole again. 1 to 1,000,000,000,000.
   * Default: whatever is left is kept.
   */
  readonly maxBalance?: number | undefined;
}

/** Another number for a rate limit, for a time. */
export interface LimitOverride {
  /** The name of the limit. */
  readonly limit: string;
  /** How many it allows until then. */
  readonly value: number;
  /** When the limit's own number holds again. */
  readonly endTime: Date;
}

/** Who shares a limit: one key has it for itself, or all keys of an owner share it. */
export type LimitScope = 'KEY' | 'OWNER';

/** What is left of a limit. What other replicas hold in advance counts as used. */
export interface LimitStatus {
  /** The name of the limit. */
  readonly name: string;
  /** How much it allows: in any window; of credits, how many there were to begin with. */
  readonly limit: number;
  /** How much of it is left, as far as the replica that answered knows. */
  readonly remaining: number;
  /**
   * When it is whole again, if nothing more is charged; of credits, when they are refilled. null: it is whole, or is never
   * refilled.
   */
  readonly resetTime: Date | null;
  /** Whether it belongs to the key or to its owner. */
  readonly scope: LimitScope;
  /** Whether it is why a verification was refused. */
  readonly refused: boolean;
  /** The length of its window, ms; null: it is a balance of credits. */
  readonly windowMs: number | null;
}

/** Whose limits: those that a key has for itself, or those that the keys of an owner share. */
export type LimitSubject =
  | {
      /** `key_…` */
      readonly keyId: string;
      readonly keyspaceId?: undefined;
      readonly ownerId?: undefined;
    }
  | {
      /** The keyspace of the owner, `ks_…`. */
      readonly keyspaceId: string;
      /** The id of the owner. At most 256 characters. */
      readonly ownerId: string;
      readonly keyId?: undefined;
    };

/** A limit and what is left of it. */
export interface LimitState {
  /** The limit, as it is set. */
  readonly limit: Limit;
  /** How much is left. */
  readonly status: LimitStatus;
  /** The policy that the limit comes from, `pol_…`; null: none. */
  readonly policyId: string | null;
  /** The number that holds instead of the limit's own; null: none. */
  readonly override: LimitOverride | null;
}

/** What to do with a balance: one of the three. */
export type CreditChange =
  | {
      /** Adds so many. 1 to 1,000,000,000,000. */
      readonly add: number;
      readonly take?: undefined;
      readonly set?: undefined;
    }
  | {
      /**
       * Takes so many; more than there are is refused. Credits that replicas hold in advance are not there; they come back
       * within seconds of the last charge. 1 to 1,000,000,000,000.
       */
      readonly take: number;
      readonly add?: undefined;
      readonly set?: undefined;
    }
  | {
      /** Makes the balance this, whatever it was. At most 1,000,000,000,000. */
      readonly set: number;
      readonly add?: undefined;
      readonly take?: undefined;
    };

/** Another number for a rate limit, until a time or for so long. */
export type NewLimitOverride = {
  /** How many it allows until then. 0 to 1,000,000,000; 0 stops all that is charged. */
  readonly value: number;
} & (
  | {
      /** Until when: in the future, at most 366 days from now. */
      readonly endTime: Date;
      readonly ttlMs?: undefined;
    }
  | {
      /** How long from now, ms. 1 second to 366 days. */
      readonly ttlMs: number;
      readonly endTime?: undefined;
    }
);

/** A balance after a change. */
export interface AdjustedCredits extends Propagated {
  /** The credits that are there, besides those that replicas hold in advance. */
  readonly balance: number;
  /** The position of the change in the change log; see `VerifyRequest.minRevision`. */
  readonly revision: string;
  /** No verification that starts after this time, on any replica, spends what was taken. */
  readonly effectiveTime: Date;
}

/** A rate limit after its number was restored. */
export interface ClearedOverride extends Propagated {
  /** The position of the change in the change log; see `VerifyRequest.minRevision`. */
  readonly revision: string;
  /** No verification that starts after this time, on any replica, goes by the number from before the change. */
  readonly effectiveTime: Date;
}

/** A rate limit after it was given another number. */
export interface ChangedOverride extends ClearedOverride {
  readonly override: LimitOverride;
}
