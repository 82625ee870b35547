import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Program } from '../history/without-remedy.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** What stands in the compiled server for a remedy that a run can do without, and what instead. */
const REMEDIES = {
  /** What goes back is sent with the next lease again. */
  'tokens go back once': { file: 'rate-allowance.js', from: 'this.#returns.clear();', to: '' },
  /** A token may be spent whenever. */
  'tokens end with their bucket': {
    file: 'rate-allowance.js',
    from: 'if (nowMs >= this.#endMs)',
    to: 'if (nowMs < 0)',
  },
  /** Credits are kept that were leased before the balance was set, and came after that was heard of. */
  'a lease that was overtaken goes back': {
    file: 'credit-allowance.js',
    from: 'if (this.#overtaken)',
    to: 'if (false)',
  },
} as const;

/** A copy of the compiled server without one remedy. @throws Error if what stands for it is not there exactly once */
export async function buildWithout(remedy: keyof typeof REMEDIES): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-without-'));
  await cp(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(directory, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const { file, from, to } = REMEDIES[remedy];
  const path = join(directory, 'dist/server/budgets', file);
  const code = await readFile(path, 'utf8');
  if (code.split(from).length !== 2)
    throw new Error(`${file} does not have exactly one ${JSON.stringify(from)}`);
  await writeFile(path, code.replace(from, to));
  return {
    path: join(directory, 'dist/server/main.js'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
