import { expect, it } from 'vitest';
import { Fault } from '../../core/fault.ts';
import { createStore } from '../../server/store/store.ts';
import { createDatabase } from '../support/create-database.ts';
import { openPostgresEngine } from '../support/open-engine.ts';
import { onEachEngine, onPostgres } from './each-engine.ts';
import { newKey, newKeyspace } from './records.ts';

const errorWithCode = (code: string): Error => Object.assign(new Error(`SQLSTATE ${code}`), { code });

/** Resolves for all when as many have arrived. */
function meeting(size: number): () => Promise<void> {
  let arrive = (): void => {};
  const all = new Promise<void>((resolve) => (arrive = resolve));
  let arrived = 0;
  return async () => {
    arrived += 1;
    if (arrived === size) arrive();
    await all;
  };
}

onEachEngine((subject) => {
  it('keeps all that its body did, and returns its value', async () => {
    const { store } = subject();
    const keyspace = newKeyspace();
    const key = newKey(keyspace.id);
    const value = await store.transaction(async (tx) => {
      await tx.keyspaces.insert(keyspace);
      await tx.keys.insert(key);
      return 'value';
    });
    expect(value).toBe('value');
    expect(await store.keys.get(key.id)).toEqual(key);
  });

  it('keeps nothing when its body throws, and throws that very error', async () => {
    const { store } = subject();
    const keyspace = newKeyspace();
    for (const error of [new Error('a defect'), new Fault('KEY_NOT_FOUND', 'there is no such key')]) {
      const failing = store.transaction(async (tx) => {
        await tx.keyspaces.insert(keyspace);
        throw error;
      });
      await expect(failing).rejects.toBe(error);
      expect(await store.keyspaces.get(keyspace.id)).toBeUndefined();
    }
  });

  it('keeps nothing when a statement fails, even if the body goes on', async () => {
    const { store } = subject();
    const keyspace = newKeyspace();
    await store.keyspaces.insert(keyspace);
    const other = newKeyspace();
    const failing = store.transaction(async (tx) => {
      await tx.keyspaces.insert(other);
      await tx.keyspaces.insert({ ...keyspace, id: 'ks_second' }).catch(() => {});
      await tx.changes.advance([], { wait: false });
    });
    await expect(failing).rejects.toMatchObject({ code: '25P02' });
    expect(await store.keyspaces.get(other.id)).toBeUndefined();
  });

  it.each(['40001', '40P01'])(
    'runs again from the start after %s, without what it had done',
    async (code) => {
      const { store } = subject();
      const keyspace = newKeyspace();
      let runs = 0;
      await store.transaction(async (tx) => {
        runs += 1;
        await tx.keyspaces.insert(keyspace);
        if (runs < 5) throw errorWithCode(code);
      });
      expect(runs).toBe(5);
      expect(await store.keyspaces.get(keyspace.id)).toEqual(keyspace);
    },
  );

  it('gives up after five collisions, as CONFLICT, and the engine goes on', async () => {
    const { store } = subject();
    let runs = 0;
    const colliding = store.transaction(async () => {
      runs += 1;
      throw errorWithCode('40001');
    });
    await expect(colliding).rejects.toMatchObject({ name: 'Fault', reason: 'CONFLICT', code: 'ABORTED' });
    expect(runs).toBe(5);
    expect((await store.changes.head()).shard).toBe(0);
  });

  it('runs once where the error is no collision', async () => {
    const { store } = subject();
    let runs = 0;
    const failing = store.transaction(async () => {
      runs += 1;
      throw errorWithCode('23505');
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect(runs).toBe(1);
  });
});

onPostgres((subject) => {
  it('gets both of two transactions through that deadlock', async () => {
    const { store } = subject();
    const keyspace = newKeyspace();
    const [one, two] = [newKey(keyspace.id), newKey(keyspace.id)];
    await store.keyspaces.insert(keyspace);
    for (const key of [one, two]) await store.keys.insert(key);

    let runs = 0;
    const met = meeting(2);
    const rename = (displayName: string, order: readonly string[]): Promise<void> =>
      store.transaction(async (tx) => {
        runs += 1;
        for (const id of order) {
          const key = await tx.keys.get(id, 'update');
          // Each holds one key and now wants the other's.
          await met();
          await tx.keys.update({ ...key!, displayName, version: key!.version + 1 });
        }
      });
    await Promise.all([rename('first', [one.id, two.id]), rename('second', [two.id, one.id])]);

    expect(runs).toBe(3);
    const [after, otherAfter] = [await store.keys.get(one.id), await store.keys.get(two.id)];
    expect([after?.version, otherAfter?.version]).toEqual([3, 3]);
    expect(after?.displayName).toBe(otherAfter?.displayName);
  });

  it('gets a transaction through whose reading was overtaken, where the database isolates that strictly', async () => {
    const database = await createDatabase();
    await database.query(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''serializable''', current_database()); END $$`,
    );
    const engine = openPostgresEngine(database.url);
    try {
      const store = createStore(engine.knex);
      const keyspace = newKeyspace();
      const key = newKey(keyspace.id);
      await store.keyspaces.insert(keyspace);
      await store.keys.insert(key);

      let runs = 0;
      await store.transaction(async (tx) => {
        runs += 1;
        const read = await tx.keys.get(key.id);
        if (runs === 1) await store.keys.update({ ...key, version: 2 });
        await tx.keys.update({ ...read!, version: read!.version + 10 });
      });
      expect(runs).toBe(2);
      expect((await store.keys.get(key.id))?.version).toBe(12);
    } finally {
      await engine.close();
      await database.drop();
    }
  });
});
