import { defined } from './convert/defined.ts';
import { fromEffect } from './convert/effect.ts';
import {
  fromLimitOverride,
  fromLimitState,
  toCreditChange,
  toLimitOverride,
  toLimitSubject,
} from './convert/limit.ts';
import { unexpectedResponse } from './errors.ts';
import type { Connection } from './transport/connection.ts';
import { newNarrowingRequest } from './transport/requests.ts';
import type { CallOptions, LimitOptions } from './types/call.ts';
import type {
  AdjustedCredits,
  ChangedOverride,
  ClearedOverride,
  CreditChange,
  LimitState,
  LimitSubject,
  NewLimitOverride,
} from './types/limit.ts';

/**
 * Limits in use. What limits there are is said by the keys, policies and owners that have them. A key or owner of a
 * keyspace that the root token may not touch is NOT_FOUND.
 *
 * Every method is rejected with a LatchkeyError; changes with NOT_FOUND, reason LIMIT_NOT_FOUND, if the key or owner has
 * no limit of that name.
 */
export interface Limits {
  /**
   * How much is left of each limit that a key or owner has for itself, by their names; of a key also of those of its
   * owner, after them. Scope `keys:read`.
   */
  status(subject: LimitSubject, options?: CallOptions): Promise<readonly LimitState[]>;
  /**
   * Adds to a balance, takes from it or sets it. Scope `keys:write`. FAILED_PRECONDITION, reason NOT_CREDITS, if it is a
   * rate limit; CREDITS_INSUFFICIENT, with the `balance` in the metadata, if more is to be taken than is there;
   * BALANCE_TOO_LARGE, if it would be more than 1,000,000,000,000,000.
   */
  adjustCredits(
    subject: LimitSubject,
    limit: string,
    change: CreditChange,
    options?: LimitOptions,
  ): Promise<AdjustedCredits>;
  /**
   * Gives a rate limit of a key or owner another number, for a time; also a limit that a key has by a policy, for this key
   * alone. An earlier override of the limit is replaced. Scope `keys:write`. FAILED_PRECONDITION, reason NOT_A_RATE_LIMIT,
   * if it is a balance.
   */
  setOverride(
    subject: LimitSubject,
    limit: string,
    override: NewLimitOverride,
    options?: LimitOptions,
  ): Promise<ChangedOverride>;
  /** Ends an override before its time. There need not be one. Scope `keys:write`. */
  clearOverride(subject: LimitSubject, limit: string, options?: LimitOptions): Promise<ClearedOverride>;
}

/** @internal */
export function createLimits({ limits, call }: Connection): Limits {
  return {
    async status(subject, options = {}) {
      const request = { subject: toLimitSubject(subject) };
      const answer = await call(limits.getLimitStatus, request, options);
      return answer.limits.map(fromLimitState);
    },

    async adjustCredits(subject, limit, change, options = {}) {
      const request = { ...target(subject, limit, options), change: toCreditChange(change) };
      const answer = await call(limits.adjustCredits, request, options);
      const { balance, revision } = answer;
      return { balance: Number(balance), revision, ...fromEffect(answer) };
    },

    async setOverride(subject, limit, override, options = {}) {
      const request = { ...target(subject, limit, options), ...toLimitOverride(override) };
      const answer = await call(limits.setLimitOverride, request, options);
      if (answer.override === undefined) throw unexpectedResponse('no override');
      const { revision } = answer;
      return { override: fromLimitOverride(answer.override), revision, ...fromEffect(answer) };
    },

    async clearOverride(subject, limit, options = {}) {
      const request = target(subject, limit, options);
      const answer = await call(limits.clearLimitOverride, request, options);
      return { revision: answer.revision, ...fromEffect(answer) };
    },
  };
}

/** What every change says: of what, why, and how. */
function target(subject: LimitSubject, limit: string, options: LimitOptions) {
  return {
    subject: toLimitSubject(subject),
    limit,
    ...defined({ note: options.note }),
    ...newNarrowingRequest(options),
  };
}
