import { describe, expect, test } from 'vitest';
import type { LabelledTokens, Ledger } from '../../../server/budgets/ports.ts';
import { createRandom } from '../../support/random.ts';
import { CALM, createCluster, rateLimit, worstInterval, type Weather } from './cluster.ts';

interface Admission {
  readonly timeMs: number;
  readonly cost: number;
}

/** Charges one limit on three replicas at random times; what was admitted, in the order of time. */
async function overload(options: {
  readonly seed: number;
  readonly limit: number;
  readonly windowMs: number;
  readonly durationMs: number;
  /** How many charges there are, as a part of what the limit allows. */
  readonly load: number;
  readonly costMax?: number;
  /** If they come in bursts: the time between them, ms. */
  readonly burstsMs?: number;
  readonly weather: Weather;
}): Promise<{ readonly admissions: readonly Admission[]; readonly offered: number }> {
  const { seed, limit, windowMs, durationMs, load, costMax = 1, burstsMs, weather } = options;
  const random = createRandom(seed);
  const cluster = createCluster({ replicas: 3, random, weather });
  const admissions: Admission[] = [];
  const limits = [rateLimit(limit, windowMs)];
  const start = cluster.nowMs();
  const charges = Math.ceil((load * limit * durationMs) / windowMs);
  for (let index = 0; index < charges; index += 1) {
    const time = random.next() * durationMs;
    const at =
      burstsMs === undefined ? time : Math.floor(time / burstsMs) * burstsMs + (time % burstsMs) / 10;
    cluster.at(start + at, () => {
      const cost = random.between(1, costMax);
      cluster.begin(limits, [{ limit: 'calls', cost }], { replica: random.between(0, 2) }, ({ refusal }) => {
        if (refusal === undefined) admissions.push({ timeMs: cluster.nowMs(), cost });
      });
    });
  }
  await cluster.run();
  return { admissions: admissions.toSorted((one, other) => one.timeMs - other.timeMs), offered: charges };
}

const CASES = [
  { limit: 20, windowMs: 1000, durationMs: 8000 },
  { limit: 100, windowMs: 10_000, durationMs: 60_000 },
  { limit: 1000, windowMs: 2000, durationMs: 12_000 },
  { limit: 3, windowMs: 60_000, durationMs: 300_000 },
];

describe('three replicas in overload', () => {
  test.each(CASES.flatMap((one) => [1, 2, 3].map((seed) => Object.assign({ seed }, one))))(
    'admit no more than $limit in any $windowMs ms, and almost as many, seed $seed',
    async ({ limit, windowMs, durationMs, seed }) => {
      const { admissions } = await overload({ seed, limit, windowMs, durationMs, load: 6, weather: CALM });
      expect(worstInterval(admissions, windowMs)).toBeLessThanOrEqual(limit);
      const windows = durationMs / windowMs;
      expect(admissions.length).toBeGreaterThanOrEqual(Math.floor(0.85 * limit * (windows - 1)));
    },
  );

  test.each([1, 2, 3, 4, 5, 6])('whatever charges cost and replies are lost, seed %i', async (seed) => {
    const { admissions } = await overload({
      seed,
      limit: 200,
      windowMs: 4000,
      durationMs: 30_000,
      load: 4,
      costMax: 12,
      weather: { delayMs: 60, lost: 0.1 },
    });
    expect(worstInterval(admissions, 4000)).toBeLessThanOrEqual(200);
    expect(admissions.length).toBeGreaterThan(50);
  });
});

test('a third of the load is admitted almost whole', async () => {
  const { admissions, offered } = await overload({
    seed: 7,
    limit: 100,
    windowMs: 10_000,
    durationMs: 60_000,
    load: 0.3,
    weather: CALM,
  });
  expect(admissions.length / offered).toBeGreaterThan(0.97);
});

describe('with a remedy switched off, the same check finds more than the limit allows', () => {
  const LIMIT = 200;

  async function worst(sabotage: (ledger: Ledger) => Ledger): Promise<number> {
    let found = 0;
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const { admissions } = await overload({
        seed,
        limit: LIMIT,
        windowMs: 1000,
        durationMs: 20_000,
        load: 1.5,
        burstsMs: 700,
        weather: { ...CALM, sabotage },
      });
      found = Math.max(found, worstInterval(admissions, 1000));
    }
    return found;
  }

  test('none: the control', async () => {
    expect(await worst((ledger) => ledger)).toBeLessThanOrEqual(LIMIT);
  });

  test('late tokens: what was leased is spent after its end', async () => {
    const late = (ledger: Ledger): Ledger => ({
      ...ledger,
      leaseRates: async (leases) =>
        (await ledger.leaseRates(leases)).map((grant) =>
          Object.assign(grant, { leftMs: grant.leftMs + 1500 }),
        ),
    });
    expect(await worst(late)).toBeGreaterThan(LIMIT);
  });

  test('double give-back: what went back goes back again', async () => {
    const twice = (ledger: Ledger): Ledger => {
      const again: LabelledTokens[] = [];
      return {
        ...ledger,
        leaseRates(leases) {
          const sent = leases.map((lease) => ({ ...lease, returns: [...lease.returns, ...again.splice(0)] }));
          again.push(...leases.flatMap(({ returns }) => returns));
          return ledger.leaseRates(sent);
        },
      };
    };
    expect(await worst(twice)).toBeGreaterThan(LIMIT);
  });
});
