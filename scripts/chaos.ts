/**
 * The long forms of test/integration/faults/{history,limits-history,limits-credits}.test.ts:
 * `npm run test:chaos:long [-- [access|limits|credits] [minutes [seed]]]` builds the server and runs three of them on a
 * Postgres of its own; without a word it does all, one after the other.
 *
 * - access: holds every verification against every change while the servers and the database are harmed;
 * - limits: offers them more than their rate limits allow, undisturbed, then harmed and with numbers changed;
 * - credits: spends balances of 100,000, one of the servers killed midway; takes as long as it takes.
 *
 * Ends with exit code 1 if a verification passed that must not: one that started after an `effective_time`, one of more than
 * a limit allows in an interval, one of a balance that was spent; or if more than a hundredth of a balance was stranded.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { runHistory, summaryOf } from '../test/support/history/run-history.ts';
import { administer, databaseUrl } from '../test/support/administer.ts';
import type { CasePlan } from '../test/support/limit-history/cases.ts';
import { startCreditWorld } from '../test/support/limit-history/run-credits.ts';
import { runLimitHistory } from '../test/support/limit-history/run-limit-history.ts';
import { runPostgres } from '../test/support/run-postgres.ts';

const MINUTE_MS = 60_000;
/** However long that takes. */
const ENOUGH = { verifications: 1_000_000, changes: 1000 };

/** Each by itself, undisturbed: what it costs the ledger, and what it makes of its number. */
const CALM: readonly CasePlan[] = [
  { on: 'key', keys: 1, limit: 10_000, windowMs: 10_000, costMax: 1, batch: 32 },
  { on: 'key', keys: 1, limit: 20, windowMs: 1000, costMax: 1, batch: 2 },
  { on: 'policy', keys: 1000, limit: 100, windowMs: 10_000, costMax: 1, batch: 256 },
  { on: 'owner', keys: 5, limit: 1000, windowMs: 10_000, costMax: 1, batch: 16 },
];
/** A window, and three times as long as it takes until all that a window admits has left the ledger: see `BUCKETS`. */
const CALM_MS = 41_500;

/** All at once, harmed. */
const HARMED: readonly CasePlan[] = [
  { on: 'key', keys: 1, limit: 10_000, windowMs: 10_000, costMax: 1, batch: 32 },
  { on: 'key', keys: 1, limit: 20, windowMs: 1000, costMax: 1, batch: 2 },
  { on: 'key', keys: 1, limit: 300, windowMs: 3000, costMax: 5, batch: 8 },
  { on: 'policy', keys: 200, limit: 100, windowMs: 10_000, costMax: 1, batch: 64 },
  { on: 'owner', keys: 5, limit: 1000, windowMs: 10_000, costMax: 1, batch: 16 },
];

const CREDITS = 100_000;
const CREDIT_RUNS = 20;
/** Runs more in which the balance is set and answers are lost. */
const SET_RUNS = 5;

const PARTS = ['access', 'limits', 'credits'] as const;
type Part = (typeof PARTS)[number];

const words = process.argv.slice(2);
const only = PARTS.find((part) => part === words[0]);
const [minutes = '10', seedText = String(randomInt(2 ** 31))] = only === undefined ? words : words.slice(1);
const seed = Number(seedText);
const durationMs = Number(minutes) * MINUTE_MS;
if (!(durationMs > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write(`usage: npm run test:chaos:long [-- [${PARTS.join('|')}] [minutes [seed]]]\n`);
  process.exit(2);
}
execFileSync('npm', ['run', '--silent', 'build'], { cwd: fileURLToPath(new URL('..', import.meta.url)) });
const postgres = await runPostgres({ choice: undefined });

async function newDatabase(): Promise<string> {
  const name = `latchkey_chaos_${randomBytes(4).toString('hex')}`;
  await administer(postgres.url, (client) => client.query(`CREATE DATABASE ${name}`));
  return databaseUrl(postgres.url, name);
}

async function crashDatabase(): Promise<void> {
  await postgres.kill();
  await postgres.start();
}

function tell(report: object, violations: readonly string[]): void {
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  if (violations.length > 0) process.exitCode = 1;
}

const RUNS: Readonly<Record<Part, () => Promise<void>>> = {
  async access() {
    process.stdout.write(`${minutes} minutes or more on ${postgres.source}, seed ${seed} …\n`);
    const report = await runHistory({
      databaseUrl: await newDatabase(),
      seed,
      durationMs,
      enough: ENOUGH,
      faults: true,
      crashDatabase,
    });
    tell(summaryOf(report), report.violations);
  },

  async limits() {
    for (const plan of CALM) {
      process.stdout.write(`limits in overload, ${CALM_MS / 1000} s on ${postgres.source}, seed ${seed} …\n`);
      const cases = [plan];
      const report = await runLimitHistory({
        databaseUrl: await newDatabase(),
        seed,
        durationMs: CALM_MS,
        cases,
        faults: false,
      });
      tell(report, report.violations);
    }
    process.stdout.write(`limits in overload, harmed, ${minutes} minutes, seed ${seed} …\n`);
    const report = await runLimitHistory({
      databaseUrl: await newDatabase(),
      seed,
      durationMs,
      cases: HARMED,
      faults: true,
      crashDatabase,
    });
    tell(report, report.violations);
  },

  async credits() {
    process.stdout.write(
      `${CREDIT_RUNS + SET_RUNS} balances of ${CREDITS} on ${postgres.source}, seeds from ${seed} …\n`,
    );
    const world = await startCreditWorld({ databaseUrl: await newDatabase() });
    try {
      for (let index = 0; index < CREDIT_RUNS + SET_RUNS; index += 1) {
        const disturbed = index >= CREDIT_RUNS ? { sets: 5, losses: 5 } : { sets: 0, losses: 0 };
        const report = await world.run({ seed: seed + index, credits: CREDITS, ...disturbed });
        const stranded = (report.stranded ?? 0) > CREDITS / 100 ? ['too much is stranded'] : [];
        process.stdout.write(`${JSON.stringify({ seed: seed + index, ...report })}\n`);
        if (report.violations.length + stranded.length > 0) process.exitCode = 1;
      }
    } finally {
      await world.close();
    }
  },
};

try {
  for (const part of only === undefined ? PARTS : [only]) await RUNS[part]();
} finally {
  await postgres.stop();
}
// A connection that a fault has left half-open would keep the process.
process.exit();
