/**
 * `npm test`: everything that a change must pass, one step after the other, with a closing line that counts.
 *
 * Each check of the house (format, lint, types, drift, packages) counts as one; the tests count each for itself. A
 * step that fails does not stop the others, so that one run tells all.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

const npx = (...args: string[]): Step['command'] => ['npx', '--no-install', ...args];

const CHECKS: readonly Step[] = [
  { name: 'format', command: npx('prettier', '--check', '--log-level', 'warn', '.') },
  { name: 'lint', command: npx('oxlint', '--type-aware', '--deny-warnings') },
  { name: 'types', command: npx('tsc', '-p', '.') },
  { name: 'contract: lint', command: npx('buf', 'lint') },
  { name: 'contract: nothing broken since main', command: npx('tsx', 'scripts/check-breaking.ts') },
  { name: 'generated code is current', command: npx('tsx', 'scripts/generate.ts', '--check') },
  { name: 'schema dump is current', command: npx('tsx', 'scripts/dump-schema.ts', '--check') },
  { name: 'configuration page is current', command: npx('tsx', 'scripts/document-settings.ts', '--check') },
  { name: 'no unused files, exports or packages', command: npx('knip') },
  { name: 'build of the server', command: ['npm', 'run', '--silent', 'build'] },
  { name: 'build of the SDK', command: ['npm', 'run', '--silent', 'build', '-w', 'sdk'] },
  { name: 'package of the SDK', command: ['npm', 'run', '--silent', 'check', '-w', 'sdk'] },
];

/** The environment of the steps: settings of a Latchkey that someone runs here must not reach the tests. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('LATCHKEY_')),
);

/** Runs a command; its output is shown as it comes, or only if it fails. */
function run([command, ...args]: Step['command'], output: 'shown' | 'if-failed'): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env: environment,
      stdio: [
        'ignore',
        ...(output === 'shown' ? (['inherit', 'inherit'] as const) : (['pipe', 'pipe'] as const)),
      ],
    });
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => {
      console.error(error.message);
      resolve(false);
    });
    child.on('close', (code) => {
      if (code !== 0) process.stdout.write(Buffer.concat(chunks));
      resolve(code === 0);
    });
  });
}

const counts = { passed: 0, failed: 0, skipped: 0 };

for (const { name, command } of CHECKS) {
  const startMs = performance.now();
  const passed = await run(command, 'if-failed');
  counts[passed ? 'passed' : 'failed'] += 1;
  console.log(`${passed ? '✓' : '✗'} ${name} (${((performance.now() - startMs) / 1000).toFixed(1)} s)`);
}

const results = mkdtempSync(join(tmpdir(), 'latchkey-results-'));
try {
  const file = join(results, 'vitest.json');
  const passed = await run(
    npx('vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`),
    'shown',
  );
  const report = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>)
    : { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
  counts.passed += report['numPassedTests'] ?? 0;
  counts.skipped += (report['numPendingTests'] ?? 0) + (report['numTodoTests'] ?? 0);
  // A run can fail without a failed test: a leaked handle, an error outside of a test, a file that does not load.
  counts.failed += Math.max(report['numFailedTests'] ?? 0, passed ? 0 : 1);
} finally {
  rmSync(results, { recursive: true, force: true });
}

console.log(
  `\n${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`,
);
process.exitCode = counts.failed === 0 ? 0 : 1;
