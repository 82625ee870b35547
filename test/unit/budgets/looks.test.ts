import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { createRandom } from '../../support/random.ts';
import { CALM, createCluster, creditLimit, rateLimit, type Cluster } from './cluster.ts';

const HOUR_MS = 3_600_000;
const LOOK = { checkOnly: true };

const clusterOf = (replicas = 1): Cluster =>
  createCluster({ replicas, random: createRandom(1), weather: { delayMs: 0, lost: 0 } });

describe.each([
  ['a rate limit', rateLimit(10, HOUR_MS), 'RATE_LIMITED'],
  ['a balance', creditLimit(10), 'CREDITS_EXHAUSTED'],
] as const)('to look at %s', (_what, limit, refusal) => {
  const costing = (cost: number) => [{ limit: limit.name, cost }];

  test('takes nothing, however often, and says what a charge would have been told', async () => {
    const cluster = clusterOf();
    for (let round = 0; round < 50; round += 1) {
      expect(await cluster.charge([limit], [], LOOK)).toMatchObject({
        refusal: undefined,
        states: [{ max: 10, remaining: 10, resetTimeMs: undefined, refused: false }],
      });
      await cluster.wait(30);
    }
    expect(cluster.left(limit)).toBe(10);
    expect((await cluster.charge([limit], costing(10), LOOK)).refusal).toBeUndefined();
    expect((await cluster.charge([limit], costing(11), LOOK)).refusal).toBe(refusal);
    expect((await cluster.charge([limit], costing(10))).refusal).toBeUndefined();
    expect(await cluster.charge([limit], [], LOOK)).toMatchObject({
      refusal,
      states: [{ remaining: 0, refused: true }],
    });
  });

  test.each([
    ['by check_only', 1, true],
    ['at no cost', 0, false],
  ])(
    '%s asks the ledger at most every 100 ms, and sees by then what others took',
    async (_how, cost, checkOnly) => {
      const cluster = clusterOf(2);
      const look = async () =>
        (await cluster.charge([limit], costing(cost), { checkOnly })).states[0]?.remaining;
      expect(await look()).toBe(10);
      const asked = (): number => cluster.traffic.filter(({ replica }) => replica === 0).length;
      expect(asked()).toBe(1);
      for (let turn = 0; turn < 9; turn += 1) {
        await cluster.wait(11);
        expect(await look()).toBe(10);
      }
      expect(asked()).toBe(1);
      await cluster.charge([limit], costing(4), { replica: 1 });
      await cluster.wait(2);
      const left = cluster.left(limit);
      expect(left).toBeLessThan(10);
      expect(await look()).toBe(left);
      expect(asked()).toBe(2);
    },
  );

  test('at no cost refuses nothing where nothing is left', async () => {
    const cluster = clusterOf();
    await cluster.charge([limit], costing(10));
    await cluster.charge([limit]);
    for (const checkOnly of [false, true])
      expect(await cluster.charge([limit], costing(0), { checkOnly })).toMatchObject({
        refusal: undefined,
        states: [{ remaining: 0, refused: false }],
      });
  });

  test('among those who take makes nobody take more', async () => {
    const cluster = createCluster({
      replicas: 1,
      random: createRandom(3),
      weather: { delayMs: 20, lost: 0 },
    });
    const taken: (string | undefined)[] = [];
    const looked: (string | undefined)[] = [];
    for (let call = 0; call < 6; call += 1) {
      const budgets = cluster.budgets[0];
      void budgets?.charge([limit], costing(7), true).then((outcome) => looked.push(outcome.refusal));
      void budgets?.charge([limit], costing(2), false).then((outcome) => taken.push(outcome.refusal));
    }
    await cluster.run();
    expect(looked).toHaveLength(6);
    expect(taken.filter((one) => one === undefined)).toHaveLength(5);
    await cluster.stop();
    expect(cluster.left(limit)).toBe(0);
  });
});

describe('a limit on demand', () => {
  const calls = rateLimit(10, HOUR_MS);
  const exports = rateLimit(2, HOUR_MS, { name: 'exports', ledgerId: 'key_a exports', onDemand: true });

  test('is charged by those who name it, and is not told of to others, nor asked about', async () => {
    const cluster = clusterOf();
    const outcome = await cluster.charge([calls, exports]);
    expect(outcome.states.map(({ limit }) => limit.name)).toEqual(['calls']);
    expect(cluster.traffic.flatMap(({ leases }) => leases.map(({ id }) => id))).toEqual([calls.ledgerId]);

    const named = await cluster.charge([calls, exports], [{ limit: 'exports', cost: 2 }]);
    expect(named.states.map(({ limit, remaining }) => [limit.name, remaining])).toEqual([
      ['calls', 8],
      ['exports', 0],
    ]);
    expect((await cluster.charge([calls, exports])).refusal).toBeUndefined();
    expect((await cluster.charge([calls, exports], [{ limit: 'exports', cost: 1 }])).refusal).toBe(
      'RATE_LIMITED',
    );
  });
});

test('a charge is of every limit of its name: the key’s and its owner’s', async () => {
  const cluster = clusterOf();
  const own = rateLimit(10, HOUR_MS);
  const shared = rateLimit(100, HOUR_MS, { scope: 'OWNER', ledgerId: 'ks_a owner calls' });
  const { states } = await cluster.charge([own, shared], [{ limit: 'calls', cost: 7 }]);
  expect(states.map(({ limit, remaining }) => [limit.scope, remaining])).toEqual([
    ['KEY', 3],
    ['OWNER', 93],
  ]);
});

test('names that no limit has are refused by what they are named at, and nothing is taken', async () => {
  const cluster = clusterOf();
  const calls = rateLimit(10, HOUR_MS);
  const charges = [
    { limit: 'none', cost: 1 },
    { limit: 'calls', cost: 1 },
    { limit: 'nothing', cost: 0 },
  ];
  const fault = {
    reason: 'INVALID_FIELD',
    violations: [{ field: 'charges[0].limit' }, { field: 'charges[2].limit' }],
  };
  for (const limits of [[calls], []]) {
    const attempt = (): unknown => cluster.budgets[0]?.tryCharge(limits, charges, false);
    expect(attempt).toThrow(Fault);
    await expect(cluster.budgets[0]?.charge(limits, charges, false)).rejects.toBeInstanceOf(Fault);
  }
  await expect(cluster.budgets[0]?.charge([calls], charges, true)).rejects.toMatchObject(fault);
  await cluster.run();
  expect(cluster.traffic).toEqual([]);
});

test('what is told counts down with every charge, and says when all is there again', async () => {
  const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: CALM });
  const calls = rateLimit(100, 10_000);
  for (let call = 1; call <= 100; call += 1) {
    const { states } = await cluster.charge([calls]);
    expect(states[0]?.remaining).toBe(100 - call);
    const resetMs = states[0]?.resetTimeMs ?? 0;
    expect(resetMs - cluster.nowMs()).toBeGreaterThan(10_000 - 500);
    // Not more than the life of a token and a window.
    expect(resetMs - cluster.nowMs()).toBeLessThan(21_000);
    await cluster.wait(3);
  }
  const [last] = (await cluster.charge([calls], [], LOOK)).states;
  await cluster.run(last?.resetTimeMs ?? 0);
  expect((await cluster.charge([calls], [], LOOK)).states).toMatchObject([
    { remaining: 100, resetTimeMs: undefined },
  ]);
});
