import { describe, expect, test } from 'vitest';
import { createRandom } from '../../support/random.ts';
import type { ChargeOutcome } from '../../../server/verification/budgets.ts';
import { createCluster, creditLimit, rateLimit, type Cluster } from './cluster.ts';

const HOUR_MS = 3_600_000;
const AT_ONCE = { delayMs: 0, lost: 0 };

const clusterOf = (replicas = 1): Cluster =>
  createCluster({ replicas, random: createRandom(1), weather: AT_ONCE });

/** By its name, whether it is why. */
const flags = ({ states }: ChargeOutcome): object =>
  Object.fromEntries(states.map(({ limit, refused }) => [limit.name, refused]));

describe('a limit that is used up', () => {
  test('is asked about a few times, however often it is charged, until it is said to be there again', async () => {
    const cluster = clusterOf();
    const calls = rateLimit(3, 10_000);
    for (let call = 0; call < 3; call += 1)
      expect(await cluster.charge([calls])).toMatchObject({ refusal: undefined, retryAfterMs: undefined });
    const before = cluster.traffic.length;
    const first = await cluster.charge([calls]);
    // They are counted in the bucket in which time began, and leave with the twenty-first after it.
    expect(first).toMatchObject({ refusal: 'RATE_LIMITED', retryAfterMs: 10_500 });
    const endMs = cluster.nowMs() + 10_500;
    while (cluster.nowMs() < endMs - 10) {
      await cluster.wait(10);
      expect(await cluster.charge([calls])).toMatchObject({
        refusal: 'RATE_LIMITED',
        retryAfterMs: endMs - cluster.nowMs(),
      });
    }
    // At once, and after one second, three and seven.
    expect(cluster.traffic.length - before).toBe(4);
    await cluster.wait(9);
    expect(await cluster.charge([calls])).toMatchObject({ refusal: 'RATE_LIMITED', retryAfterMs: 1 });
    await cluster.wait(1);
    expect(await cluster.charge([calls])).toMatchObject({ refusal: undefined, retryAfterMs: undefined });
  });

  test('by others has what they give back, after a while', async () => {
    const cluster = clusterOf(2);
    const calls = rateLimit(10, HOUR_MS);
    for (let call = 0; call < 2; call += 1) await cluster.charge([calls], [], { replica: 1 });
    let admitted = 2;
    while ((await cluster.charge([calls])).refusal === undefined) admitted += 1;
    // The other one holds some that it does not need.
    expect(admitted).toBeLessThan(10);
    await cluster.wait(8000);
    while ((await cluster.charge([calls])).refusal === undefined) admitted += 1;
    expect(admitted).toBe(10);
  });

  test('refuses only those for whom too little is left', async () => {
    const cluster = clusterOf();
    const calls = rateLimit(10, HOUR_MS);
    const charge = async (cost: number) =>
      (await cluster.charge([calls], [{ limit: 'calls', cost }])).refusal;
    expect(await charge(6)).toBeUndefined();
    expect(await charge(5)).toBe('RATE_LIMITED');
    expect(await charge(3)).toBeUndefined();
    expect(await charge(2)).toBe('RATE_LIMITED');
    expect(await charge(1)).toBeUndefined();
    expect(await charge(1)).toBe('RATE_LIMITED');
  });
});

describe('a cost above what the limit ever allows', () => {
  const calls = rateLimit(10, HOUR_MS);
  const tooMuch = [{ limit: 'calls', cost: 11 }];

  test('is refused without a time to come back, and takes nothing', async () => {
    const cluster = clusterOf();
    for (let round = 0; round < 3; round += 1) {
      expect(await cluster.charge([calls], tooMuch)).toMatchObject({
        refusal: 'RATE_LIMITED',
        retryAfterMs: undefined,
      });
      await cluster.wait(700);
    }
    expect((await cluster.charge([calls], [{ limit: 'calls', cost: 10 }])).refusal).toBeUndefined();
  });

  test('is so too where a smaller one was refused before, with a time', async () => {
    const cluster = clusterOf();
    await cluster.charge([calls], [{ limit: 'calls', cost: 10 }]);
    const refused = await cluster.charge([calls], [{ limit: 'calls', cost: 5 }]);
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect((await cluster.charge([calls], tooMuch)).retryAfterMs).toBeUndefined();
  });

  test('does not hide the time of a smaller one', async () => {
    const cluster = clusterOf();
    await cluster.charge([calls], [{ limit: 'calls', cost: 10 }]);
    await cluster.charge([calls], tooMuch);
    expect((await cluster.charge([calls])).retryAfterMs).toBeGreaterThan(HOUR_MS);
  });
});

describe('of several limits', () => {
  const calls = rateLimit(2, 10_000);
  const slow = rateLimit(2, 60_000, { name: 'slow', ledgerId: 'key_a slow 60000' });
  const wide = rateLimit(100, 10_000, { name: 'wide', ledgerId: 'key_a wide 10000' });
  const credits = creditLimit(2);

  test('those that refuse are marked, and the longest time is told', async () => {
    const cluster = clusterOf();
    const limits = [calls, wide, slow];
    for (let call = 0; call < 2; call += 1) await cluster.charge(limits);
    const outcome = await cluster.charge(limits);
    expect(outcome).toMatchObject({ refusal: 'RATE_LIMITED', retryAfterMs: 21 * 3000 - (1_000_000 % 3000) });
    expect(flags(outcome)).toEqual({ calls: true, wide: false, slow: true });
    expect(outcome.states.map(({ remaining }) => remaining)).toEqual([0, 98, 0]);
  });

  test('a rate limit is named before a balance, wherever it stands', async () => {
    for (const limits of [
      [calls, credits],
      [credits, calls],
    ]) {
      const cluster = clusterOf();
      for (let call = 0; call < 2; call += 1) await cluster.charge(limits);
      const outcome = await cluster.charge(limits);
      expect(outcome.refusal).toBe('RATE_LIMITED');
      expect(outcome.retryAfterMs).toBeGreaterThan(0);
      expect(flags(outcome)).toEqual({ calls: true, credits: true });
    }
  });

  test('a balance alone is refused without a time to come back', async () => {
    const cluster = clusterOf();
    for (let call = 0; call < 2; call += 1) await cluster.charge([wide, credits]);
    const outcome = await cluster.charge([wide, credits]);
    expect(outcome).toMatchObject({ refusal: 'CREDITS_EXHAUSTED', retryAfterMs: undefined });
    expect(flags(outcome)).toEqual({ wide: false, credits: true });
  });

  test('one that is only looked at, at no cost, refuses nothing and is not marked', async () => {
    const cluster = clusterOf();
    for (let call = 0; call < 2; call += 1) await cluster.charge([calls, wide]);
    const free = [{ limit: 'calls', cost: 0 }];
    const outcome = await cluster.charge([calls, wide], free);
    expect(outcome.refusal).toBeUndefined();
    expect(flags(outcome)).toEqual({ calls: false, wide: false });
    expect(outcome.states[0]).toMatchObject({ max: 2, remaining: 0 });
  });

  test('nothing is claimed of one of which nothing is known', async () => {
    const cluster = clusterOf();
    const limits = [calls, { ...credits, rule: { ...credits.rule, initial: 50 } }];
    for (let call = 0; call < 3; call += 1) await cluster.charge(limits);
    // Credits were added: what was known of the balance is not true any more.
    cluster.ledger.setBalance(credits.ledgerId, 500);
    cluster.budgets[0]?.forget({ kind: 'limit', id: credits.ledgerId });
    const outcome = await cluster.charge(limits);
    expect(outcome.refusal).toBe('RATE_LIMITED');
    const told = outcome.states.find(({ limit }) => limit.name === 'credits');
    expect([undefined, 500]).toContain(told?.remaining);
  });
});

test('all who wait for the ledger at once share its answers: a flood of refusals is a few calls', async () => {
  const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: { delayMs: 20, lost: 0 } });
  const calls = rateLimit(50, HOUR_MS);
  const outcomes: (string | undefined)[] = [];
  for (let call = 0; call < 1000; call += 1)
    void cluster.budgets[0]?.charge([calls], [], false).then(({ refusal }) => outcomes.push(refusal));
  await cluster.run();
  expect(outcomes.filter((refusal) => refusal === undefined)).toHaveLength(50);
  expect(outcomes).toHaveLength(1000);
  expect(cluster.traffic.length).toBeLessThan(12);
});
