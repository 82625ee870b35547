import { invalidFields, type FieldViolation } from '../../../core/fault.ts';
import { isId } from '../../../core/ids.ts';
import { ROOT_KEYSPACE_ID } from '../../../core/key.ts';
import { parseToken, TOKEN_BODY_LENGTH, TOKEN_PREFIX_MAX } from '../../../core/token.ts';
import type { Duration } from '../../../proto/gen/google/protobuf/duration.ts';

/** More than these are not worth sending. */
const VIOLATIONS_MAX = 20;

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const POLICY_ID = 'must be a policy id: `pol_` and 16 letters and digits';
/** The underscore before what could be the body of a token. */
const BODY_START = new RegExp(`_(?=[0-9A-Za-z]{${TOKEN_BODY_LENGTH}})`, 'g');

const SECOND_MS = 1000;
const YEAR_10000_MS = Date.UTC(10_000, 0);
/** The longest lifetime, 100 years of 365 days, ms. */
const TTL_MAX_MS = 100 * 365 * 24 * 60 * 60 * SECOND_MS;

/** Bounds of a text. */
export interface TextBounds {
  /** The most characters. */
  readonly max: number;
  readonly required?: boolean;
  /** Whether it may hold line breaks and tabs. */
  readonly multiline?: boolean;
  readonly pattern?: RegExp;
  /** What the pattern means, for people. */
  readonly shape?: string;
  /** Says what else is wrong with a text, as the end of a sentence. */
  readonly fault?: (value: string) => string | undefined;
}

/** Reads the fields of one request and collects all that is wrong with them, to be told at once. */
export interface Fields {
  refuse(field: string, description: string): void;
  text(field: string, value: string, bounds: TextBounds): string;
  /** A list of texts without duplicates, each not empty. */
  texts(
    field: string,
    values: readonly string[],
    bounds: TextBounds & { readonly countMax: number },
  ): readonly string[];
  keyId(field: string, value: string): string;
  keyspaceId(field: string, value: string): string;
  policyId(field: string, value: string): string;
  /** A list of ids of one kind without duplicates. */
  ids(field: string, kind: 'policy', values: readonly string[], countMax: number): readonly string[];
  /** Empty, or a UUID. */
  requestId(value: string): string;
  /** A time before the year 10000, ms since 1970. */
  time(field: string, value: Date | undefined): number | undefined;
  /** A lifetime of 1 second to 100 years, ms. */
  ttl(field: string, value: Duration | undefined): number | undefined;
  /** A span from nothing to `maxMs`, ms; absent: 0. */
  span(field: string, value: Duration | undefined, maxMs: number): number;
  /** A span in whole milliseconds that must be given, ms. */
  wholeSpan(field: string, value: Duration | undefined, minMs: number, maxMs: number): number;
  /** How many: a whole number of less than 2^53. */
  amount(field: string, value: bigint, min: number, max: number): number;
  /** 1 to 1000; 0 stands for 50. */
  pageSize(value: number): number;
  /** @throws Fault INVALID_FIELD if anything was wrong */
  finish(): void;
}

export function readFields(): Fields {
  const violations: FieldViolation[] = [];

  function refuse(field: string, description: string): void {
    if (violations.length < VIOLATIONS_MAX) violations.push({ field, description });
  }

  function text(field: string, value: string, bounds: TextBounds): string {
    const fault = textFault(value, bounds);
    if (fault !== undefined) refuse(field, fault);
    return value;
  }

  return {
    refuse,
    text,

    texts(field, values, { countMax, ...bounds }) {
      const unique = [...new Set(values)];
      if (unique.length > countMax) {
        refuse(field, `must have at most ${countMax} entries, has ${unique.length}`);
        return unique;
      }
      values.forEach((value, index) => text(`${field}[${index}]`, value, { ...bounds, required: true }));
      return unique;
    },

    // Ids are not told back: a token that was put in their place would be told with them.
    keyId(field, value) {
      if (!isId('key', value)) refuse(field, 'must be a key id: `key_` and 16 letters and digits');
      return value;
    },
    keyspaceId(field, value) {
      if (value !== ROOT_KEYSPACE_ID && !isId('keyspace', value)) {
        refuse(field, 'must be a keyspace id: `ks_` and 16 letters and digits');
      }
      return value;
    },
    policyId(field, value) {
      if (!isId('policy', value)) refuse(field, POLICY_ID);
      return value;
    },
    ids(field, kind, values, countMax) {
      const unique = [...new Set(values)];
      if (unique.length > countMax) {
        refuse(field, `must have at most ${countMax} entries, has ${unique.length}`);
        return [];
      }
      values.forEach((value, index) => {
        if (!isId(kind, value)) refuse(`${field}[${index}]`, POLICY_ID);
      });
      return unique;
    },
    requestId(value) {
      if (value !== '' && !UUID.test(value)) refuse('request_id', 'must be a UUID, or empty');
      return value;
    },

    time(field, value) {
      const timeMs = value?.getTime();
      if (timeMs !== undefined && !(timeMs >= 0 && timeMs < YEAR_10000_MS)) {
        refuse(field, 'must be a time from 1970 to the year 9999');
        return undefined;
      }
      return timeMs;
    },
    ttl(field, value) {
      if (value === undefined) return undefined;
      // A duration of more than 2^53 s loses digits here, and is refused all the same.
      const ttlMs = Number(value.seconds) * SECOND_MS + Math.trunc(value.nanos / 1e6);
      const isDuration = value.nanos >= 0 && value.nanos < 1e9;
      if (!isDuration || !(ttlMs >= SECOND_MS && ttlMs <= TTL_MAX_MS)) {
        refuse(field, 'must be from 1 second to 100 years (3153600000 s)');
        return undefined;
      }
      return ttlMs;
    },
    span(field, value, maxMs) {
      if (value === undefined) return 0;
      const spanMs = Number(value.seconds) * SECOND_MS + Math.trunc(value.nanos / 1e6);
      const isDuration = value.nanos >= 0 && value.nanos < 1e9;
      if (isDuration && spanMs >= 0 && spanMs <= maxMs) return spanMs;
      refuse(field, `must be from 0 to ${maxMs / SECOND_MS} s`);
      return 0;
    },
    wholeSpan(field, value, minMs, maxMs) {
      const { seconds, nanos } = value ?? { seconds: 0n, nanos: 0 };
      const spanMs = Number(seconds) * SECOND_MS + nanos / 1e6;
      const isDuration = nanos >= 0 && nanos < 1e9 && nanos % 1e6 === 0;
      if (isDuration && spanMs >= minMs && spanMs <= maxMs) return spanMs;
      refuse(field, `must be from ${minMs / SECOND_MS} to ${maxMs / SECOND_MS} s, in whole milliseconds`);
      return minMs;
    },
    amount(field, value, min, max) {
      if (value >= min && value <= max) return Number(value);
      refuse(field, `must be from ${min} to ${max}`);
      return min;
    },
    pageSize(value) {
      if (value < 0) refuse('page_size', 'must not be negative');
      return value === 0 ? 50 : Math.min(value, 1000);
    },

    finish() {
      if (violations.length > 0) throw invalidFields(violations);
    },
  };
}

/** What is wrong with a text, or undefined. */
export function textFault(
  value: string,
  { max, required, multiline, pattern, shape, fault }: TextBounds,
): string | undefined {
  if (value === '') return required === true ? 'must not be empty' : undefined;
  if (isLongerThan(value, max)) return `must have at most ${max} characters`;
  if (multiline === true ? value.includes('\0') : CONTROL.test(value))
    return 'must not hold control characters';
  // Whoever pastes a token into a name or a note has leaked it; it must not be kept.
  if (holdsToken(value)) return 'must not hold a token';
  if (pattern !== undefined && !pattern.test(value)) return `must be ${shape ?? String(pattern)}`;
  return fault?.(value);
}

/** Whether a text has more than `max` characters (code points). */
export function isLongerThan(value: string, max: number): boolean {
  // UTF-16 has one or two units a character: most texts are settled without counting.
  if (value.length <= max) return false;
  return value.length > 2 * max || Array.from(value).length > max;
}

/** Whether a token stands anywhere in a text, also with letters right before or behind it. */
export function holdsToken(value: string): boolean {
  if (value.length <= TOKEN_BODY_LENGTH) return false;
  for (const { index } of value.matchAll(BODY_START)) {
    for (let start = index - 1; start >= 0 && start >= index - TOKEN_PREFIX_MAX; start -= 1) {
      if (parseToken(value.slice(start, index + 1 + TOKEN_BODY_LENGTH)) !== undefined) return true;
    }
  }
  return false;
}
