/** Compares the contract with that of the branch `main`: nothing that a client relies on may break. */
import { execFileSync, spawnSync } from 'node:child_process';

const main = ['main', 'origin/main'].find(
  (ref) => spawnSync('git', ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`]).status === 0,
);
if (main === undefined) {
  console.log('there is no branch main here to compare the contract with');
} else {
  const commit = execFileSync('git', ['rev-parse', main]).toString().trim();
  const { status } = spawnSync(
    'npx',
    ['--no-install', 'buf', 'breaking', '--against', `.git#ref=${commit}`],
    {
      stdio: 'inherit',
    },
  );
  process.exitCode = status ?? 1;
}
