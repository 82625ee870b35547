import { randomInt } from 'node:crypto';
import { check, integer, property, record, array } from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/create-database.ts';
import type { CasePlan } from '../../support/limit-history/cases.ts';
import { runLimitHistory } from '../../support/limit-history/run-limit-history.ts';
import { worstInterval } from '../../support/limit-history/worst-interval.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(async () => {
  await database.drop();
});

const seed = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31));

/** The long form is `npm run test:chaos:long -- limits`. */
const CASES: readonly CasePlan[] = [
  { on: 'key', keys: 1, limit: 2000, windowMs: 2000, costMax: 1, batch: 32 },
  { on: 'key', keys: 1, limit: 20, windowMs: 1000, costMax: 1, batch: 2 },
  { on: 'key', keys: 1, limit: 100, windowMs: 1000, costMax: 5, batch: 4 },
  { on: 'policy', keys: 100, limit: 20, windowMs: 2000, costMax: 1, batch: 64 },
  { on: 'owner', keys: 5, limit: 200, windowMs: 2000, costMax: 1, batch: 8 },
];

test('three replicas in overload admit, in any interval of a window’s length, no more than the number', async () => {
  const report = await runLimitHistory({
    databaseUrl: database.url,
    seed,
    durationMs: 5000,
    cases: CASES,
    faults: false,
  });
  process.stdout.write(`${JSON.stringify(report)}\n`);
  expect(report.violations, `TEST_SEED=${seed}`).toEqual([]);
  // Nine tenths on a calm machine; this one may be busy, and too busy to offer as much as is allowed.
  for (const { utilisation, overload, limit } of report.cases)
    expect(utilisation, `utilisation of ${limit}`).toBeGreaterThan(0.5 * Math.min(1, overload));
}, 120_000);

test('nor while they are stopped, killed and cut off, and numbers are lowered and overridden', async () => {
  const report = await runLimitHistory({
    databaseUrl: database.url,
    seed,
    durationMs: Number(process.env['TEST_HISTORY_MS'] ?? 8000),
    cases: CASES,
    faults: true,
  });
  process.stdout.write(`${JSON.stringify(report)}\n`);
  expect(report.violations, `TEST_SEED=${seed}`).toEqual([]);
  for (const { admitted, limit } of report.cases) expect(admitted, `admitted of ${limit}`).toBeGreaterThan(0);
}, 120_000);

test('the worst interval is the one that trying them all finds', () => {
  const LENGTH = 10;
  const admission = record({
    sentMs: integer({ min: 0, max: 40 }),
    tookMs: integer({ min: 0, max: 12 }),
    cost: integer({ min: 1, max: 3 }),
  });
  const outcome = check(
    property(array(admission, { maxLength: 30 }), (made) => {
      const admissions = made.map(({ sentMs, tookMs, cost }) => ({
        sentMs,
        answeredMs: sentMs + tookMs,
        cost,
      }));
      const sums = Array.from({ length: 41 }, (_, fromMs) =>
        admissions
          .filter(({ sentMs, answeredMs }) => sentMs >= fromMs && answeredMs < fromMs + LENGTH)
          .reduce((sum, { cost }) => sum + cost, 0),
      );
      expect(worstInterval(admissions, LENGTH).cost).toBe(Math.max(0, ...sums));
    }),
    { numRuns: 2000 },
  );
  expect(outcome.failed, JSON.stringify(outcome.counterexample)).toBe(false);
});
