import { describe, expect, test } from 'vitest';
import type { Limit, LimitOverride } from '../../../core/limit.ts';
import type { Ledger } from '../../../server/budgets/ports.ts';
import { readLedger } from '../../../server/lifecycle/limit-status.ts';
import { keyLiveLimits } from '../../../core/live-limits.ts';

const rate = (name: string, limit: number): Limit => ({
  name,
  rule: { kind: 'RATE', limit, windowMs: 2000 },
  onDemand: false,
  onUnavailable: 'DENY',
});
const credits = (name: string): Limit => ({
  name,
  rule: { kind: 'CREDITS', initial: 9, refill: null },
  onDemand: true,
  onUnavailable: 'DENY',
});
const overrides: LimitOverride[] = [{ limit: 'b', value: 1, endTimeMs: 5 }];
const live = (...limits: Limit[]) => keyLiveLimits({ id: 'key_1', limitOverrides: overrides }, limits);

describe('the ledger', () => {
  test('is only looked at, and its answers belong to the limits that were asked for', async () => {
    const asked: unknown[] = [];
    const ledger: Ledger = {
      leaseRates: (leases) => {
        asked.push(...leases);
        return Promise.resolve(
          leases.map(({ limit }) => ({
            granted: 0,
            label: 0,
            leftMs: 0,
            limit: limit + 100,
            remaining: limit,
            retryMs: 0,
            resetMs: limit === 1 ? 0 : 700,
            timeMs: 0,
          })),
        );
      },
      leaseCredits: (leases) => {
        asked.push(...leases);
        return Promise.resolve(leases.map(() => ({ granted: 0, balance: 4, generation: 3, refillMs: null })));
      },
    };
    const counts = await readLedger(ledger, live(rate('a', 1), credits('c'), rate('b', 2)));
    const look = { need: 0, demand: 0, want: 0 };
    expect(asked).toEqual([
      { id: 'key_1 a 2000', limit: 1, windowMs: 2000, override: undefined, lifeMs: 0, returns: [], ...look },
      {
        id: 'key_1 b 2000',
        limit: 2,
        windowMs: 2000,
        override: overrides[0],
        lifeMs: 0,
        returns: [],
        ...look,
      },
      { id: 'key_1 c', initial: 9, refill: null, returned: 0, generation: 0, ...look },
    ]);
    expect(Object.fromEntries(counts)).toEqual({
      // Nothing is counted, so it is whole.
      'key_1 a 2000': { max: 101, remaining: 1, resetMs: null },
      'key_1 b 2000': { max: 102, remaining: 2, resetMs: 700 },
      'key_1 c': { max: 9, remaining: 4, resetMs: null },
    });
  });

  test('that does not answer is the database that is away', async () => {
    const cause = new Error('Connection terminated');
    const away: Ledger = {
      leaseRates: () => Promise.reject(cause),
      leaseCredits: () => Promise.resolve([]),
    };
    await expect(readLedger(away, live(rate('a', 1)))).rejects.toMatchObject({
      reason: 'DATABASE_UNAVAILABLE',
      cause,
    });
  });
});
