import { describe, expect, test } from 'vitest';
import type { CreditLease, Ledger } from '../../../server/budgets/ports.ts';
import { createRandom } from '../../support/random.ts';
import { CALM, createCluster, creditLimit, type Cluster, type Weather } from './cluster.ts';

const ID = creditLimit(0).ledgerId;
const SEEDS = [1, 2, 3, 4, 5, 6];

interface Run {
  readonly accepted: number;
  readonly cluster: Cluster;
}

/**
 * Three replicas charge a balance at random times until it is used up; one falls silent on the way if it shall. What was
 * accepted, of charges that began at a time or later.
 */
async function spend(options: {
  readonly seed: number;
  readonly initial: number;
  readonly charges: number;
  readonly durationMs: number;
  readonly costMax: number;
  /** If they come in bursts: the time between them, ms. */
  readonly burstsMs?: number;
  readonly weather: Weather;
  /** Does something in the middle; what was accepted before it does not count. */
  readonly midway?: (cluster: Cluster) => void;
  /** The first replica is charged no more after the middle. */
  readonly silent?: boolean;
  readonly isFresh?: () => boolean;
}): Promise<Run> {
  const {
    seed,
    initial,
    charges,
    durationMs,
    costMax,
    burstsMs = 0,
    weather,
    midway,
    silent = false,
    isFresh,
  } = options;
  const random = createRandom(seed);
  const cluster = createCluster({
    replicas: 3,
    random,
    weather,
    ...(isFresh === undefined ? {} : { isFresh }),
  });
  const start = cluster.nowMs();
  const middle = start + durationMs / 2;
  const limits = [creditLimit(initial)];
  let accepted = 0;
  if (midway !== undefined)
    cluster.at(middle, () => {
      accepted = 0;
      midway(cluster);
    });
  for (let index = 0; index < charges; index += 1) {
    const time = random.next() * durationMs;
    const burst = burstsMs === 0 ? time : Math.floor(time / burstsMs) * burstsMs + (time % burstsMs) / 50;
    cluster.at(start + burst, () => {
      const after = cluster.nowMs() >= middle;
      const replica = random.pick(silent && after ? [1, 2] : [0, 1, 2]);
      const cost = random.between(1, costMax);
      cluster.begin(limits, [{ limit: 'credits', cost }], { replica }, ({ refusal }) => {
        if (refusal !== undefined) return;
        if (after || midway === undefined || cluster.nowMs() < middle) accepted += cost;
      });
    });
  }
  await cluster.run();
  return { accepted, cluster };
}

const LOAD = { initial: 5000, charges: 4000, durationMs: 20_000, costMax: 5 };

describe('three replicas that share a balance', () => {
  test.each(SEEDS)('spend all of it and no more, seed %i', async (seed) => {
    const { accepted, cluster } = await spend({ ...LOAD, seed, weather: CALM });
    await cluster.stop();
    expect(accepted + cluster.left(creditLimit(5000))).toBe(5000);
    // What is left is less than the next charge would have cost, or was in another replica's hands.
    expect(accepted).toBeGreaterThan(4950);
  });

  test.each(SEEDS)('never more than it, whatever replies are lost, seed %i', async (seed) => {
    const { accepted, cluster } = await spend({ ...LOAD, seed, weather: { delayMs: 40, lost: 0.2 } });
    await cluster.stop();
    expect(accepted + cluster.left(creditLimit(5000))).toBeLessThanOrEqual(5000);
    expect(accepted).toBeGreaterThan(1000);
  });

  test.each(SEEDS)('lose with one that dies no more than it had leased last, seed %i', async (seed) => {
    const { accepted, cluster } = await spend({
      ...LOAD,
      initial: 20_000,
      seed,
      weather: CALM,
      silent: true,
    });
    const leased = cluster.traffic
      .filter(({ replica }) => replica === 0)
      .flatMap(({ grants }) => grants?.map(({ granted }) => granted) ?? []);
    // It is gone: nobody gives back what it held. The others do.
    const alive = cluster.budgets.slice(1).map((budgets) => budgets.stop());
    await cluster.run();
    await Promise.all(alive);
    const stranded = 20_000 - accepted - cluster.left(creditLimit(20_000));
    expect(stranded).toBeGreaterThanOrEqual(0);
    expect(stranded).toBeLessThanOrEqual(2 * Math.max(...leased));
    expect(stranded).toBeLessThanOrEqual(200);
  });
});

describe('a balance that is set', () => {
  const set =
    (balance: number) =>
    (cluster: Cluster): void => {
      cluster.ledger.setBalance(ID, balance);
      for (const budgets of cluster.budgets) budgets.forget({ kind: 'limit', id: ID });
    };

  test.each(SEEDS)('is what is spent from then on, and no more, seed %i', async (seed) => {
    for (const balance of [0, 700]) {
      const { accepted, cluster } = await spend({
        ...LOAD,
        initial: 50_000,
        seed,
        weather: { delayMs: 30, lost: 0.05 },
        midway: set(balance),
      });
      await cluster.stop();
      expect(accepted + cluster.left(creditLimit(0))).toBeLessThanOrEqual(balance);
    }
  });

  test.each(SEEDS)(
    'also by replicas that do not hear of it, as long as they know that they may not, seed %i',
    async (seed) => {
      const { accepted } = await spend({
        ...LOAD,
        initial: 50_000,
        seed,
        weather: { delayMs: 30, lost: 0.05 },
        isFresh: () => false,
        midway: ({ ledger }) => ledger.setBalance(ID, 700),
      });
      expect(accepted).toBeLessThanOrEqual(700);
      expect(accepted).toBeGreaterThan(300);
    },
  );

  test('voids what was granted before and is still on its way', async () => {
    const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: CALM });
    const limits = [creditLimit(100_000)];
    for (let call = 0; call < 200; call += 1) await cluster.charge(limits);
    const held = 100_000 - 200 - cluster.left(creditLimit(100_000));
    const { leaseCredits } = cluster.ledger;
    let granted = 0;
    // The balance is set right after the ledger has granted, and all that hear of it do before the grant is there.
    Object.assign(cluster.ledger, {
      leaseCredits(leases: readonly CreditLease[]) {
        const grants = leaseCredits(leases);
        if (granted === 0) {
          granted = grants[0]?.granted ?? 0;
          set(0)(cluster);
        }
        return grants;
      },
    });
    await cluster.charge(limits, [{ limit: 'credits', cost: held + 1 }]);
    expect(granted).toBeGreaterThan(1);
    expect(await cluster.charge(limits)).toMatchObject({ refusal: 'CREDITS_EXHAUSTED' });
  });

  test('leaves nothing to spend of what was held, and does not get it back', async () => {
    const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: CALM });
    const limits = [creditLimit(1000)];
    for (let call = 0; call < 50; call += 1) await cluster.charge(limits);
    expect(cluster.left(creditLimit(1000))).toBeLessThan(950);
    set(7)(cluster);
    expect((await cluster.charge(limits, [{ limit: 'credits', cost: 8 }])).refusal).toBe('CREDITS_EXHAUSTED');
    expect((await cluster.charge(limits, [{ limit: 'credits', cost: 7 }])).refusal).toBeUndefined();
    await cluster.stop();
    expect(cluster.left(creditLimit(1000))).toBe(0);
  });

  test('or added to is charged at once by those who were refused', async () => {
    const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: CALM });
    const limits = [creditLimit(1)];
    await cluster.charge(limits);
    expect((await cluster.charge(limits)).refusal).toBe('CREDITS_EXHAUSTED');
    set(3)(cluster);
    expect((await cluster.charge(limits)).refusal).toBeUndefined();
  });
});

describe('memory that is not fresh', () => {
  test('spends only what was leased since the verification began, and asks for each', async () => {
    let fresh = true;
    const cluster = createCluster({
      replicas: 1,
      random: createRandom(1),
      weather: CALM,
      isFresh: () => fresh,
    });
    const limits = [creditLimit(1000)];
    for (let call = 0; call < 50; call += 1) await cluster.charge(limits);
    const held = 950 - cluster.left(creditLimit(1000));
    expect(held).toBeGreaterThan(0);
    fresh = false;
    expect(cluster.budgets[0]?.tryCharge(limits, [], false)).toBeUndefined();
    const before = cluster.traffic.length;
    for (let call = 0; call < 5; call += 1) await cluster.charge(limits);
    expect(cluster.traffic.length).toBeGreaterThanOrEqual(before + 5);
    // What was held went back with the first of them.
    expect(cluster.traffic[before]?.leases).toMatchObject([{ returned: held }]);
    fresh = true;
    await cluster.stop();
    expect(cluster.left(creditLimit(1000))).toBe(945);
  });

  test('by many who ask at once is answered all the same', async () => {
    const cluster = createCluster({
      replicas: 1,
      random: createRandom(4),
      weather: { delayMs: 20, lost: 0 },
      isFresh: () => false,
    });
    let accepted = 0;
    for (let call = 0; call < 500; call += 1)
      cluster.at(cluster.nowMs() + call, () => {
        cluster.begin([creditLimit(300)], [], { replica: 0 }, ({ refusal }) => {
          if (refusal === undefined) accepted += 1;
        });
      });
    await cluster.run();
    expect(accepted).toBe(300);
    expect(cluster.traffic.length).toBeLessThan(200);
  });
});

describe('with a remedy switched off, the same check finds too much', () => {
  async function most(weather: Weather, midway?: (cluster: Cluster) => void): Promise<number> {
    let found = 0;
    for (const seed of SEEDS) {
      const { accepted } = await spend({
        ...LOAD,
        seed,
        weather,
        ...(midway === undefined ? {} : { initial: 50_000, midway }),
      });
      found = Math.max(found, accepted);
    }
    return found;
  }

  test('what went with a call whose reply was lost goes again', async () => {
    /** Every reply to a call that gives something back is lost. */
    const losing =
      (sendsAgain: boolean) =>
      (ledger: Ledger): Ledger => {
        let unsure = 0;
        return {
          ...ledger,
          async leaseCredits(leases) {
            const sent = leases.map((lease) => ({
              ...lease,
              returned: lease.returned + (sendsAgain ? unsure : 0),
            }));
            unsure = leases.reduce((sum, { returned }) => sum + returned, 0);
            const grants = await ledger.leaseCredits(sent);
            if (unsure > 0) throw new Error('the reply was lost');
            return grants;
          },
        };
      };
    const total = async (sendsAgain: boolean): Promise<number> => {
      const { accepted, cluster } = await spend({
        ...LOAD,
        seed: 1,
        initial: 100_000,
        burstsMs: 5000,
        weather: { ...CALM, sabotage: losing(sendsAgain) },
      });
      return accepted + cluster.left(creditLimit(100_000));
    };
    expect(await total(false)).toBeLessThanOrEqual(100_000);
    expect(await total(true)).toBeGreaterThan(100_000);
  });

  test('nobody is told that the balance was set', async () => {
    const quiet = ({ ledger }: Cluster): void => ledger.setBalance(ID, 0);
    expect(await most(CALM, quiet)).toBeGreaterThan(0);
  });

  test('what was leased before goes back into the balance that was set', async () => {
    const blind = (ledger: Ledger): Ledger => ({
      ...ledger,
      leaseCredits: async (leases) => {
        // Every generation is taken for the latest.
        const [told] = await ledger.leaseCredits(
          leases.map((lease) => ({ ...lease, need: 0, want: 0, returned: 0 })),
        );
        return ledger.leaseCredits(leases.map((lease) => ({ ...lease, generation: told?.generation ?? 0 })));
      },
    });
    const cut = (cluster: Cluster): void => {
      cluster.ledger.setBalance(ID, 0);
      for (const budgets of cluster.budgets) budgets.forget({ kind: 'limit', id: ID });
    };
    expect(await most({ ...CALM, sabotage: blind }, cut)).toBeGreaterThan(0);
  });
});
