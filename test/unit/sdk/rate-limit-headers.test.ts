import * as fc from 'fast-check';
import { validateHeaderValue } from 'node:http';
import { describe, expect, it } from 'vitest';
import { rateLimitHeaders, type LimitStatus, type VerifyResult } from '../../../sdk/src/index.ts';

const NOW_MS = Date.UTC(2030, 0, 1);
const REFUSAL = { valid: false, missingScopes: [], revision: '0.1' } as const;

const inMs = (spanMs: number): Date => new Date(NOW_MS + spanMs);

function limitOf(change: Partial<LimitStatus> = {}): LimitStatus {
  return {
    name: 'requests',
    limit: 100,
    remaining: 12,
    resetTime: inMs(30_000),
    scope: 'KEY',
    refused: false,
    windowMs: 60_000,
    ...change,
  };
}

function validWith(...limits: LimitStatus[]): VerifyResult {
  const key = {
    id: 'key_1',
    keyspaceId: 'ks_1',
    ownerId: null,
    displayName: '',
    scopes: [],
    metadata: {},
    tags: [],
    policyIds: [],
    expireTime: null,
  };
  return { valid: true, verdict: 'VALID', key, limits, revision: '0.1' };
}

const rateLimited = (retryAfterMs: number | null, ...limits: LimitStatus[]): VerifyResult => ({
  ...REFUSAL,
  verdict: 'RATE_LIMITED',
  retryAfterMs,
  limits,
});

const exhausted = (...limits: LimitStatus[]): VerifyResult => ({
  ...REFUSAL,
  verdict: 'CREDITS_EXHAUSTED',
  limits,
});

const headersOf = (result: VerifyResult) => rateLimitHeaders(result, NOW_MS);

describe('the header fields of a verification', () => {
  it('tell what a rate limit allows, what is left, and until when', () => {
    expect(headersOf(validWith(limitOf()))).toEqual({
      'RateLimit-Policy': '"requests";q=100;w=60',
      RateLimit: '"requests";r=12;t=30',
    });
  });

  it('tell of credits without a window, and of their refill if there is one', () => {
    const credits = { name: 'exports', limit: 500, remaining: 750, windowMs: null };
    expect(
      headersOf(
        validWith(
          limitOf({ ...credits, resetTime: inMs(86_400_000) }),
          limitOf({ ...credits, name: 'once', resetTime: null }),
        ),
      ),
    ).toEqual({
      'RateLimit-Policy': '"exports";q=500, "once";q=500',
      RateLimit: '"exports";r=750;t=86400, "once";r=750',
    });
  });

  it('do not say until when of a limit that is whole', () => {
    expect(headersOf(validWith(limitOf({ remaining: 100, resetTime: null })))).toMatchObject({
      RateLimit: '"requests";r=100',
    });
  });

  it('are none without limits, whatever the verdict', () => {
    expect(headersOf(validWith())).toEqual({});
    expect(headersOf({ ...REFUSAL, verdict: 'REVOKED', limits: [] })).toEqual({});
  });

  it('say when to try again only where a limit refused', () => {
    expect(headersOf(validWith(limitOf({ remaining: 0 })))).not.toHaveProperty('Retry-After');
    const refused = limitOf({ name: 'burst', limit: 10, remaining: 0, windowMs: 1000, refused: true });
    const daily = limitOf({ name: 'daily', remaining: 7, windowMs: 86_400_000, resetTime: inMs(5_000_000) });
    expect(headersOf(rateLimited(700, refused, daily))).toEqual({
      'RateLimit-Policy': '"burst";q=10;w=1, "daily";q=100;w=86400',
      RateLimit: '"burst";r=0;t=1, "daily";r=7;t=5000',
      'Retry-After': '1',
    });
  });

  it('do not say when to try again where that is never', () => {
    const headers = headersOf(rateLimited(null, limitOf({ refused: true })));
    expect(headers).toEqual(headersOf(validWith(limitOf())));
  });

  it.each([
    ['is refilled', [inMs(90_000)], '90'],
    ['is refilled last, of two', [inMs(90_000), inMs(120_000)], '120'],
    ['is never refilled', [null], undefined],
    ['is never refilled, of two', [inMs(90_000), null], undefined],
  ])('say after exhausted credits to try again when the balance %s', (_when, times, retryAfter) => {
    const refused = times.map((resetTime) => limitOf({ windowMs: null, refused: true, resetTime }));
    const other = limitOf({ name: 'other', windowMs: null, resetTime: inMs(500_000) });
    expect(headersOf(exhausted(...refused, other))['Retry-After']).toBe(retryAfter);
  });

  it('round seconds up, and tell of none that are over', () => {
    expect(headersOf(rateLimited(1, limitOf({ refused: true, windowMs: 1500 })))).toEqual({
      'RateLimit-Policy': '"requests";q=100;w=2',
      RateLimit: '"requests";r=12;t=1',
      'Retry-After': '1',
    });
    const past = limitOf({ windowMs: null, refused: true, resetTime: inMs(-5000) });
    expect(headersOf(exhausted(past))).toMatchObject({
      RateLimit: '"requests";r=12;t=0',
      'Retry-After': '0',
    });
  });

  it('tell the limits of a key and its owner apart where they have one name', () => {
    const limits = [limitOf(), limitOf({ scope: 'OWNER' }), limitOf({ name: 'daily', scope: 'OWNER' })];
    expect(headersOf(validWith(...limits))).toMatchObject({
      RateLimit: '"requests";r=12;t=30, "owner:requests";r=12;t=30, "daily";r=12;t=30',
    });
  });

  it('go by the clock of the process, if no other time is given', () => {
    const resetTime = new Date(Date.now() + 3_600_000);
    expect(rateLimitHeaders(validWith(limitOf({ resetTime })))['RateLimit']).toMatch(/;t=3(600|599)$/);
  });

  it("hold a name that is none of Latchkey's as a string, whatever is in it", () => {
    expect(headersOf(validWith(limitOf({ name: 'a"b\\c\r\nSet-Cookie: é' })))).toMatchObject({
      RateLimit: '"a\\"b\\\\c??Set-Cookie: ?";r=12;t=30',
    });
  });

  it('are structured fields that say what the limits say', () => {
    const limit = fc
      .record({
        name: fc.string({ unit: fc.constantFrom(' ', '"', '\\', ',', ';', '=', 'a', 'é', '\n') }),
        limit: fc.nat({ max: 1_000_000_000_000 }),
        remaining: fc.oneof(fc.nat(), fc.constant(1_000_000_000_000_000)),
        spanMs: fc.option(fc.integer({ min: -10_000, max: 3_000_000_000 })),
        windowMs: fc.option(fc.integer({ min: 1000, max: 2_592_000_000 })),
        scope: fc.constantFrom('KEY' as const, 'OWNER' as const),
      })
      .map(({ spanMs, ...rest }) => limitOf({ ...rest, resetTime: spanMs === null ? null : inMs(spanMs) }));
    fc.assert(
      fc.property(fc.array(limit, { minLength: 1, maxLength: 5 }), (limits) => {
        const headers = headersOf(validWith(...limits));
        for (const [name, value] of Object.entries(headers)) validateHeaderValue(name, value);
        const policies = parseList(headers['RateLimit-Policy'] ?? '');
        const states = parseList(headers['RateLimit'] ?? '');
        expect(policies.map(({ text }) => text)).toEqual(states.map(({ text }) => text));
        expect(policies.map(({ parameters }) => parameters)).toEqual(
          limits.map(({ limit: q, windowMs }) =>
            windowMs === null ? { q } : { q, w: Math.ceil(windowMs / 1000) },
          ),
        );
        for (const [index, { parameters }] of states.entries()) {
          const { remaining, resetTime } = limits[index] ?? limitOf();
          expect(parameters['r']).toBe(Math.min(remaining, 999_999_999_999_999));
          const leftMs = resetTime === null ? undefined : Math.max(0, resetTime.getTime() - NOW_MS);
          expect(parameters['t']).toBe(leftMs === undefined ? undefined : Math.ceil(leftMs / 1000));
        }
      }),
    );
  });
});

interface Item {
  readonly text: string;
  readonly parameters: Readonly<Record<string, number>>;
}

/** A List of Strings with Integers as parameters, as strictly as RFC 9651, 4.2, reads it. */
function parseList(field: string): readonly Item[] {
  const items: Item[] = [];
  let rest = field;
  while (rest !== '') {
    const item = /^"((?:[ !#-[\]-~]|\\["\\])*)"((?:;[a-z]+=-?\d{1,15})*)(?:, (?=")|$)/.exec(rest);
    if (item === null) throw new Error(`not a list: ${field}`);
    const [all, text = '', parameters = ''] = item;
    items.push({
      text: text.replaceAll(/\\(.)/g, '$1'),
      parameters: Object.fromEntries(
        [...parameters.matchAll(/;([a-z]+)=(-?\d+)/g)].map(([, name, value]) => [name, Number(value)]),
      ),
    });
    rest = rest.slice(all.length);
  }
  return items;
}
