import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LiveLimit } from '../../../core/limit.ts';
import { createRandom } from '../../support/random.ts';
import { createCluster, creditLimit, rateLimit, type Cluster } from './cluster.ts';

/** So long that nothing comes back within a test. */
const HOUR_MS = 3_600_000;

function limitOf(index: number, kind: 'RATE' | 'CREDITS', size: number, onDemand: boolean): LiveLimit {
  const name = `limit-${index}`;
  return kind === 'RATE'
    ? rateLimit(size, HOUR_MS, { name, ledgerId: `key_a ${name} ${HOUR_MS}`, onDemand })
    : creditLimit(size, { name, ledgerId: `key_a ${name}`, onDemand });
}

const someLimits = fc
  .array(fc.tuple(fc.constantFrom('RATE', 'CREDITS'), fc.integer({ min: 1, max: 60 }), fc.boolean()), {
    minLength: 1,
    maxLength: 4,
  })
  .map((shapes) => shapes.map(([kind, size, onDemand], index) => limitOf(index, kind, size, onDemand)));

const step = fc.record({
  replica: fc.nat({ max: 1 }),
  /** Of each limit; undefined: it is not named. */
  costs: fc.array(fc.option(fc.nat({ max: 20 }), { nil: undefined }), { minLength: 4, maxLength: 4 }),
  checkOnly: fc.boolean(),
  waitMs: fc.constantFrom(0, 0, 3, 150, 1100, 2600),
});

interface Charged {
  readonly index: number;
  readonly limit: LiveLimit;
  readonly cost: number;
}

/** What a step costs of each limit, as the contract says. */
function costsOf(limits: readonly LiveLimit[], costs: readonly (number | undefined)[]): readonly Charged[] {
  return limits.map((limit, index) => ({ index, limit, cost: costs[index] ?? (limit.onDemand ? 0 : 1) }));
}

const chargesOf = (limits: readonly LiveLimit[], costs: readonly (number | undefined)[]) =>
  limits.flatMap(({ name }, index) => {
    const cost = costs[index];
    return cost === undefined ? [] : [{ limit: name, cost }];
  });

/** What is gone from the ledger once everything was given back. */
async function takenFrom(cluster: Cluster, limits: readonly LiveLimit[]): Promise<readonly number[]> {
  await cluster.stop();
  return limits.map((limit) => sizeOf(limit) - cluster.left(limit));
}

const sizeOf = ({ rule }: LiveLimit): number => (rule.kind === 'RATE' ? rule.limit : rule.initial);

describe('whatever is charged, of whichever limits', () => {
  test('one replica refuses exactly what is not there, and what it accepts is all that is taken', async () => {
    const verdicts = new Map<string | undefined, number>();
    await fc.assert(
      fc.asyncProperty(
        someLimits,
        fc.array(step, { maxLength: 30 }),
        fc.integer(),
        async (limits, steps, seed) => {
          const cluster = createCluster({
            replicas: 1,
            random: createRandom(seed),
            weather: { delayMs: 3, lost: 0 },
          });
          const taken = limits.map(() => 0);
          for (const { costs, checkOnly, waitMs } of steps) {
            const outcome = await cluster.charge(limits, chargesOf(limits, costs), { checkOnly });
            const charged = costsOf(limits, costs);
            const lacking = charged.filter(
              ({ index, limit, cost }) => cost > sizeOf(limit) - (taken[index] ?? 0),
            );
            const kinds = lacking.map(({ limit }) =>
              limit.rule.kind === 'RATE' ? 'RATE_LIMITED' : 'CREDITS_EXHAUSTED',
            );
            if (outcome.refusal === undefined) expect(kinds).toEqual([]);
            else expect(kinds).toContain(outcome.refusal);
            verdicts.set(outcome.refusal, (verdicts.get(outcome.refusal) ?? 0) + 1);
            if (outcome.refusal === undefined && !checkOnly)
              for (const { index, cost } of charged) taken[index] = (taken[index] ?? 0) + cost;
            await cluster.wait(waitMs);
          }
          expect(await takenFrom(cluster, limits)).toEqual(taken);
        },
      ),
      { numRuns: 150 },
    );
    expect([...verdicts.keys()].toSorted()).toEqual(['CREDITS_EXHAUSTED', 'RATE_LIMITED', undefined]);
  });

  test('several at once on two replicas: what was accepted is all that is taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        someLimits,
        fc.array(step, { maxLength: 40 }),
        fc.integer(),
        async (limits, steps, seed) => {
          const cluster = createCluster({
            replicas: 2,
            random: createRandom(seed),
            weather: { delayMs: 40, lost: 0 },
          });
          const taken = limits.map(() => 0);
          let answers = 0;
          for (const { replica, costs, checkOnly, waitMs } of steps) {
            const charges = chargesOf(limits, costs);
            cluster.begin(limits, charges, { replica, checkOnly }, ({ refusal }) => {
              answers += 1;
              if (refusal !== undefined || checkOnly) return;
              for (const { index, cost } of costsOf(limits, costs)) taken[index] = (taken[index] ?? 0) + cost;
            });
            // The next comes while this one may still be on its way.
            await cluster.wait(waitMs);
          }
          await cluster.run();
          expect(answers).toBe(steps.length);
          expect(await takenFrom(cluster, limits)).toEqual(taken);
          for (const [index, limit] of limits.entries())
            expect(taken[index]).toBeLessThanOrEqual(sizeOf(limit));
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a verification that one of its limits refuses', () => {
  const calls = rateLimit(10, HOUR_MS);
  const few = rateLimit(3, HOUR_MS, { name: 'few', ledgerId: 'key_a few' });
  const credits = creditLimit(5);

  test.each([
    ['a rate limit', [calls, few], 'RATE_LIMITED'],
    ['one that stands first', [few, calls], 'RATE_LIMITED'],
    ['a balance', [calls, credits], 'CREDITS_EXHAUSTED'],
  ] as const)('takes nothing from the others: %s', async (_what, limits, refusal) => {
    const cluster = createCluster({ replicas: 1, random: createRandom(1), weather: { delayMs: 1, lost: 0 } });
    const charges = limits.map(({ name }) => ({ limit: name, cost: name === 'calls' ? 2 : 6 }));
    for (let round = 0; round < 20; round += 1) {
      expect(await cluster.charge(limits, charges)).toMatchObject({ refusal });
      await cluster.wait(300);
    }
    // All ten are there.
    expect(await cluster.charge([calls], [{ limit: 'calls', cost: 10 }])).toMatchObject({
      refusal: undefined,
    });
    expect(await cluster.charge([calls])).toMatchObject({ refusal: 'RATE_LIMITED' });
  });
});
