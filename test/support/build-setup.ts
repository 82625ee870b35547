import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

let built = false;

/** vitest's global setup: builds the server once a run, for the tests that start it as its users do. */
export default function setup(): void {
  if (built) return;
  built = true;
  execFileSync('npm', ['run', '--silent', 'build'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
