import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/create-database.ts';
import { runHistory, summaryOf } from '../../support/history/run-history.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(async () => {
  await database.drop();
});

// The long form is `npm run test:chaos:long`.
test('no verification that starts after effective_time passes, on three replicas that are stopped, killed and cut off', async () => {
  const seed = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31));
  const report = await runHistory({
    databaseUrl: database.url,
    seed,
    durationMs: Number(process.env['TEST_HISTORY_MS'] ?? 15_000),
    enough: { verifications: 1000, changes: 20 },
    faults: true,
  });
  process.stdout.write(`${JSON.stringify(summaryOf(report))}\n`);
  expect(report.violations, `TEST_SEED=${seed}`).toEqual([]);
}, 120_000);
