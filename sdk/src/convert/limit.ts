import {
  OnUnavailable,
  RefillInterval,
  type CreditLimit as CreditLimitMessage,
  type CreditRefill as CreditRefillMessage,
  type Limit as LimitMessage,
  type LimitOverride as LimitOverrideMessage,
  type RateLimit as RateLimitMessage,
} from '../../../proto/gen/latchkey/v1/key.ts';
import type {
  AdjustCreditsRequest,
  DeepPartial,
  LimitState as LimitStateMessage,
  LimitSubject as LimitSubjectMessage,
  SetLimitOverrideRequest,
} from '../../../proto/gen/latchkey/v1/limit_service.ts';
import {
  LimitScope as LimitScopeCode,
  type LimitStatus as LimitStatusMessage,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { invalidArgument, unexpectedResponse } from '../errors.ts';
import type {
  CreditChange,
  CreditRefill,
  Credits,
  Limit,
  LimitOverride,
  LimitScope,
  LimitState,
  LimitStatus,
  LimitSubject,
  NewLimitOverride,
  Rate,
} from '../types/limit.ts';
import { fromDuration } from './from-duration.ts';
import { requireKnown } from './require-known.ts';
import { requireOne } from './require-one.ts';
import { requiredTime, toDuration, toTime } from './times.ts';
import { toCount } from './to-count.ts';

const LIMIT = [
  'name',
  'rate',
  'credits',
  'onDemand',
  'onUnavailable',
] as const satisfies readonly (keyof Limit)[];
const RATE = ['limit', 'windowMs'] as const satisfies readonly (keyof Rate)[];
const CREDITS = ['initial', 'refill'] as const satisfies readonly (keyof Credits)[];
const REFILL = ['amount', 'interval', 'day', 'maxBalance'] as const satisfies readonly (keyof CreditRefill)[];

const INTERVALS = {
  DAILY: RefillInterval.REFILL_INTERVAL_DAILY,
  WEEKLY: RefillInterval.REFILL_INTERVAL_WEEKLY,
  MONTHLY: RefillInterval.REFILL_INTERVAL_MONTHLY,
} as const satisfies Record<CreditRefill['interval'], RefillInterval>;

const INTERVALS_BY_CODE = new Map<number, CreditRefill['interval']>(
  Object.entries(INTERVALS).map(([interval, code]) => [code, interval as CreditRefill['interval']]),
);

const ON_UNAVAILABLE = {
  DENY: OnUnavailable.ON_UNAVAILABLE_DENY,
  ALLOW: OnUnavailable.ON_UNAVAILABLE_ALLOW,
} as const;

const SCOPES_BY_CODE = new Map<number, LimitScope>([
  [LimitScopeCode.LIMIT_SCOPE_KEY, 'KEY'],
  [LimitScopeCode.LIMIT_SCOPE_OWNER, 'OWNER'],
]);

/** The messages of limits. @throws LatchkeyError INVALID_FIELD */
export function toLimits(limits: readonly Limit[]): LimitMessage[] {
  return limits.map((limit, index) => toLimit(`limits[${index}]`, limit));
}

function toLimit(field: string, limit: Limit): LimitMessage {
  // A misspelt property would be a bound that is not there.
  requireKnown(field, limit, LIMIT);
  requireOne(field, limit, ['rate', 'credits']);
  const { name, rate, credits, onDemand = false, onUnavailable } = limit;
  return {
    name,
    kind:
      rate === undefined
        ? { $case: 'credits', value: toCredits(`${field}.credits`, credits) }
        : { $case: 'rate', value: toRate(`${field}.rate`, rate) },
    onDemand,
    onUnavailable:
      onUnavailable === undefined
        ? OnUnavailable.ON_UNAVAILABLE_UNSPECIFIED
        : codeOf(`${field}.onUnavailable`, ON_UNAVAILABLE, onUnavailable),
  };
}

function toRate(field: string, rate: Rate): RateLimitMessage {
  requireKnown(field, rate, RATE);
  return {
    limit: toCount(`${field}.limit`, rate.limit),
    window: toDuration(`${field}.windowMs`, rate.windowMs),
  };
}

function toCredits(field: string, credits: Credits): CreditLimitMessage {
  requireKnown(field, credits, CREDITS);
  const { initial, refill } = credits;
  return {
    initial: toCount(`${field}.initial`, initial),
    refill: refill === undefined ? undefined : toRefill(`${field}.refill`, refill),
  };
}

function toRefill(field: string, refill: CreditRefill): CreditRefillMessage {
  requireKnown(field, refill, REFILL);
  const { amount, interval, day = 0, maxBalance } = refill;
  return {
    amount: toCount(`${field}.amount`, amount),
    interval: codeOf(`${field}.interval`, INTERVALS, interval),
    day: toDay(`${field}.day`, day),
    ...(maxBalance === undefined ? {} : { maxBalance: toCount(`${field}.maxBalance`, maxBalance) }),
  };
}

/** A day fits into 32 bits on the wire, which a whole number need not. */
function toDay(field: string, day: number): number {
  const count = toCount(field, day);
  if (count > 31n) throw invalidArgument('INVALID_FIELD', [{ field, description: 'must be 1 to 31' }]);
  return Number(count);
}

/** The code of a name. Without types, a name may be any. @throws LatchkeyError INVALID_FIELD */
function codeOf<Name extends string, Code>(
  field: string,
  codes: Readonly<Record<Name, Code>>,
  name: Name,
): Code {
  if (Object.hasOwn(codes, name)) return codes[name];
  const description = `must be one of ${Object.keys(codes).join(', ')}`;
  throw invalidArgument('INVALID_FIELD', [{ field, description }]);
}

/** The limit of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromLimit(message: LimitMessage): Limit {
  const { name, kind, onDemand, onUnavailable } = message;
  const terms = {
    name,
    ...(onDemand ? { onDemand } : {}),
    ...(onUnavailable === OnUnavailable.ON_UNAVAILABLE_ALLOW ? { onUnavailable: 'ALLOW' as const } : {}),
  };
  if (kind?.$case === 'rate') {
    const { limit, window } = kind.value;
    return { ...terms, rate: { limit: Number(limit), windowMs: fromDuration(window) } };
  }
  if (kind?.$case === 'credits') return { ...terms, credits: fromCredits(kind.value) };
  throw unexpectedResponse('a limit of an unknown kind');
}

function fromCredits({ initial, refill }: CreditLimitMessage): Credits {
  return {
    initial: Number(initial),
    ...(refill === undefined ? {} : { refill: fromRefill(refill) }),
  };
}

function fromRefill({ amount, interval: code, day, maxBalance }: CreditRefillMessage): CreditRefill {
  const interval = INTERVALS_BY_CODE.get(code);
  if (interval === undefined) throw unexpectedResponse(`the unknown refill interval ${code}`);
  return {
    amount: Number(amount),
    interval,
    ...(day === 0 ? {} : { day }),
    ...(maxBalance === undefined ? {} : { maxBalance: Number(maxBalance) }),
  };
}

/** The override of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromLimitOverride({ limit, value, endTime }: LimitOverrideMessage): LimitOverride {
  return { limit, value: Number(value), endTime: requiredTime('end_time of an override', endTime) };
}

/** What is left, of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromLimitStatus(message: LimitStatusMessage): LimitStatus {
  const { name, limit, remaining, resetTime, refused, window } = message;
  const scope = SCOPES_BY_CODE.get(message.scope);
  if (scope === undefined) throw unexpectedResponse(`the unknown limit scope ${message.scope}`);
  return {
    name,
    limit: Number(limit),
    remaining: Number(remaining),
    resetTime: resetTime ?? null,
    scope,
    refused,
    windowMs: window === undefined ? null : fromDuration(window),
  };
}

/** The limit of a message, and what is left of it. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromLimitState({ limit, status, policyId, override }: LimitStateMessage): LimitState {
  if (limit === undefined || status === undefined) throw unexpectedResponse('a limit without its state');
  return {
    limit: fromLimit(limit),
    status: fromLimitStatus(status),
    policyId: policyId === '' ? null : policyId,
    override: override === undefined ? null : fromLimitOverride(override),
  };
}

/** The message of whose limits are meant. @throws LatchkeyError INVALID_FIELD */
export function toLimitSubject(subject: LimitSubject): LimitSubjectMessage {
  requireKnown('subject', subject, ['keyId', 'keyspaceId', 'ownerId']);
  requireOne('subject', subject, ['keyId', 'ownerId']);
  const { keyId, keyspaceId, ownerId } = subject;
  return keyId === undefined
    ? { subject: { $case: 'owner', value: { keyspaceId, id: ownerId } } }
    : { subject: { $case: 'keyId', value: keyId } };
}

/** The message of what to do with a balance. @throws LatchkeyError INVALID_FIELD */
export function toCreditChange(change: CreditChange): NonNullable<AdjustCreditsRequest['change']> {
  requireKnown('change', change, ['add', 'take', 'set']);
  requireOne('change', change, ['add', 'take', 'set']);
  const { add, take, set } = change;
  if (add !== undefined) return { $case: 'add', value: toCount('change.add', add) };
  if (take !== undefined) return { $case: 'take', value: toCount('change.take', take) };
  return { $case: 'set', value: toCount('change.set', set) };
}

/** The message of another number for a rate limit. @throws LatchkeyError INVALID_FIELD */
export function toLimitOverride(
  override: NewLimitOverride,
): DeepPartial<Pick<SetLimitOverrideRequest, 'value' | 'until'>> {
  requireKnown('override', override, ['value', 'endTime', 'ttlMs']);
  requireOne('override', override, ['endTime', 'ttlMs']);
  const endTime = toTime('override.endTime', override.endTime);
  const ttl = toDuration('override.ttlMs', override.ttlMs);
  return {
    value: toCount('override.value', override.value),
    ...(endTime === undefined ? {} : { until: { $case: 'endTime', value: endTime } }),
    ...(ttl === undefined ? {} : { until: { $case: 'ttl', value: ttl } }),
  };
}
