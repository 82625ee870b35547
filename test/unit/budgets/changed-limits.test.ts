import { describe, expect, test } from 'vitest';
import type { LiveLimit } from '../../../core/limit.ts';
import { createRandom } from '../../support/random.ts';
import { CALM, createCluster, rateLimit, worstInterval, type Cluster } from './cluster.ts';

const HOUR_MS = 3_600_000;
const START_MS = 1_000_000;

const clusterOf = (replicas = 1): Cluster =>
  createCluster({ replicas, random: createRandom(1), weather: CALM });

/** Charges until it is refused; how often it was not. */
async function exhaust(cluster: Cluster, limit: LiveLimit): Promise<number> {
  for (let admitted = 0; ; admitted += 1)
    if ((await cluster.charge([limit])).refusal !== undefined) return admitted;
}

const overridden = (limit: number, windowMs: number, value: number, endTimeMs: number): LiveLimit =>
  rateLimit(limit, windowMs, { override: { limit: 'calls', value, endTimeMs } });

describe('a limit whose number changes', () => {
  test('down: what was leased under the old one is not spent, but given back', async () => {
    const cluster = clusterOf();
    const before = rateLimit(100, HOUR_MS);
    let taken = 0;
    // Until more is held than the new number leaves.
    while (taken === 0 || 100 - taken - cluster.left(before) < 5) {
      await cluster.charge([before]);
      taken += 1;
    }
    const lower = rateLimit(taken + 2, HOUR_MS);
    expect(await exhaust(cluster, lower)).toBe(2);
    expect((await cluster.charge([lower], [], { checkOnly: true })).states).toMatchObject([
      { max: taken + 2, remaining: 0 },
    ]);
  });

  test('below what was taken already: nothing is left, and it does not count as less than nothing', async () => {
    const cluster = clusterOf();
    for (let call = 0; call < 30; call += 1) await cluster.charge([rateLimit(100, HOUR_MS)]);
    const outcome = await cluster.charge([rateLimit(20, HOUR_MS)]);
    expect(outcome).toMatchObject({ refusal: 'RATE_LIMITED', states: [{ max: 20, remaining: 0 }] });
  });

  test('up: who was refused is charged at once', async () => {
    const cluster = clusterOf();
    expect(await exhaust(cluster, rateLimit(10, HOUR_MS))).toBe(10);
    expect(await exhaust(cluster, rateLimit(25, HOUR_MS))).toBe(15);
  });

  test('while a lease is under way: what is granted under the old one is not spent', async () => {
    const cluster = createCluster({
      replicas: 1,
      random: createRandom(2),
      weather: { delayMs: 50, lost: 0 },
    });
    const [before, after] = [rateLimit(1000, HOUR_MS), rateLimit(5, HOUR_MS)];
    let admitted = 0;
    const charge = (limit: LiveLimit): void =>
      cluster.begin([limit], [], { replica: 0 }, ({ refusal }) => {
        if (refusal === undefined) admitted += 1;
      });
    for (let call = 0; call < 40; call += 1) charge(before);
    await cluster.wait(1);
    expect(cluster.traffic).toMatchObject([{ leases: [{ limit: 1000, want: 40 }], grants: undefined }]);
    // From here on the new number is known.
    charge(after);
    await cluster.run();
    expect(admitted).toBe(5);
    expect(cluster.traffic[1]?.leases).toMatchObject([{ limit: 5, returns: [{ count: 40 }] }]);
  });

  test.each([1, 2, 3, 4])(
    'down on three replicas: from then on no more than the new one, seed %i',
    async (seed) => {
      const random = createRandom(seed);
      const cluster = createCluster({ replicas: 3, random, weather: { delayMs: 20, lost: 0.05 } });
      const [before, after] = [rateLimit(300, 2000), rateLimit(60, 2000)];
      const effectiveMs = START_MS + 7000;
      // Each replica hears of it at a time of its own, the last when it is effective.
      const heardMs = cluster.budgets.map(
        (_, index) => effectiveMs - (index === 0 ? 0 : random.between(0, 200)),
      );
      const admissions: { readonly timeMs: number; readonly cost: number }[] = [];
      for (let index = 0; index < 5000; index += 1) {
        cluster.at(START_MS + random.next() * 16_000, () => {
          const replica = random.between(0, 2);
          const limit = cluster.nowMs() >= (heardMs[replica] ?? 0) ? after : before;
          const counts = cluster.nowMs() >= effectiveMs;
          cluster.begin([limit], [], { replica }, ({ refusal }) => {
            if (refusal === undefined && counts) admissions.push({ timeMs: cluster.nowMs(), cost: 1 });
          });
        });
      }
      await cluster.run();
      expect(worstInterval(admissions, 2000)).toBeLessThanOrEqual(60);
      expect(admissions.length).toBeGreaterThan(120);
    },
  );
});

describe('an override', () => {
  test('holds from when it is known until its end, and then ends by itself', async () => {
    const cluster = clusterOf();
    expect(await exhaust(cluster, rateLimit(20, 1000))).toBe(20);
    await cluster.wait(1400);
    const limit = overridden(20, 1000, 3, START_MS + 6000);
    const first = await cluster.charge([limit]);
    expect(first.states).toMatchObject([{ max: 3 }]);
    expect(await exhaust(cluster, limit)).toBe(2);
    // Many windows later it still holds.
    await cluster.run(START_MS + 5500);
    expect(await exhaust(cluster, limit)).toBe(3);
    await cluster.run(START_MS + 6000);
    expect(await exhaust(cluster, limit)).toBe(17);
    await cluster.wait(1400);
    const later = await cluster.charge([limit]);
    expect(later.states).toMatchObject([{ max: 20 }]);
    expect(await exhaust(cluster, limit)).toBe(19);
  });

  test('that holds lower numbers bids nobody wait for longer than it lasts', async () => {
    const cluster = clusterOf();
    const limit = overridden(20, HOUR_MS, 3, START_MS + 5000);
    expect(await exhaust(cluster, limit)).toBe(3);
    const { retryAfterMs } = await cluster.charge([limit]);
    const waitMs = START_MS + 5000 - cluster.nowMs();
    expect(retryAfterMs).toBeLessThanOrEqual(waitMs);
    expect(retryAfterMs).toBeGreaterThan(waitMs - 10);
    await cluster.run(START_MS + 5000);
    expect(await exhaust(cluster, limit)).toBe(17);
  });

  test('of nothing at all refuses everything until its end', async () => {
    const cluster = clusterOf();
    const limit = overridden(20, 1000, 0, START_MS + 3000);
    for (const waitMs of [0, 500, 1000, 1000]) {
      await cluster.wait(waitMs);
      const outcome = await cluster.charge([limit]);
      expect(outcome).toMatchObject({ refusal: 'RATE_LIMITED', states: [{ max: 0, remaining: 0 }] });
      expect(outcome.retryAfterMs).toBeGreaterThan(0);
    }
    await cluster.run(START_MS + 3000);
    expect(await exhaust(cluster, limit)).toBe(20);
  });

  test.each([1, 2, 3])('of more leaves nothing behind that is spent after its end, seed %i', async (seed) => {
    const random = createRandom(seed);
    const cluster = createCluster({ replicas: 3, random, weather: { delayMs: 20, lost: 0.05 } });
    const endMs = START_MS + 5100;
    const limit = overridden(30, 2000, 500, endMs);
    const admissions: { readonly timeMs: number; readonly cost: number }[] = [];
    let before = 0;
    for (let index = 0; index < 4000; index += 1) {
      cluster.at(START_MS + random.next() * 15_000, () => {
        cluster.begin([limit], [], { replica: random.between(0, 2) }, ({ refusal }) => {
          if (refusal !== undefined) return;
          if (cluster.nowMs() < endMs) before += 1;
          else admissions.push({ timeMs: cluster.nowMs(), cost: 1 });
        });
      });
    }
    await cluster.run();
    expect(before).toBeGreaterThan(500);
    expect(worstInterval(admissions, 2000)).toBeLessThanOrEqual(30);
    expect(admissions.length).toBeGreaterThan(60);
  });
});

test('the keys of an owner share its limit: what one takes is gone for the other, and nothing goes to and fro', async () => {
  const cluster = clusterOf();
  const shared = (): LiveLimit => rateLimit(40, HOUR_MS, { scope: 'OWNER', ledgerId: 'ks_a owner calls' });
  // Each key's snapshot has its own object for it.
  const limits = [shared(), shared()];
  let admitted = 0;
  for (let call = 0; call < 60; call += 1) {
    const limit = limits[call % 2];
    if (limit !== undefined && (await cluster.charge([limit])).refusal === undefined) admitted += 1;
  }
  expect(admitted).toBe(40);
  expect(
    cluster.traffic.flatMap(({ leases }) => leases.map((lease) => 'returns' in lease && lease.returns)),
  ).toEqual(cluster.traffic.map(() => []));
});
