import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAME = /^latchkey-test-(\d+)-/;

/** A run that is longer than this ago has ended, ms: process ids are used again. */
const OLD_MS = 3_600_000;

/** Makes the folder for all files of one test run, and removes those that killed runs have left. */
export async function makeRunDirectory(): Promise<string> {
  const base = tmpdir();
  for (const name of await readdir(base)) {
    const pid = NAME.exec(name)?.[1];
    if (pid !== undefined && (await isAbandoned(join(base, name), Number(pid)))) {
      await rm(join(base, name), { recursive: true, force: true });
    }
  }
  return mkdtemp(join(base, `latchkey-test-${process.pid}-`));
}

async function isAbandoned(path: string, pid: number): Promise<boolean> {
  const { mtimeMs } = await stat(path);
  if (Date.now() - mtimeMs < OLD_MS) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
