import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.ts';
import { migrate } from '../../server/store/migrate.ts';
import { createStore } from '../../server/store/store.ts';
import { openEmbeddedEngine } from '../support/open-engine.ts';
import {
  createDataDirectory,
  createTemporaryDirectory,
  type TemporaryDirectory,
} from '../support/temporary-directory.ts';
import { newKey, newKeyspace } from './records.ts';

let directory: TemporaryDirectory;
beforeEach(async () => {
  directory = await createDataDirectory();
});
afterEach(() => directory.remove());

it('keeps all data from one opening to the next', async () => {
  const keyspace = newKeyspace();
  const keys = [1, 2, 3].map(() => newKey(keyspace.id));
  for (const [round, key] of keys.entries()) {
    const engine = await openEmbeddedEngine(directory.path);
    const store = createStore(engine.knex);
    if (round === 0) await store.keyspaces.insert(keyspace);
    await store.transaction(async (tx) => {
      await tx.keys.insert(key);
      await tx.changes.advance([], { wait: false });
    });
    expect(await store.changes.head()).toEqual({ shard: 0, seq: round + 1 });
    for (const earlier of keys.slice(0, round + 1)) expect(await store.keys.get(earlier.id)).toEqual(earlier);
    await engine.close();
  }
});

it('finds no step to take on a directory of the same version', async () => {
  const engine = await openEmbeddedEngine(directory.path);
  expect(await migrate(engine.knex, MIGRATIONS)).toEqual([]);
  await engine.close();
});

it('makes its files in a folder that only its owner can enter', async () => {
  const fresh = await createTemporaryDirectory();
  const dataDir = join(fresh.path, 'data');
  const engine = await openEmbeddedEngine(dataDir);
  await engine.close();
  expect(await readdir(dataDir)).toEqual(['db']);
  for (const path of [dataDir, join(dataDir, 'db')]) expect((await stat(path)).mode & 0o077).toBe(0);
  await fresh.remove();
});

it('gives the directory back when opening fails', async () => {
  const broken = await createTemporaryDirectory();
  await writeFile(join(broken.path, 'db'), 'a file where the folder should be');
  for (let attempt = 0; attempt < 2; attempt += 1) {
    // Not DirectoryInUse at the second.
    await expect(openEmbeddedEngine(broken.path)).rejects.toMatchObject({ code: 'EEXIST' });
  }
  await broken.remove();
});

it('goes on with its one connection after an error, a rollback and a timeout', async () => {
  const engine = await openEmbeddedEngine(directory.path);
  const store = createStore(engine.knex);
  for (let round = 0; round < 5; round += 1) {
    await expect(engine.knex.raw('SELECT 1 / 0')).rejects.toThrow('division by zero');
    await expect(
      store.transaction(async (tx) => {
        await tx.changes.advance([], { wait: false });
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
  }
  expect(await store.changes.head()).toEqual({ shard: 0, seq: 0 });
  await engine.close();
});
