import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/create-database.ts';
import { startCreditWorld, type CreditWorld } from '../../support/limit-history/run-credits.ts';

let database: TestDatabase;
let world: CreditWorld;
beforeAll(async () => {
  database = await createDatabase();
  world = await startCreditWorld({ databaseUrl: database.url });
});
afterAll(async () => {
  await world.close();
  await database.drop();
});

const seed = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31));

/** The long form, `npm run test:chaos:long -- credits`, has more credits, of which a smaller part can be stranded. */
const CREDITS = 20_000;

test('of a balance on three replicas, one of which is killed, no more is accepted than was granted', async () => {
  const report = await world.run({ seed, credits: CREDITS, sets: 0, losses: 0 });
  process.stdout.write(`${JSON.stringify({ seed, ...report })}\n`);
  expect(report.violations, `TEST_SEED=${seed}`).toEqual([]);
  // What one replica spends in a tenth of a second, or a half of its share.
  expect(report.stranded).toBeLessThanOrEqual(CREDITS / 10);
}, 120_000);

test('nor when it is set meanwhile and answers of the ledger are lost', async () => {
  const report = await world.run({ seed, credits: CREDITS, sets: 3, losses: 3 });
  process.stdout.write(`${JSON.stringify({ seed, ...report })}\n`);
  expect(report.violations, `TEST_SEED=${seed}`).toEqual([]);
  expect(report.sets).toBe(3);
}, 120_000);
