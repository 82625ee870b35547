import { describe, expect, test } from 'vitest';
import type { LiveLimit } from '../../../core/limit.ts';
import { createRandom } from '../../support/random.ts';
import { CALM, createCluster, creditLimit, rateLimit, worstInterval } from './cluster.ts';

const REPLICAS = 3;
const WINDOW_MS = 1000;
const DURATION_MS = 12_000;

/** Charges a limit on all replicas at random times; how long each had to wait, and when which were admitted. */
async function chargeFar(options: {
  readonly limit: number;
  readonly load: number;
  readonly delayMs: number;
}): Promise<{
  readonly charges: number;
  readonly waitsMs: readonly number[];
  readonly admittedMs: readonly number[];
}> {
  const { limit, load, delayMs } = options;
  const random = createRandom(limit + delayMs);
  const cluster = createCluster({ replicas: REPLICAS, random, weather: { delayMs, lost: 0 } });
  const limits = [rateLimit(limit, WINDOW_MS)];
  const startMs = cluster.nowMs();
  const charges = Math.ceil((load * limit * DURATION_MS) / WINDOW_MS);
  const waitsMs: number[] = [];
  const admittedMs: number[] = [];
  for (let index = 0; index < charges; index += 1) {
    cluster.at(startMs + random.next() * DURATION_MS, () => {
      const fromMs = cluster.nowMs();
      cluster.begin(limits, [], { replica: random.between(0, REPLICAS - 1) }, ({ refusal }) => {
        waitsMs.push(cluster.nowMs() - fromMs);
        if (refusal === undefined) admittedMs.push(cluster.nowMs());
      });
    });
  }
  await cluster.run();
  return { charges, waitsMs, admittedMs };
}

describe('a ledger whose round trip is as long as a bucket and longer', () => {
  // A bucket is 50 ms long.
  const CASES = [20, 500].flatMap((limit) =>
    [0.5, 3].flatMap((load) => [15, 30, 60, 150].map((delayMs) => ({ limit, load, delayMs }))),
  );

  test.each(CASES)(
    'keeps nobody waiting for more than a few of them: $limit per second, $load times as many asked, $delayMs ms each way',
    async ({ limit, load, delayMs }) => {
      const { charges, waitsMs, admittedMs } = await chargeFar({ limit, load, delayMs });
      expect(waitsMs).toHaveLength(charges);
      expect(Math.max(...waitsMs)).toBeLessThan(5 * 2 * delayMs);
      const admissions = admittedMs.map((timeMs) => ({ timeMs, cost: 1 }));
      expect(worstInterval(admissions, WINDOW_MS)).toBeLessThanOrEqual(limit);
      const allowed = (Math.min(load, 1) * limit * DURATION_MS) / WINDOW_MS;
      expect(admittedMs.length).toBeGreaterThan(0.6 * allowed);
    },
  );
});

describe('all who wait are answered together', () => {
  /** The longest that a call of the ledger takes, ms. */
  const ROUND_TRIP_MS = 2 * CALM.delayMs;

  async function ask(
    limit: LiveLimit,
    waiting: number,
  ): Promise<{ readonly told: number; readonly admitted: number; readonly longestMs: number }> {
    const cluster = createCluster({ replicas: REPLICAS, random: createRandom(1), weather: CALM });
    const startMs = cluster.nowMs();
    let [told, admitted, longestMs] = [0, 0, 0];
    for (let index = 0; index < waiting; index += 1) {
      cluster.begin([limit], [], { replica: 0 }, ({ refusal }) => {
        told += 1;
        if (refusal === undefined) admitted += 1;
        longestMs = cluster.nowMs() - startMs;
      });
    }
    await cluster.run();
    return { told, admitted, longestMs };
  }

  const LIMITS = [
    ['a rate limit', rateLimit(100, 10_000)],
    ['a balance', creditLimit(100)],
  ] as const;

  test.each(LIMITS)(
    'once, if %s has enough for them, whatever the share of a replica is',
    async (_, limit) => {
      const { longestMs, ...counts } = await ask(limit, 100);
      expect(counts).toEqual({ told: 100, admitted: 100 });
      expect(longestMs).toBeLessThanOrEqual(ROUND_TRIP_MS);
    },
  );

  test.each(LIMITS)(
    'if %s has enough for some, those at once, and the others after one call more',
    async (_, limit) => {
      const { longestMs, ...counts } = await ask(limit, 256);
      expect(counts).toEqual({ told: 256, admitted: 100 });
      expect(longestMs).toBeLessThanOrEqual(2 * ROUND_TRIP_MS);
    },
  );
});
