import { expect, test } from 'vitest';
import type { LiveLimit } from '../../../core/limit.ts';
import { createBudgets } from '../../../server/budgets/budgets.ts';
import { captureLogger } from '../../support/capture-logger.ts';
import { createTestClock } from '../../support/test-clock.ts';
import { rateLimit } from './cluster.ts';
import { createExactLedger } from './exact-ledger.ts';

const LIMITS: readonly LiveLimit[] = [rateLimit(1000, 20_000)];

/** Budgets that hold something, under clocks that can part. */
async function holding() {
  const clock = createTestClock();
  const ledger = createExactLedger({ nowMs: () => clock.nowMs(), replicas: 1 });
  let answer = async (): Promise<void> => {};
  const budgets = createBudgets({
    ledger: {
      async leaseRates(leases) {
        const grants = ledger.leaseRates(leases);
        await answer();
        return grants;
      },
      leaseCredits: async (leases) => ledger.leaseCredits(leases),
    },
    isFresh: () => true,
    clock,
    logger: captureLogger().logger,
  });
  for (let call = 0; call < 40; call += 1) await budgets.charge(LIMITS, [], false);
  const holds = (): boolean => budgets.tryCharge(LIMITS, [], false) !== undefined;
  const hold = (during: () => Promise<void>): void => void (answer = during);
  return { clock, budgets, holds, hold };
}

test('what was leased before the machine was suspended is not spent after it', async () => {
  const { clock, holds } = await holding();
  expect(holds()).toBe(true);
  // The monotonic clock stood still.
  clock.suspend(60_000);
  expect(holds()).toBe(false);
});

test('nor is what was on its way meanwhile', async () => {
  const { clock, budgets, holds, hold } = await holding();
  let release = (): void => {};
  hold(() => new Promise((resolve) => (release = resolve)));
  while (holds());
  const late = budgets.charge(LIMITS, [], false);
  await new Promise((resolve) => setTimeout(resolve, 20));
  clock.suspend(60_000);
  expect(holds()).toBe(false);
  hold(async () => {});
  const { calls } = budgets.stats();
  release();
  expect((await late).refusal).toBeUndefined();
  // It was given back, and another one asked for.
  expect(budgets.stats().calls).toBeGreaterThan(calls);
});

test('clocks that go on together, and a wall clock that is set back, void nothing', async () => {
  const { clock, holds } = await holding();
  for (let step = 0; step < 10; step += 1) {
    clock.advance(20);
    expect(holds()).toBe(true);
  }
  clock.setWall(clock.nowMs() - 60_000);
  expect(holds()).toBe(true);
});
