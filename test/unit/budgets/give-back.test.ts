import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LiveLimit } from '../../../core/limit.ts';
import { createRandom } from '../../support/random.ts';
import { createCluster, creditLimit, rateLimit, type Exchange } from './cluster.ts';

const REPLICAS = 2;

/** What one replica was granted of one limit and gave back, as far as it can know. */
interface Account {
  granted: number;
  returned: number;
}

/**
 * The accounts by replica and limit. Each token belongs to the label, or the generation, that it was granted under, and
 * what goes back with a call has gone back, whether its reply came or not.
 * @throws if at any time more went back of a label than was granted of it before
 */
function audit(traffic: readonly Exchange[]): ReadonlyMap<string, Account> {
  const held = new Map<string, number>();
  const accounts = new Map<string, Account>();
  for (const { replica, leases, reached, grants } of traffic) {
    // What never got there has not gone back, and comes again.
    if (!reached) continue;
    leases.forEach((lease, index) => {
      const owner = `${replica} ${lease.id}`;
      const account = accounts.get(owner) ?? { granted: 0, returned: 0 };
      accounts.set(owner, account);
      const returns =
        'returns' in lease ? lease.returns : [{ label: lease.generation, count: lease.returned }];
      for (const { label, count } of returns) {
        const key = `${owner} ${label}`;
        expect(count).toBeGreaterThanOrEqual(0);
        expect(held.get(key) ?? 0).toBeGreaterThanOrEqual(count);
        held.set(key, (held.get(key) ?? 0) - count);
        account.returned += count;
      }
      const grant = grants?.[index];
      if (grant === undefined) return;
      const key = `${owner} ${'label' in grant ? grant.label : grant.generation}`;
      held.set(key, (held.get(key) ?? 0) + grant.granted);
      account.granted += grant.granted;
    });
  }
  return accounts;
}

/** Limits as they are now and as they may be changed to. */
const VARIANTS: readonly (readonly LiveLimit[])[] = [
  [rateLimit(40, 2000), rateLimit(300, 1000)],
  [rateLimit(12, 2000), rateLimit(300, 1000)],
  [
    rateLimit(40, 2000, { override: { limit: 'calls', value: 90, endTimeMs: 1_004_000 } }),
    rateLimit(250, 1000),
  ],
  [
    rateLimit(40, 2000, { override: { limit: 'calls', value: 5, endTimeMs: 1_006_000 } }),
    rateLimit(300, 1000),
  ],
].map(([calls, other]) =>
  [calls, other && { ...other, name: 'other', ledgerId: 'key_a other 1000' }, creditLimit(400)].filter(
    (limit) => limit !== undefined,
  ),
);

const step = fc.record({
  replica: fc.nat({ max: REPLICAS - 1 }),
  variant: fc.constantFrom(0, 0, 0, 1, 2, 3),
  costs: fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 30 }), fc.nat({ max: 60 })),
  waitMs: fc.constantFrom(0, 0, 2, 40, 300, 2600),
  /** What befalls the balance before it. */
  balance: fc.constantFrom(undefined, undefined, undefined, undefined, 0, 200, 1000),
  /** Changes how many replies are lost from now on. */
  lost: fc.constantFrom(undefined, undefined, undefined, 0, 0.5, 1),
  /** Cuts off the ledger, or joins it again. */
  cut: fc.constantFrom(undefined, undefined, undefined, undefined, true, false, false),
});

/** Runs steps, several at once; what each replica spent of each limit, and what the calls were. */
async function live(
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
  seed: number,
  /** Whether replies are lost, and balances set. */
  losses: boolean,
): Promise<{ readonly accounts: ReadonlyMap<string, Account>; readonly spent: ReadonlyMap<string, number> }> {
  const weather = { delayMs: 30, lost: 0 };
  const cluster = createCluster({ replicas: REPLICAS, random: createRandom(seed), weather });
  const spent = new Map<string, number>();
  for (const { replica, variant, costs, waitMs, balance, lost, cut } of steps) {
    if (losses && lost !== undefined) weather.lost = lost;
    if (cut !== undefined) cluster.cut(cut);
    if (losses && balance !== undefined) {
      cluster.ledger.setBalance('key_a credits', balance);
      for (const budgets of cluster.budgets) budgets.forget({ kind: 'limit', id: 'key_a credits' });
    }
    const limits = VARIANTS[variant] ?? [];
    const charges = limits.map(({ name }, index) => ({ limit: name, cost: costs[index] ?? 0 }));
    cluster.begin(limits, charges, { replica }, ({ refusal }) => {
      if (refusal !== undefined) return;
      for (const [index, { ledgerId }] of limits.entries()) {
        const owner = `${replica} ${ledgerId}`;
        spent.set(owner, (spent.get(owner) ?? 0) + (costs[index] ?? 0));
      }
    });
    await cluster.wait(waitMs);
  }
  cluster.cut(false);
  await cluster.run();
  await cluster.stop();
  return { accounts: audit(cluster.traffic), spent };
}

describe('what goes back to the ledger, of each label and each generation', () => {
  test('is never more than was granted and not spent; each token goes back once, whatever is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer(), async (steps, seed) => {
        const { accounts, spent } = await live(steps, seed, true);
        for (const [owner, { granted, returned }] of accounts)
          expect(returned, owner).toBeLessThanOrEqual(granted - (spent.get(owner) ?? 0));
      }),
      { numRuns: 150 },
    );
  });

  test('is all that was not spent, once the replicas have stopped, if no reply is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer(), async (steps, seed) => {
        const { accounts, spent } = await live(steps, seed, false);
        for (const [owner, { granted, returned }] of accounts)
          expect(returned, owner).toBe(granted - (spent.get(owner) ?? 0));
      }),
      { numRuns: 150 },
    );
  });
});
