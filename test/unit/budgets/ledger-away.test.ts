import { describe, expect, test } from 'vitest';
import { createRandom } from '../../support/random.ts';
import { createCluster, creditLimit, rateLimit, type Cluster } from './cluster.ts';

const HOUR_MS = 3_600_000;
const UNAVAILABLE = { reason: 'DATABASE_UNAVAILABLE', retryAfterMs: 1000 };

const clusterOf = (): Cluster =>
  createCluster({ replicas: 1, random: createRandom(1), weather: { delayMs: 1, lost: 0 } });

const calls = rateLimit(1000, HOUR_MS);
const credits = creditLimit(1000);
const allowed = rateLimit(50, HOUR_MS, { name: 'soft', ledgerId: 'key_a soft', onUnavailable: 'ALLOW' });

describe.each([
  ['a rate limit', calls],
  ['a balance', credits],
] as const)('without the ledger, %s', (_what, limit) => {
  test('is charged from what was leased, and then not at all: a fault, never a verdict', async () => {
    const cluster = clusterOf();
    let accepted = 0;
    for (; accepted < 100; accepted += 1) await cluster.charge([limit]);
    const leased = 1000 - cluster.left(limit) - accepted;
    expect(leased).toBeGreaterThan(0);
    cluster.cut(true);
    for (let call = 0; call < leased; call += 1)
      expect((await cluster.charge([limit])).refusal).toBeUndefined();
    for (let call = 0; call < 5; call += 1) {
      // What is known is old by then.
      await cluster.wait(700);
      await expect(cluster.charge([limit])).rejects.toMatchObject(UNAVAILABLE);
      await expect(cluster.charge([limit], [], { checkOnly: true })).rejects.toMatchObject(UNAVAILABLE);
    }
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 0 });

    cluster.cut(false);
    expect((await cluster.charge([limit])).refusal).toBeUndefined();
    await cluster.stop();
    expect(cluster.left(limit)).toBe(1000 - accepted - leased - 1);
  });

  test('that is known to be used up stays refused as long as that is believed', async () => {
    const cluster = clusterOf();
    await cluster.charge([limit], [{ limit: limit.name, cost: 1000 }]);
    const { refusal } = await cluster.charge([limit]);
    cluster.cut(true);
    expect((await cluster.charge([limit])).refusal).toBe(refusal);
    await cluster.wait(1000);
    await expect(cluster.charge([limit])).rejects.toMatchObject(UNAVAILABLE);
  });
});

describe('a limit that may be passed while its ledger is away', () => {
  test('is passed, counted as such and not told of; and is counted again as soon as the ledger is back', async () => {
    const cluster = clusterOf();
    cluster.cut(true);
    for (let call = 0; call < 60; call += 1)
      expect(await cluster.charge([allowed])).toMatchObject({ refusal: undefined, states: [] });
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 60 });
    expect((await cluster.charge([allowed], [], { checkOnly: true })).refusal).toBeUndefined();
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 60 });

    cluster.cut(false);
    let counted = 0;
    while ((await cluster.charge([allowed])).refusal === undefined) counted += 1;
    expect(counted).toBe(50);
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 60 });
  });

  test('spends first what was leased', async () => {
    const cluster = clusterOf();
    for (let call = 0; call < 20; call += 1) await cluster.charge([allowed]);
    const leased = 50 - cluster.left(allowed) - 20;
    expect(leased).toBeGreaterThan(0);
    cluster.cut(true);
    for (let call = 0; call < leased; call += 1) await cluster.charge([allowed]);
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 0 });
    await cluster.charge([allowed]);
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 1 });
  });

  test('helps none that may not: all or nothing holds, and nothing passed is counted', async () => {
    const cluster = clusterOf();
    cluster.cut(true);
    for (const limits of [
      [allowed, calls],
      [credits, allowed],
    ])
      await expect(cluster.charge(limits)).rejects.toMatchObject(UNAVAILABLE);
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 0 });
  });

  test('and one whose tokens are here: the one passes, the other is counted', async () => {
    const cluster = clusterOf();
    for (let call = 0; call < 50; call += 1) await cluster.charge([calls]);
    expect(1000 - cluster.left(calls) - 50).toBeGreaterThan(0);
    cluster.cut(true);
    expect(await cluster.charge([calls, allowed])).toMatchObject({
      refusal: undefined,
      states: [{ limit: { name: 'calls' } }],
    });
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 1 });
    cluster.cut(false);
    await cluster.stop();
    expect(cluster.left(calls)).toBe(949);
  });

  test('and one that is known to be used up: refused, and nothing passed is counted', async () => {
    const cluster = clusterOf();
    await cluster.charge([calls], [{ limit: 'calls', cost: 1000 }]);
    await cluster.charge([calls]);
    cluster.cut(true);
    expect(await cluster.charge([allowed, calls])).toMatchObject({ refusal: 'RATE_LIMITED' });
    expect(cluster.budgets[0]?.stats()).toMatchObject({ uncounted: 0 });
  });
});

describe('what is held while the ledger is away', () => {
  test.each([true, false])(
    'comes back once it is there again, though nobody asks (stopped: %j)',
    async (stops) => {
      const cluster = clusterOf();
      for (let call = 0; call < 50; call += 1) await cluster.charge([credits]);
      expect(cluster.left(credits)).toBeLessThan(950);
      cluster.cut(true);
      await expect(cluster.charge([calls])).rejects.toMatchObject(UNAVAILABLE);
      await cluster.wait(10_000);
      cluster.cut(false);
      await cluster.wait(300_000);
      if (stops) await cluster.stop();
      expect(cluster.left(credits)).toBe(950);
    },
  );
});
