import type { ServiceImplementation } from 'nice-grpc';
import { RATE_MAX } from '../../core/limit.ts';
import type { LimitServiceDefinition, LimitSubject } from '../../proto/gen/latchkey/v1/limit_service.ts';
import type { Ledger } from '../budgets/ports.ts';
import type { Caller } from '../callers/caller.ts';
import { getLimitStatus } from '../lifecycle/limit-status.ts';
import {
  adjustCredits,
  clearLimitOverride,
  setLimitOverride,
  type LimitTarget,
} from '../lifecycle/limits.ts';
import type { Mutate } from '../lifecycle/mutation.ts';
import type { Repositories } from '../lifecycle/ports.ts';
import { toEffect } from './convert/effect.ts';
import { readFields, type Fields } from './convert/fields.ts';
import { LIMIT_NAME_MAX, toLimitOverride } from './convert/limit.ts';
import { readCreditChange, readSubject, readUntil, toLimitState } from './convert/limit-use.ts';
import { readNote } from './convert/target.ts';
import type { CallerContext } from './middleware.ts';

/** LimitService: convert, command, convert. */
export function createLimitService(options: {
  readonly store: Repositories;
  /** What is counted. */
  readonly ledger: Ledger;
  readonly mutate: Mutate;
  readonly nowMs: () => number;
}): ServiceImplementation<LimitServiceDefinition, CallerContext> {
  const { mutate } = options;

  return {
    async getLimitStatus(message, { caller }) {
      const fields = readFields();
      const subject = readSubject(fields, message.subject);
      fields.finish();
      const readings = await getLimitStatus(options, caller, subject);
      return { limits: readings.map(toLimitState) };
    },

    async adjustCredits(message, { caller }) {
      const fields = readFields();
      const request = {
        ...readLimitTarget(fields, message, caller),
        change: readCreditChange(fields, message.change),
      };
      fields.finish();
      const adjusted = await adjustCredits(mutate, request);
      return { balance: BigInt(adjusted.balance), revision: adjusted.revision, ...toEffect(adjusted) };
    },

    async setLimitOverride(message, { caller }) {
      const fields = readFields();
      const request = {
        ...readLimitTarget(fields, message, caller),
        value: fields.amount('value', message.value, 0, RATE_MAX),
        ...readUntil(fields, message.until),
      };
      fields.finish();
      const set = await setLimitOverride(mutate, request);
      return { override: toLimitOverride(set.override), revision: set.revision, ...toEffect(set) };
    },

    async clearLimitOverride(message, { caller }) {
      const fields = readFields();
      const request = readLimitTarget(fields, message, caller);
      fields.finish();
      const cleared = await clearLimitOverride(mutate, request);
      return { revision: cleared.revision, ...toEffect(cleared) };
    },
  };
}

/** Which limit a change is about, and who asks for it. */
function readLimitTarget(
  fields: Fields,
  message: {
    readonly subject: LimitSubject | undefined;
    readonly limit: string;
    readonly note: string;
    readonly wait?: boolean | undefined;
    readonly requestId: string;
  },
  caller: Caller,
): LimitTarget {
  return {
    caller,
    wait: message.wait ?? true,
    requestId: fields.requestId(message.requestId),
    subject: readSubject(fields, message.subject),
    limit: fields.text('limit', message.limit, { max: LIMIT_NAME_MAX, required: true }),
    note: readNote(fields, message.note),
  };
}
