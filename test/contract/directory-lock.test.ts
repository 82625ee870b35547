import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DirectoryInUse, lockDirectory } from '../../server/store/engines/directory-lock.ts';
import { openEmbeddedEngine } from '../support/open-engine.ts';
import { createTemporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';

let directory: TemporaryDirectory;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await createTemporaryDirectory();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await directory.remove();
});

/** Another process that holds the lock of a directory from the moment this returns until it is killed. */
async function holdElsewhere(path: string): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('hold-directory.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

it('makes the directory, with its parents, for its owner only', async () => {
  const path = join(directory.path, 'deep', 'data');
  const lock = await lockDirectory(path);
  expect((await stat(path)).mode & 0o777).toBe(0o700);
  await lock.release();
});

it('refuses a second lock, names the directory and says what to do', async () => {
  const lock = await lockDirectory(directory.path);
  const second = lockDirectory(directory.path);
  await expect(second).rejects.toThrow(DirectoryInUse);
  await expect(second).rejects.toThrow(directory.path);
  await expect(second).rejects.toThrow('LATCHKEY_DATA_DIR');
  await lock.release();
});

it('refuses it under another name of the same directory too', async () => {
  const [real, alias] = [join(directory.path, 'real'), join(directory.path, 'alias')];
  await mkdir(real);
  await symlink(real, alias);
  const lock = await lockDirectory(real);
  for (const name of [alias, `${real}/../real/.`]) {
    await expect(lockDirectory(name)).rejects.toThrow(DirectoryInUse);
  }
  await lock.release();
});

it('lets two directories be locked beside each other', async () => {
  const locks = [
    await lockDirectory(join(directory.path, 'a')),
    await lockDirectory(join(directory.path, 'b')),
  ];
  await Promise.all(locks.map((lock) => lock.release()));
});

it('can be taken again after its release, and not by two at once', async () => {
  for (let round = 0; round < 3; round += 1) {
    const attempts = await Promise.allSettled([1, 2, 3].map(() => lockDirectory(directory.path)));
    const held = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
    expect(held).toHaveLength(1);
    await held[0]?.release();
  }
});

it('keeps a second process out, and lets it in once the first was killed', async () => {
  const holder = await holdElsewhere(directory.path);
  await expect(lockDirectory(directory.path)).rejects.toThrow(DirectoryInUse);
  await expect(openEmbeddedEngine(directory.path)).rejects.toThrow(DirectoryInUse);

  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const lock = await lockDirectory(directory.path);
  await lock.release();
});
