import { cp, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';

/** A folder for one test or test file. */
export interface TemporaryDirectory {
  readonly path: string;
  remove(): Promise<void>;
}

/** A new folder, mode 0700. What a test does not remove goes with the run. */
export async function createTemporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(inject('testRun').directory, 'test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/**
 * A new data directory of the embedded engine whose schema is up to date and which is otherwise empty: a server on it
 * starts in half a second instead of four, and makes its root key.
 */
export async function createDataDirectory(): Promise<TemporaryDirectory> {
  const directory = await createTemporaryDirectory();
  await cp(inject('testRun').seed, directory.path, { recursive: true });
  return directory;
}
