import { describe, expect, test, vi } from 'vitest';
import { createRandom } from '../../support/random.ts';
import { CALM, createCluster, creditLimit, rateLimit, type Cluster } from './cluster.ts';

const HOUR_MS = 3_600_000;
const calls = rateLimit(1000, HOUR_MS);
const credits = creditLimit(1000);

/** One replica that holds more than it has spent of each, which is 100. */
async function holding(): Promise<Cluster> {
  const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: CALM });
  for (let call = 0; call < 100; call += 1) await cluster.charge([calls, credits]);
  expect(cluster.left(calls)).toBeLessThan(900);
  expect(cluster.left(credits)).toBeLessThan(900);
  return cluster;
}

describe('what nobody has spent', () => {
  test('goes back by itself within three seconds', async () => {
    const cluster = await holding();
    await cluster.wait(3000);
    expect([cluster.left(calls), cluster.left(credits)]).toEqual([900, 900]);
  });

  test('goes back once; then nothing is asked for any more', async () => {
    const cluster = await holding();
    await cluster.wait(3000);
    const before = cluster.traffic.length;
    await cluster.wait(HOUR_MS / 10);
    expect(cluster.traffic).toHaveLength(before);
    expect([cluster.left(calls), cluster.left(credits)]).toEqual([900, 900]);
  });

  test('is there again for who asks after that', async () => {
    const cluster = await holding();
    await cluster.wait(3000);
    const all = [
      { limit: 'calls', cost: 900 },
      { limit: 'credits', cost: 900 },
    ];
    expect((await cluster.charge([calls, credits], all)).refusal).toBeUndefined();
  });

  test('goes back when the process ends, all of it, and nothing runs after that', async () => {
    const cluster = await holding();
    expect(vi.getTimerCount()).toBe(1);
    await cluster.stop();
    expect([cluster.left(calls), cluster.left(credits)]).toEqual([900, 900]);
    expect(vi.getTimerCount()).toBe(0);
    expect(cluster.budgets[0]?.stats().allowances).toBe(0);
  });

  test('goes back when the process ends also of a lease that is under way then', async () => {
    const cluster = createCluster({
      replicas: 1,
      random: createRandom(1),
      weather: { delayMs: 50, lost: 0 },
    });
    for (let call = 0; call < 100; call += 1) await cluster.charge([calls, credits]);
    // More is leased before all is spent.
    let taken = 100;
    for (let call = 0; call < 100 && cluster.traffic.at(-1)?.grants !== undefined; call += 1) {
      const outcome = cluster.budgets[0]?.tryCharge([calls, credits], [], false);
      if (outcome !== undefined && outcome.refusal === undefined) taken += 1;
      await cluster.wait(0.01);
    }
    expect(cluster.traffic.at(-1)?.grants).toBeUndefined();
    await cluster.stop();
    expect([cluster.left(calls), cluster.left(credits)]).toEqual([1000 - taken, 1000 - taken]);
  });

  test('is lost, and no error, when the process ends while the ledger is away', async () => {
    const cluster = await holding();
    const [callsLeft, creditsLeft] = [cluster.left(calls), cluster.left(credits)];
    cluster.cut(true);
    await cluster.stop();
    expect([cluster.left(calls), cluster.left(credits)]).toEqual([callsLeft, creditsLeft]);
  });
});

describe('what nobody asks for', () => {
  test('is forgotten after a minute; what is used is not', async () => {
    const cluster = await holding();
    const stats = (): number | undefined => cluster.budgets[0]?.stats().allowances;
    expect(stats()).toBe(2);
    for (let second = 0; second < 58; second += 1) {
      await cluster.wait(1000);
      await cluster.charge([calls]);
    }
    expect(stats()).toBe(2);
    await cluster.wait(5000);
    expect(stats()).toBe(1);
    await cluster.wait(60_000);
    expect(stats()).toBe(0);
    // And comes again as if nothing had been.
    expect((await cluster.charge([calls, credits])).states.map(({ remaining }) => remaining)).toEqual([
      841, 899,
    ]);
  });

  test('does not pile up: a hundred thousand limits that were looked at once', async () => {
    const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: CALM });
    const budgets = cluster.budgets[0];
    for (let index = 0; index < 100_000; index += 1)
      budgets?.charge([rateLimit(1, HOUR_MS, { ledgerId: `key_${index} calls` })], [], false).catch(() => {});
    await cluster.run();
    expect(budgets?.stats()).toMatchObject({ allowances: 100_000, leases: 100_000, calls: 100 });
    await cluster.wait(61_000);
    expect(budgets?.stats().allowances).toBe(0);
  });
});
