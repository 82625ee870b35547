import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import type { KeyspaceRecord } from '../../../core/key.ts';
import { allowedExpiry } from '../../../server/lifecycle/key-rules.ts';
import { CREATE_TIME_MS, KEYSPACE_ID } from '../support/issue-key.ts';

const NOW_MS = 1_000_000;
const HOUR_MS = 3_600_000;

function keyspace(
  defaultTtlMs: number | null,
  maxTtlMs: number | null,
  requireExpiry: boolean,
): KeyspaceRecord {
  return {
    id: KEYSPACE_ID,
    slug: 'acme',
    tokenPrefix: 'acme',
    displayName: '',
    defaultTtlMs,
    maxTtlMs,
    requireExpiry,
    apis: [],
    createTimeMs: CREATE_TIME_MS,
    updateTimeMs: CREATE_TIME_MS,
    version: 1,
  };
}

/** The lifetime that is granted, ms; `never`, or `refused`. */
function granted(
  rules: KeyspaceRecord,
  wantedTtlMs: number | null | undefined,
): number | 'never' | 'refused' {
  const wanted = typeof wantedTtlMs === 'number' ? NOW_MS + wantedTtlMs : wantedTtlMs;
  try {
    const expireTimeMs = allowedExpiry(rules, wanted, NOW_MS, 'ttl');
    return expireTimeMs === null ? 'never' : expireTimeMs - NOW_MS;
  } catch (error) {
    if (error instanceof Fault && error.violations.every(({ field }) => field === 'ttl')) return 'refused';
    throw error;
  }
}

const free = keyspace(null, null, false);
const withDefault = keyspace(HOUR_MS, null, false);
const bounded = keyspace(null, 2 * HOUR_MS, false);
const both = keyspace(HOUR_MS, 2 * HOUR_MS, false);
const required = keyspace(null, null, true);
const requiredWithDefault = keyspace(HOUR_MS, null, true);

describe('asked for nothing', () => {
  test.each([
    ['free', free, 'never'],
    ['with a default', withDefault, HOUR_MS],
    ['bounded', bounded, 'refused'],
    ['with a default and a bound', both, HOUR_MS],
    ['that requires expiry', required, 'refused'],
    ['that requires expiry and has a default', requiredWithDefault, HOUR_MS],
  ] as const)('a keyspace %s gives %j', (_what, rules, expected) => {
    expect(granted(rules, undefined)).toBe(expected);
  });
});

describe('asked for a key that never expires', () => {
  test.each([
    ['free', free, 'never'],
    ['with a default', withDefault, 'never'],
    ['bounded', bounded, 'refused'],
    ['with a default and a bound', both, 'refused'],
    ['that requires expiry', required, 'refused'],
    ['that requires expiry and has a default', requiredWithDefault, 'refused'],
  ] as const)('a keyspace %s gives %j', (_what, rules, expected) => {
    expect(granted(rules, null)).toBe(expected);
  });
});

describe('asked for a time', () => {
  test.each([
    ['free', free, 1, 1],
    ['free', free, 1_000_000 * HOUR_MS, 1_000_000 * HOUR_MS],
    ['free', free, 0, 'refused'],
    ['free', free, -1, 'refused'],
    ['free', free, -NOW_MS, 'refused'],
    ['with a default', withDefault, 5 * HOUR_MS, 5 * HOUR_MS],
    ['with a default', withDefault, 0, 'refused'],
    ['bounded', bounded, 2 * HOUR_MS, 2 * HOUR_MS],
    ['bounded', bounded, 2 * HOUR_MS + 1, 'refused'],
    ['with a default and a bound', both, 2 * HOUR_MS, 2 * HOUR_MS],
    ['with a default and a bound', both, 2 * HOUR_MS + 1, 'refused'],
    ['that requires expiry', required, 1, 1],
    ['that requires expiry', required, -1, 'refused'],
  ] as const)('a keyspace %s asked for %4$j gives %j', (_what, rules, wanted, expected) => {
    expect(granted(rules, wanted)).toBe(expected);
  });

  test('the refusal names the field that the caller used', () => {
    expect(() => allowedExpiry(bounded, NOW_MS + 3 * HOUR_MS, NOW_MS, 'key.expire_time')).toThrow(
      'key.expire_time: keys of this keyspace live at most 7200 s from now',
    );
  });
});
