import * as fc from 'fast-check';
import { Status } from 'nice-grpc';
import { afterEach, describe, expect, it } from 'vitest';
import {
  BALANCE_MAX,
  CREDITS_MAX,
  LIMIT_NAME_PATTERN,
  RATE_MAX,
  WINDOW_MAX_MS,
} from '../../../core/limit.ts';
import { Limit as LimitMessage, OnUnavailable, RefillInterval } from '../../../proto/gen/latchkey/v1/key.ts';
import { LimitState } from '../../../proto/gen/latchkey/v1/limit_service.ts';
import { LimitScope } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import {
  fromLimit,
  fromLimitState,
  toCreditChange,
  toLimitOverride,
  toLimits,
  toLimitSubject,
} from '../../../sdk/src/convert/limit.ts';
import { toChangedOwner } from '../../../sdk/src/convert/owner.ts';
import type { CreditChange, Limit, LimitSubject, NewLimitOverride } from '../../../sdk/src/index.ts';
import { fail, startFakeLatchkey, type Answers, type FakeLatchkey } from './fake-latchkey.ts';

const UNEXPECTED = expect.objectContaining({ code: 'INTERNAL', reason: 'UNEXPECTED_RESPONSE' });
const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' });
const TIME = new Date('2030-01-01T00:00:00Z');
const REQUEST_ID = '123e4567-e89b-42d3-a456-426614174000';
const RATE: Limit = { name: 'requests', rate: { limit: 100, windowMs: 60_000 } };

/** Any limit, as it is told: without what is as by default. */
const limits: fc.Arbitrary<Limit> = (() => {
  const name = fc.stringMatching(LIMIT_NAME_PATTERN);
  const terms = {
    onDemand: fc.constant(true),
    onUnavailable: fc.constant('ALLOW' as const),
  };
  const rate = fc.record({
    limit: fc.integer({ min: 1, max: RATE_MAX }),
    windowMs: fc.integer({ min: 1000, max: WINDOW_MAX_MS }),
  });
  const count = fc.maxSafeInteger().map((value) => (Math.abs(value) % CREDITS_MAX) + 1);
  const refill = fc.record(
    {
      amount: count,
      interval: fc.constantFrom('DAILY' as const, 'WEEKLY' as const, 'MONTHLY' as const),
      day: fc.integer({ min: 1, max: 31 }),
      maxBalance: count,
    },
    { requiredKeys: ['amount', 'interval'] },
  );
  const credits = fc.record({ initial: count, refill }, { requiredKeys: ['initial'] });
  return fc.oneof(
    fc.record({ name, rate, ...terms }, { requiredKeys: ['name', 'rate'] }),
    fc.record({ name, credits, ...terms }, { requiredKeys: ['name', 'credits'] }),
  );
})();

describe('limits', () => {
  it('survive the way there and back', () => {
    fc.assert(
      fc.property(fc.array(limits), (list) => {
        const sent = toLimits(list).map((limit) => LimitMessage.encode(limit).finish());
        expect(sent.map((bytes) => fromLimit(LimitMessage.decode(bytes)))).toEqual(list);
      }),
    );
  });

  it('are sent in the terms of the contract', () => {
    const refill = { amount: 500, interval: 'MONTHLY', day: 31, maxBalance: 0 } as const;
    expect(
      toLimits([
        { ...RATE, onDemand: false, onUnavailable: 'DENY' },
        { name: 'exports', credits: { initial: 0, refill }, onDemand: true, onUnavailable: 'ALLOW' },
        { name: 'once', credits: { initial: CREDITS_MAX } },
      ]),
    ).toEqual([
      {
        name: 'requests',
        kind: { $case: 'rate', value: { limit: 100n, window: { seconds: 60n, nanos: 0 } } },
        onDemand: false,
        onUnavailable: OnUnavailable.ON_UNAVAILABLE_DENY,
      },
      {
        name: 'exports',
        kind: {
          $case: 'credits',
          value: {
            initial: 0n,
            refill: {
              amount: 500n,
              interval: RefillInterval.REFILL_INTERVAL_MONTHLY,
              day: 31,
              maxBalance: 0n,
            },
          },
        },
        onDemand: true,
        onUnavailable: OnUnavailable.ON_UNAVAILABLE_ALLOW,
      },
      {
        name: 'once',
        kind: { $case: 'credits', value: { initial: 1_000_000_000_000n, refill: undefined } },
        onDemand: false,
        onUnavailable: OnUnavailable.ON_UNAVAILABLE_UNSPECIFIED,
      },
    ]);
  });

  const credits = { initial: 1 };
  it.each<[string, object]>([
    ['limits[1].perSecond', { name: 'x', perSecond: 1 }],
    ['limits[1].ondemand', { ...RATE, ondemand: true }],
    ['limits[1].rate.window', { name: 'x', rate: { limit: 1, window: '1m' } }],
    ['limits[1].rate.limit', { name: 'x', rate: { limit: 1.5, windowMs: 1000 } }],
    ['limits[1].rate.limit', { name: 'x', rate: { limit: -1, windowMs: 1000 } }],
    ['limits[1].rate.windowMs', { name: 'x', rate: { limit: 1, windowMs: Number.NaN } }],
    ['limits[1]', { name: 'neither' }],
    ['limits[1]', { name: 'both', rate: { limit: 1, windowMs: 1000 }, credits }],
    ['limits[1].onUnavailable', { ...RATE, onUnavailable: 'allow' }],
    ['limits[1].onUnavailable', { ...RATE, onUnavailable: 'toString' }],
    ['limits[1].credits.initial', { name: 'x', credits: { initial: 2 ** 53 } }],
    ['limits[1].credits.refil', { name: 'x', credits: { initial: 1, refil: {} } }],
    [
      'limits[1].credits.refill.amount',
      { name: 'x', credits: { initial: 1, refill: { interval: 'DAILY' } } },
    ],
    ['limits[1].credits.refill.interval', { name: 'x', credits: { initial: 1, refill: { amount: 1 } } }],
    [
      'limits[1].credits.refill.max',
      { name: 'x', credits: { initial: 1, refill: { amount: 1, interval: 'DAILY', max: 1 } } },
    ],
    [
      'limits[1].credits.refill.day',
      { name: 'x', credits: { initial: 1, refill: { amount: 1, interval: 'MONTHLY', day: 2 ** 32 } } },
    ],
    [
      'limits[1].credits.refill.maxBalance',
      { name: 'x', credits: { initial: 1, refill: { amount: 1, interval: 'DAILY', maxBalance: 0.1 } } },
    ],
  ])('with a wrong or misspelt property are refused, naming it: %s', (field, limit) => {
    const list = [RATE, limit as Limit];
    expect(() => toLimits(list)).toThrow(INVALID);
    expect(() => toLimits(list)).toThrow(
      expect.objectContaining({ violations: [expect.objectContaining({ field })] }),
    );
    expect(() => toChangedOwner({ keyspaceId: 'ks_1', id: 'acme' }, { limits: list }, undefined)).toThrow(
      INVALID,
    );
  });

  it.each([
    ['kind', {}],
    ['refill interval', { kind: { $case: 'credits', value: { refill: { amount: 1n } } } } as const],
  ])('of a %s that is not known are an error', (_what, message) => {
    expect(() => fromLimit(LimitMessage.fromPartial({ name: 'x', ...message }))).toThrow(UNEXPECTED);
  });
});

describe('the state of a limit', () => {
  const limit = { name: 'requests', kind: { $case: 'rate', value: { limit: 100n } } } as const;
  const status = { name: 'requests', limit: 100n, remaining: 7n, scope: LimitScope.LIMIT_SCOPE_KEY };

  it('is told in types of our own', () => {
    const message = LimitState.fromPartial({
      limit: { ...limit, kind: { ...limit.kind, value: { limit: 100n, window: { seconds: 60n } } } },
      status: { ...status, resetTime: TIME, window: { seconds: 60n } },
      policyId: 'pol_1',
      override: { limit: 'requests', value: 7n, endTime: TIME },
    });
    expect(fromLimitState(message)).toEqual({
      limit: RATE,
      status: {
        name: 'requests',
        limit: 100,
        remaining: 7,
        resetTime: TIME,
        scope: 'KEY',
        refused: false,
        windowMs: 60_000,
      },
      policyId: 'pol_1',
      override: { limit: 'requests', value: 7, endTime: TIME },
    });
    expect(fromLimitState(LimitState.fromPartial({ limit, status }))).toMatchObject({
      policyId: null,
      override: null,
    });
  });

  it.each([
    ['the limit', { status }],
    ['what is left', { limit }],
    ['whose it is', { limit, status: { ...status, scope: 99 as LimitScope } }],
    ['when an override ends', { limit, status, override: { limit: 'requests' } }],
  ])('without %s is an error', (_what, message) => {
    expect(() => fromLimitState(LimitState.fromPartial(message))).toThrow(UNEXPECTED);
  });
});

describe('the limits of a client', () => {
  let fake: FakeLatchkey;
  afterEach(() => fake.stop());

  const KEY = { keyId: 'key_1' };
  const OWNER = { keyspaceId: 'ks_1', ownerId: 'acme' };
  const OPTIONS = { note: 'a gift', wait: false, requestId: REQUEST_ID };
  const KEY_MESSAGE = { subject: { $case: 'keyId', value: 'key_1' } };
  const OWNER_MESSAGE = { subject: { $case: 'owner', value: { keyspaceId: 'ks_1', id: 'acme' } } };
  const EFFECT = { revision: '0.5', effectiveTime: TIME, propagation: { replicas: 3, confirmed: 2 } };

  /** Answers every call, and keeps the request. */
  function recording(requests: [name: string, request: unknown][]): Answers {
    const record = (name: string) => (request: unknown) => {
      requests.push([name, request]);
      return Promise.resolve({
        ...EFFECT,
        balance: BigInt(BALANCE_MAX),
        override: { limit: 'requests', value: 0n, endTime: TIME },
        limits: [
          { limit: toLimits([RATE])[0], status: { name: 'requests', scope: LimitScope.LIMIT_SCOPE_OWNER } },
        ],
      });
    };
    return {
      getLimitStatus: record('getLimitStatus'),
      adjustCredits: record('adjustCredits'),
      setLimitOverride: record('setLimitOverride'),
      clearLimitOverride: record('clearLimitOverride'),
    };
  }

  it('sends each call to its RPC, with whose limit it is, the note and the request id', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { limits: client } = fake.client;
    const override = { limit: 'requests', value: 0, endTime: TIME };

    expect(await client.status(KEY)).toMatchObject([{ limit: RATE, status: { scope: 'OWNER' } }]);
    expect(await client.status(OWNER)).toHaveLength(1);
    expect(await client.adjustCredits(KEY, 'exports', { add: 5 }, OPTIONS)).toEqual({
      ...EFFECT,
      balance: BALANCE_MAX,
    });
    await client.adjustCredits(OWNER, 'exports', { take: CREDITS_MAX });
    await client.adjustCredits(OWNER, 'exports', { set: 0 });
    expect(await client.setOverride(KEY, 'requests', { value: 0, ttlMs: 90_500 }, OPTIONS)).toEqual({
      ...EFFECT,
      override,
    });
    await client.setOverride(OWNER, 'requests', { value: RATE_MAX, endTime: TIME });
    expect(await client.clearOverride(OWNER, 'requests', OPTIONS)).toEqual(EFFECT);

    expect(requests).toMatchObject([
      ['getLimitStatus', { subject: KEY_MESSAGE }],
      ['getLimitStatus', { subject: OWNER_MESSAGE }],
      [
        'adjustCredits',
        { subject: KEY_MESSAGE, limit: 'exports', change: { $case: 'add', value: 5n }, ...OPTIONS },
      ],
      [
        'adjustCredits',
        { subject: OWNER_MESSAGE, change: { $case: 'take', value: 1_000_000_000_000n }, note: '' },
      ],
      ['adjustCredits', { change: { $case: 'set', value: 0n } }],
      [
        'setLimitOverride',
        {
          subject: KEY_MESSAGE,
          limit: 'requests',
          value: 0n,
          until: { $case: 'ttl', value: { seconds: 90n, nanos: 500_000_000 } },
          ...OPTIONS,
        },
      ],
      ['setLimitOverride', { value: 1_000_000_000n, until: { $case: 'endTime', value: TIME } }],
      ['clearLimitOverride', { subject: OWNER_MESSAGE, limit: 'requests', ...OPTIONS }],
    ]);
  });

  it('gives a change an id of its own, the same through all its tries', async () => {
    const ids: string[] = [];
    fake = await startFakeLatchkey({
      adjustCredits({ requestId }, context) {
        ids.push(requestId);
        if (ids.length === 1) fail(context, Status.UNAVAILABLE, 'away', { reason: 'DATABASE_UNAVAILABLE' });
        return Promise.resolve({ balance: 1n, effectiveTime: TIME });
      },
    });
    await fake.client.limits.adjustCredits(KEY, 'exports', { add: 1 });
    await fake.client.limits.adjustCredits(KEY, 'exports', { add: 1 });
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it('tells why a change is refused, and the balance', async () => {
    fake = await startFakeLatchkey({
      adjustCredits(_request, context) {
        const details = { reason: 'CREDITS_INSUFFICIENT', metadata: { balance: '3' } };
        return fail(context, Status.FAILED_PRECONDITION, 'there are only 3', details);
      },
    });
    await expect(fake.client.limits.adjustCredits(KEY, 'exports', { take: 4 })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'CREDITS_INSUFFICIENT',
      metadata: { balance: '3' },
    });
  });

  it('refuses an answer that does not say what holds now, or from when on', async () => {
    fake = await startFakeLatchkey({
      setLimitOverride: () => Promise.resolve({ effectiveTime: TIME }),
      clearLimitOverride: () => Promise.resolve({ revision: '0.5' }),
    });
    const { limits: client } = fake.client;
    await expect(client.setOverride(KEY, 'requests', { value: 1, ttlMs: 1000 })).rejects.toEqual(UNEXPECTED);
    await expect(client.clearOverride(KEY, 'requests')).rejects.toEqual(UNEXPECTED);
  });
});

describe('what a change of a limit may not be', () => {
  it.each<[string, object]>([
    ['subject', {}],
    ['subject', { keyId: 'key_1', ownerId: 'acme', keyspaceId: 'ks_1' }],
    ['subject.id', { keyspaceId: 'ks_1', id: 'acme' }],
  ])('%s: %o', (field, subject) => {
    expect(() => toLimitSubject(subject as LimitSubject)).toThrow(INVALID);
    expect(() => toLimitSubject(subject as LimitSubject)).toThrow(`${field}: `);
  });

  it.each<[string, object]>([
    ['change', {}],
    ['change', { add: 1, take: 1 }],
    ['change.subtract', { subtract: 1 }],
    ['change.add', { add: -1 }],
    ['change.take', { take: 0.5 }],
    ['change.set', { set: Number.NaN }],
  ])('%s: %o', (field, change) => {
    expect(() => toCreditChange(change as CreditChange)).toThrow(INVALID);
    expect(() => toCreditChange(change as CreditChange)).toThrow(`${field}: `);
  });

  it.each<[string, object]>([
    ['override', { value: 1 }],
    ['override', { value: 1, ttlMs: 1000, endTime: TIME }],
    ['override.ttl', { value: 1, ttl: 1000 }],
    ['override.value', { ttlMs: 1000 }],
    ['override.ttlMs', { value: 1, ttlMs: Number.NaN }],
    ['override.endTime', { value: 1, endTime: new Date('no') }],
  ])('%s: %o', (field, override) => {
    expect(() => toLimitOverride(override as NewLimitOverride)).toThrow(INVALID);
    expect(() => toLimitOverride(override as NewLimitOverride)).toThrow(`${field}: `);
  });
});
