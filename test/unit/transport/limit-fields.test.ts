import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { newId } from '../../../core/ids.ts';
import type { Limit } from '../../../core/limit.ts';
import { newToken } from '../../../core/token.ts';
import {
  Limit as LimitMessage,
  type CreditLimit,
  type DeepPartial,
  type OnUnavailable,
  type RefillInterval,
} from '../../../proto/gen/latchkey/v1/key.ts';
import {
  AdjustCreditsRequest,
  LimitState,
  LimitSubject,
  SetLimitOverrideRequest,
} from '../../../proto/gen/latchkey/v1/limit_service.ts';
import { LimitScope } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { readFields, type Fields } from '../../../server/transport/convert/fields.ts';
import { readLimits, toLimit, toLimitOverrides } from '../../../server/transport/convert/limit.ts';
import {
  readCreditChange,
  readSubject,
  readUntil,
  toLimitState,
} from '../../../server/transport/convert/limit-use.ts';

type Message = DeepPartial<LimitMessage>;

/** The fields that a reading refuses. */
function refused(read: (fields: Fields) => unknown): readonly string[] {
  const fields = readFields();
  read(fields);
  try {
    fields.finish();
    return [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return error.violations.map(({ field }) => field);
  }
}

const read = (...messages: Message[]): readonly Limit[] =>
  readLimits(
    readFields(),
    'key.limits',
    messages.map((message) => LimitMessage.fromPartial(message)),
  );
const refusedFor = (...messages: Message[]): readonly string[] =>
  refused((fields) =>
    readLimits(
      fields,
      'key.limits',
      messages.map((message) => LimitMessage.fromPartial(message)),
    ),
  );

const rate = (limit: bigint, seconds: bigint, nanos = 0): Message => ({
  name: 'calls',
  kind: { $case: 'rate', value: { limit, window: { seconds, nanos } } },
});
type Credits = DeepPartial<CreditLimit>;
const credits = (value: Credits): Message => ({ name: 'calls', kind: { $case: 'credits', value } });
const refill = (change: Credits['refill']): Message =>
  credits({ initial: 1n, refill: { amount: 1n, interval: 1, ...change } });

const [DAYS_30_S, TRILLION, BILLION] = [2_592_000n, 1_000_000_000_000n, 1_000_000_000n];
const UINT64_MAX = 2n ** 64n - 1n;
/** What a newer version may send as the value of an enumeration. */
const OTHER: number = 9;

describe('a limit at its bounds passes, and over them is refused', () => {
  test.each<[string, Message, string, Message]>([
    ['the least rate', rate(1n, 60n), 'rate.limit', rate(0n, 60n)],
    ['the most', rate(BILLION, 60n), 'rate.limit', rate(BILLION + 1n, 60n)],
    ['the most, by far', rate(BILLION, 60n), 'rate.limit', rate(UINT64_MAX, 60n)],
    ['the shortest window', rate(1n, 1n), 'rate.window', rate(1n, 0n, 999_000_000)],
    ['the longest', rate(1n, DAYS_30_S), 'rate.window', rate(1n, DAYS_30_S, 1_000_000)],
    ['whole milliseconds', rate(1n, 1n, 1_000_000), 'rate.window', rate(1n, 1n, 1_000_001)],
    ['a duration', rate(1n, 1n, 999_000_000), 'rate.window', rate(1n, 1n, 1_000_000_000)],
    ['a duration of one sign', rate(1n, 2n), 'rate.window', rate(1n, 3n, -1_000_000_000)],
    [
      'the most credits',
      credits({ initial: TRILLION }),
      'credits.initial',
      credits({ initial: TRILLION + 1n }),
    ],
    ['no credits', credits({ initial: 0n }), 'credits.initial', credits({ initial: UINT64_MAX })],
    ['the least refill', refill({ amount: 1n }), 'credits.refill.amount', refill({ amount: 0n })],
    ['the most', refill({ amount: TRILLION }), 'credits.refill.amount', refill({ amount: TRILLION + 1n })],
    ['an interval', refill({}), 'credits.refill.interval', refill({ interval: 0 })],
    ['a known one', refill({}), 'credits.refill.interval', refill({ interval: OTHER as RefillInterval })],
    ['every day', refill({ day: 0 }), 'credits.refill.day', refill({ day: 1 })],
    ['Monday', refill({ interval: 2, day: 1 }), 'credits.refill.day', refill({ interval: 2, day: 0 })],
    ['Sunday', refill({ interval: 2, day: 7 }), 'credits.refill.day', refill({ interval: 2, day: 8 })],
    ['the 1st', refill({ interval: 3, day: 1 }), 'credits.refill.day', refill({ interval: 3, day: 0 })],
    ['the 31st', refill({ interval: 3, day: 31 }), 'credits.refill.day', refill({ interval: 3, day: 32 })],
    ['a bound', refill({ maxBalance: 1n }), 'credits.refill.max_balance', refill({ maxBalance: 0n })],
    [
      'the most',
      refill({ maxBalance: TRILLION }),
      'credits.refill.max_balance',
      refill({ maxBalance: TRILLION + 1n }),
    ],
    [
      'a name',
      { ...rate(1n, 1n), name: `a${'_'.repeat(63)}` },
      'name',
      { ...rate(1n, 1n), name: `a${'_'.repeat(64)}` },
    ],
    [
      'what to do',
      { ...rate(1n, 1n), onUnavailable: 2 },
      'on_unavailable',
      { ...rate(1n, 1n), onUnavailable: OTHER as OnUnavailable },
    ],
  ])('%s', (_what, good, field, bad) => {
    expect(refusedFor(good)).toEqual([]);
    expect(refusedFor(bad)).toEqual([`key.limits[0].${field}`]);
    // In its place in the list.
    const other = { ...rate(1n, 1n), name: 'other' };
    expect(refusedFor(other, bad)).toEqual([`key.limits[1].${field}`]);
  });

  test.each(['', 'Calls', '1st', '-a', '_a', 'a b', 'a.b', 'ä', 'a\n', newToken('acme', newId('key'))])(
    'the name %j is refused',
    (name) => {
      expect(refusedFor({ ...rate(1n, 1n), name })).toEqual(['key.limits[0].name']);
    },
  );

  test('a limit that is neither a rate nor credits is refused', () => {
    expect(refusedFor({ name: 'calls' })).toEqual(['key.limits[0]']);
  });

  test('a rate without a window is refused', () => {
    expect(refusedFor({ name: 'calls', kind: { $case: 'rate', value: { limit: 1n } } })).toEqual([
      'key.limits[0].rate.window',
    ]);
  });

  test('sixteen limits pass, seventeen are refused unread', () => {
    const many = (count: number): Message[] =>
      Array.from({ length: count }, (_, index) => ({ ...rate(1n, 1n), name: `n${index}` }));
    expect(refusedFor(...many(16))).toEqual([]);
    expect(refusedFor(...many(16), { name: '\0' })).toEqual(['key.limits']);
  });

  test('a name that stands twice is refused where it stands again', () => {
    expect(refusedFor(rate(1n, 1n), { ...rate(1n, 1n), name: 'other' }, credits({ initial: 1n }))).toEqual([
      'key.limits[2].name',
    ]);
  });
});

const limits: fc.Arbitrary<Limit> = fc.record({
  name: fc.stringMatching(/^[a-z][a-z0-9_-]{0,63}$/),
  rule: fc.oneof(
    fc.record({
      kind: fc.constant('RATE' as const),
      limit: fc.integer({ min: 1, max: 1_000_000_000 }),
      windowMs: fc.integer({ min: 1000, max: 30 * 86_400_000 }),
    }),
    fc.record({
      kind: fc.constant('CREDITS' as const),
      initial: fc.integer({ min: 0, max: 1_000_000_000_000 }),
      refill: fc.option(
        fc
          .oneof(
            fc.constant({ interval: 'DAILY' as const, day: 0 }),
            fc.integer({ min: 1, max: 7 }).map((day) => ({ interval: 'WEEKLY' as const, day })),
            fc.integer({ min: 1, max: 31 }).map((day) => ({ interval: 'MONTHLY' as const, day })),
          )
          .chain((when) =>
            fc.record({
              amount: fc.integer({ min: 1, max: 1_000_000_000_000 }),
              interval: fc.constant(when.interval),
              day: fc.constant(when.day),
              maxBalance: fc.option(fc.integer({ min: 1, max: 1_000_000_000_000 })),
            }),
          ),
      ),
    }),
  ),
  onDemand: fc.boolean(),
  onUnavailable: fc.constantFrom('DENY', 'ALLOW'),
});

describe('a limit in order', () => {
  test('is shown as it was given, over the wire and back', () => {
    fc.assert(
      fc.property(limits, (limit) => {
        const sent = LimitMessage.decode(LimitMessage.encode(toLimit(limit)).finish());
        const fields = readFields();
        expect(readLimits(fields, 'key.limits', [sent])).toEqual([limit]);
        fields.finish();
      }),
    );
  });

  test('denies while it cannot be counted, unless it says otherwise', () => {
    expect(read(rate(1n, 1n))).toEqual([
      {
        name: 'calls',
        rule: { kind: 'RATE', limit: 1, windowMs: 1000 },
        onDemand: false,
        onUnavailable: 'DENY',
      },
    ]);
  });
});

describe('whose limits are meant', () => {
  const of = (subject: DeepPartial<LimitSubject>) => (fields: Fields) =>
    readSubject(fields, LimitSubject.fromPartial(subject));
  const [keyId, keyspaceId] = [newId('key'), newId('keyspace')];

  test('is a key or an owner', () => {
    expect(of({ subject: { $case: 'keyId', value: keyId } })(readFields())).toEqual({
      kind: 'KEY',
      id: keyId,
    });
    const owner = { keyspaceId, id: 'Team 7' };
    expect(of({ subject: { $case: 'owner', value: owner } })(readFields())).toEqual({
      kind: 'OWNER',
      ...owner,
    });
  });

  test('must be said, in bounds', () => {
    expect(refused((fields) => readSubject(fields, undefined))).toEqual(['subject']);
    expect(refused(of({}))).toEqual(['subject']);
    expect(refused(of({ subject: { $case: 'keyId', value: 'x' } }))).toEqual(['subject.key_id']);
    expect(refused(of({ subject: { $case: 'owner', value: {} } }))).toEqual([
      'subject.owner.keyspace_id',
      'subject.owner.id',
    ]);
    expect(refused(of({ subject: { $case: 'owner', value: { keyspaceId, id: 'x'.repeat(257) } } }))).toEqual([
      'subject.owner.id',
    ]);
  });
});

describe('a change of a balance', () => {
  test.each(['add', 'take'] as const)('to %s is of one credit at least and a trillion at most', ($case) => {
    const change = (value: bigint) => (fields: Fields) =>
      readCreditChange(fields, AdjustCreditsRequest.fromPartial({ change: { $case, value } }).change);
    expect(change(TRILLION)(readFields())).toEqual({ kind: $case.toUpperCase(), amount: 1e12 });
    expect(change(1n)(readFields())).toEqual({ kind: $case.toUpperCase(), amount: 1 });
    for (const value of [0n, TRILLION + 1n, UINT64_MAX]) expect(refused(change(value))).toEqual([$case]);
  });

  test('may set it to nothing, to a trillion at most, and must be one of the three', () => {
    const set = (value: bigint) => (fields: Fields) => readCreditChange(fields, { $case: 'set', value });
    expect(set(0n)(readFields())).toEqual({ kind: 'SET', amount: 0 });
    expect(refused(set(TRILLION))).toEqual([]);
    expect(refused(set(TRILLION + 1n))).toEqual(['set']);
    expect(refused((fields) => readCreditChange(fields, undefined))).toEqual(['change']);
  });
});

describe('until when an override holds', () => {
  const until = (value: DeepPartial<SetLimitOverrideRequest>['until']) => (fields: Fields) =>
    readUntil(fields, SetLimitOverrideRequest.fromPartial({ until: value }).until);
  const DAYS_366_S = 31_622_400n;

  test('is a time or a span', () => {
    expect(until({ $case: 'endTime', value: new Date(5000) })(readFields())).toEqual({
      endTimeMs: 5000,
      ttlMs: undefined,
    });
    expect(until({ $case: 'ttl', value: { seconds: DAYS_366_S, nanos: 0 } })(readFields())).toEqual({
      endTimeMs: undefined,
      ttlMs: 366 * 86_400_000,
    });
  });

  test('must be said; a span is of a second at least and 366 days at most, in whole milliseconds', () => {
    expect(refused(until(undefined))).toEqual(['until']);
    for (const [seconds, nanos] of [
      [0n, 999_000_000],
      [DAYS_366_S, 1_000_000],
      [5n, 1],
      [-1n, 0],
      [2n ** 62n, 0],
    ] as const) {
      expect(refused(until({ $case: 'ttl', value: { seconds, nanos } }))).toEqual(['ttl']);
    }
    expect(refused(until({ $case: 'endTime', value: new Date(NaN) }))).toEqual(['end_time']);
  });
});

test('an override is shown until it ends', () => {
  const overrides = [
    { limit: 'a', value: 0, endTimeMs: 1000 },
    { limit: 'b', value: 7, endTimeMs: 1001 },
  ];
  expect(toLimitOverrides(overrides, 1000)).toEqual([{ limit: 'b', value: 7n, endTime: new Date(1001) }]);
  expect(toLimitOverrides(overrides, 999).map(({ limit }) => limit)).toEqual(['a', 'b']);
});

test('the state of a limit tells the limit as it is set and what is left of it', () => {
  const override = { limit: 'calls', value: 5, endTimeMs: 9000 };
  const [limit] = read(rate(10n, 60n));
  if (limit === undefined) throw new Error('nothing was read');
  const reading = {
    limit: { ...limit, scope: 'OWNER', ledgerId: 'x', override },
    policyId: 'pol_1',
    override,
    max: 5,
    remaining: 3,
    resetTimeMs: 4000,
  } as const;
  // As it is sent.
  expect(LimitState.decode(LimitState.encode(toLimitState(reading)).finish())).toEqual({
    limit: toLimit(limit),
    status: {
      name: 'calls',
      limit: 5n,
      remaining: 3n,
      resetTime: new Date(4000),
      scope: LimitScope.LIMIT_SCOPE_OWNER,
      refused: false,
      window: { seconds: 60n, nanos: 0 },
    },
    policyId: 'pol_1',
    override: { limit: 'calls', value: 5n, endTime: new Date(9000) },
  });
});
