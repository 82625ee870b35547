/**
 * The long form of test/integration/faults/history.test.ts: `npm run test:chaos:long [-- minutes [seed]]` builds the server,
 * runs three of them on a Postgres of its own, and holds every verification against every change while both are harmed,
 * the database too. Ends with exit code 1 if a verification that started after an `effective_time` passed.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { runHistory, summaryOf } from '../test/support/history/run-history.ts';
import { administer, databaseUrl } from '../test/support/administer.ts';
import { runPostgres } from '../test/support/run-postgres.ts';

const MINUTE_MS = 60_000;
/** However long that takes. */
const ENOUGH = { verifications: 1_000_000, changes: 1000 };

const [minutes = '10', seedText = String(randomInt(2 ** 31))] = process.argv.slice(2);
const seed = Number(seedText);
if (!(Number(minutes) > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write('usage: npm run test:chaos:long [-- minutes [seed]]\n');
  process.exit(2);
}
execFileSync('npm', ['run', '--silent', 'build'], { cwd: fileURLToPath(new URL('..', import.meta.url)) });
const postgres = await runPostgres({ choice: undefined });
try {
  process.stdout.write(`${minutes} minutes or more on ${postgres.source}, seed ${seed} …\n`);
  const name = `latchkey_chaos_${randomBytes(4).toString('hex')}`;
  await administer(postgres.url, (client) => client.query(`CREATE DATABASE ${name}`));
  const report = await runHistory({
    databaseUrl: databaseUrl(postgres.url, name),
    seed,
    durationMs: Number(minutes) * MINUTE_MS,
    enough: ENOUGH,
    faults: true,
    async crashDatabase() {
      await postgres.kill();
      await postgres.start();
    },
  });
  process.stdout.write(`${JSON.stringify(summaryOf(report), undefined, 2)}\n`);
  if (report.violations.length > 0) process.exitCode = 1;
} finally {
  await postgres.stop();
}
// A connection that a fault has left half-open would keep the process.
process.exit();
