import { CREDITS_MAX } from '../../../core/limit.ts';
import type {
  AdjustCreditsRequest,
  LimitState,
  LimitSubject as LimitSubjectMessage,
  SetLimitOverrideRequest,
} from '../../../proto/gen/latchkey/v1/limit_service.ts';
import type { LimitReading } from '../../lifecycle/limit-status.ts';
import { OVERRIDE_MAX_MS, type LimitSubject } from '../../lifecycle/limits.ts';
import type { CreditChange } from '../../lifecycle/ports.ts';
import type { Fields } from './fields.ts';
import { LimitStatusOfState } from './limit-status.ts';
import { toLimit, toLimitOverride } from './limit.ts';
import { readOwnerId } from './owner.ts';

/** Whose limits are meant. */
export function readSubject(fields: Fields, message: LimitSubjectMessage | undefined): LimitSubject {
  const subject = message?.subject;
  switch (subject?.$case) {
    case 'keyId':
      return { kind: 'KEY', id: fields.keyId('subject.key_id', subject.value) };
    case 'owner': {
      const { keyspaceId, id } = subject.value;
      return {
        kind: 'OWNER',
        keyspaceId: fields.keyspaceId('subject.owner.keyspace_id', keyspaceId),
        id: readOwnerId(fields, 'subject.owner.id', id),
      };
    }
    default:
      fields.refuse('subject', 'must be one of key_id and owner');
      return { kind: 'KEY', id: '' };
  }
}

/** What to do with a balance. */
export function readCreditChange(fields: Fields, change: AdjustCreditsRequest['change']): CreditChange {
  switch (change?.$case) {
    case 'add':
      return { kind: 'ADD', amount: fields.amount('add', change.value, 1, CREDITS_MAX) };
    case 'take':
      return { kind: 'TAKE', amount: fields.amount('take', change.value, 1, CREDITS_MAX) };
    case 'set':
      return { kind: 'SET', amount: fields.amount('set', change.value, 0, CREDITS_MAX) };
    default:
      fields.refuse('change', 'must be one of add, take and set');
      return { kind: 'ADD', amount: 0 };
  }
}

/** Until when an override holds. */
export function readUntil(
  fields: Fields,
  until: SetLimitOverrideRequest['until'],
): { readonly endTimeMs: number | undefined; readonly ttlMs: number | undefined } {
  if (until === undefined) fields.refuse('until', 'must be one of end_time and ttl');
  return {
    endTimeMs: until?.$case === 'endTime' ? fields.time('end_time', until.value) : undefined,
    ttlMs: until?.$case === 'ttl' ? fields.wholeSpan('ttl', until.value, 1000, OVERRIDE_MAX_MS) : undefined,
  };
}

export function toLimitState({
  limit,
  policyId,
  override,
  max,
  remaining,
  resetTimeMs,
}: LimitReading): LimitState {
  return {
    limit: toLimit(limit),
    status: new LimitStatusOfState({
      limit,
      max,
      remaining,
      resetTimeMs: resetTimeMs ?? undefined,
      refused: false,
    }),
    policyId,
    override: override === undefined ? undefined : toLimitOverride(override),
  };
}
