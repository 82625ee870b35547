import {
  CREDITS_MAX,
  LIMIT_NAME_PATTERN,
  LIMIT_NAME_SHAPE,
  LIMITS_MAX,
  RATE_MAX,
  WINDOW_MAX_MS,
  WINDOW_MIN_MS,
  type CreditRefill,
  type CreditRule,
  type Limit,
  type LimitOverride,
  type RateRule,
} from '../../../core/limit.ts';
import { isOverrideLive } from '../../../core/live-limits.ts';
import {
  OnUnavailable,
  RefillInterval,
  type CreditLimit,
  type CreditRefill as CreditRefillMessage,
  type Limit as LimitMessage,
  type LimitOverride as LimitOverrideMessage,
} from '../../../proto/gen/latchkey/v1/key.ts';
import type { Fields } from './fields.ts';
import { toDuration, toTimestamp } from './times.ts';

export const LIMIT_NAME_MAX = 64;

/** The limits of a key, a policy or an owner. */
export function readLimits(
  fields: Fields,
  field: string,
  messages: readonly LimitMessage[],
): readonly Limit[] {
  if (messages.length > LIMITS_MAX) {
    fields.refuse(field, `must have at most ${LIMITS_MAX} entries, has ${messages.length}`);
    return [];
  }
  const names = new Set<string>();
  return messages.map((message, index) => {
    const at = `${field}[${index}]`;
    if (names.has(message.name)) fields.refuse(`${at}.name`, 'must be unique in its list');
    else names.add(message.name);
    return {
      name: fields.text(`${at}.name`, message.name, {
        max: LIMIT_NAME_MAX,
        required: true,
        pattern: LIMIT_NAME_PATTERN,
        shape: LIMIT_NAME_SHAPE,
      }),
      rule: readRule(fields, at, message.kind),
      onDemand: message.onDemand,
      onUnavailable: readOnUnavailable(fields, `${at}.on_unavailable`, message.onUnavailable),
    };
  });
}

function readRule(fields: Fields, at: string, kind: LimitMessage['kind']): RateRule | CreditRule {
  switch (kind?.$case) {
    case 'rate':
      return {
        kind: 'RATE',
        limit: fields.amount(`${at}.rate.limit`, kind.value.limit, 1, RATE_MAX),
        windowMs: fields.wholeSpan(`${at}.rate.window`, kind.value.window, WINDOW_MIN_MS, WINDOW_MAX_MS),
      };
    case 'credits':
      return readCredits(fields, `${at}.credits`, kind.value);
    default:
      fields.refuse(at, 'must be one of rate and credits');
      return { kind: 'CREDITS', initial: 0, refill: null };
  }
}

function readCredits(fields: Fields, at: string, { initial, refill }: CreditLimit): CreditRule {
  return {
    kind: 'CREDITS',
    initial: fields.amount(`${at}.initial`, initial, 0, CREDITS_MAX),
    refill: refill === undefined ? null : readRefill(fields, `${at}.refill`, refill),
  };
}

/** How often a balance is refilled, and the days that can be chosen. */
const INTERVALS = new Map<
  number,
  { readonly interval: CreditRefill['interval']; readonly dayMin: number; readonly dayMax: number }
>([
  [RefillInterval.REFILL_INTERVAL_DAILY, { interval: 'DAILY', dayMin: 0, dayMax: 0 }],
  [RefillInterval.REFILL_INTERVAL_WEEKLY, { interval: 'WEEKLY', dayMin: 1, dayMax: 7 }],
  [RefillInterval.REFILL_INTERVAL_MONTHLY, { interval: 'MONTHLY', dayMin: 1, dayMax: 31 }],
]);

function readRefill(fields: Fields, at: string, message: CreditRefillMessage): CreditRefill {
  const { day, maxBalance } = message;
  const chosen = INTERVALS.get(message.interval);
  if (chosen === undefined) {
    fields.refuse(`${at}.interval`, 'must be one of daily, weekly and monthly');
  } else if (day < chosen.dayMin || day > chosen.dayMax) {
    fields.refuse(
      `${at}.day`,
      chosen.dayMax === 0
        ? 'must be 0: it is every day'
        : `must be from ${chosen.dayMin} to ${chosen.dayMax}`,
    );
  }
  return {
    amount: fields.amount(`${at}.amount`, message.amount, 1, CREDITS_MAX),
    interval: chosen?.interval ?? 'DAILY',
    day,
    maxBalance:
      maxBalance === undefined ? null : fields.amount(`${at}.max_balance`, maxBalance, 1, CREDITS_MAX),
  };
}

function readOnUnavailable(fields: Fields, field: string, value: OnUnavailable): Limit['onUnavailable'] {
  switch (value) {
    case OnUnavailable.ON_UNAVAILABLE_ALLOW:
      return 'ALLOW';
    case OnUnavailable.ON_UNAVAILABLE_UNSPECIFIED:
    case OnUnavailable.ON_UNAVAILABLE_DENY:
      return 'DENY';
    default:
      fields.refuse(field, 'must be one of deny and allow');
      return 'DENY';
  }
}

const INTERVAL_CODES = {
  DAILY: RefillInterval.REFILL_INTERVAL_DAILY,
  WEEKLY: RefillInterval.REFILL_INTERVAL_WEEKLY,
  MONTHLY: RefillInterval.REFILL_INTERVAL_MONTHLY,
} as const;

const ON_UNAVAILABLE_CODES = {
  DENY: OnUnavailable.ON_UNAVAILABLE_DENY,
  ALLOW: OnUnavailable.ON_UNAVAILABLE_ALLOW,
} as const;

export function toLimit({ name, rule, onDemand, onUnavailable }: Limit): LimitMessage {
  return { name, kind: toKind(rule), onDemand, onUnavailable: ON_UNAVAILABLE_CODES[onUnavailable] };
}

function toKind(rule: RateRule | CreditRule): NonNullable<LimitMessage['kind']> {
  if (rule.kind === 'RATE') {
    return { $case: 'rate', value: { limit: BigInt(rule.limit), window: toDuration(rule.windowMs) } };
  }
  return {
    $case: 'credits',
    value: {
      initial: BigInt(rule.initial),
      refill: rule.refill === null ? undefined : toRefill(rule.refill),
    },
  };
}

function toRefill({ amount, interval, day, maxBalance }: CreditRefill): CreditRefillMessage {
  return {
    amount: BigInt(amount),
    interval: INTERVAL_CODES[interval],
    day,
    maxBalance: maxBalance === null ? undefined : BigInt(maxBalance),
  };
}

export function toLimitOverride({ limit, value, endTimeMs }: LimitOverride): LimitOverrideMessage {
  return { limit, value: BigInt(value), endTime: toTimestamp(endTimeMs) };
}

/** The overrides that hold at a time. */
export function toLimitOverrides(overrides: readonly LimitOverride[], nowMs: number): LimitOverrideMessage[] {
  return overrides.filter((override) => isOverrideLive(override, nowMs)).map(toLimitOverride);
}
