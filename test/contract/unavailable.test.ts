import { expect, it } from 'vitest';
import type { Engine } from '../../server/store/engines/engine.ts';
import { createStore, type KnexStore } from '../../server/store/store.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { openEmbeddedEngine, openPostgresEngine } from '../support/open-engine.ts';
import { createDataDirectory } from '../support/temporary-directory.ts';
import { newKey, newKeyspace } from './records.ts';

const UNAVAILABLE = { reason: 'DATABASE_UNAVAILABLE', code: 'UNAVAILABLE', retryAfterMs: 1000 };

interface Opened {
  readonly database: TestDatabase;
  readonly store: KnexStore;
}

/** Runs a test on a new database, through an engine with bounds of the test's own. */
async function onPostgres(
  options: Parameters<typeof openPostgresEngine>[1],
  test: (opened: Opened) => Promise<void>,
): Promise<void> {
  const database = await createDatabase();
  const engine = openPostgresEngine(database.url, options);
  try {
    await test({ database, store: createStore(engine.knex) });
  } finally {
    await engine.close();
    await database.drop();
  }
}

it('is UNAVAILABLE, in every function, where nothing listens', async () => {
  const engine = openPostgresEngine('postgres://nobody@127.0.0.1:1/nowhere');
  const store = createStore(engine.knex);
  const keyspace = newKeyspace();
  const key = newKey(keyspace.id);
  const everything: readonly (() => Promise<unknown>)[] = [
    () => store.readLiveKey(key.id),
    () => store.keys.get(key.id),
    () => store.keys.insert(key),
    () => store.keys.countIn(keyspace.id),
    () => store.keys.purgeDue(1, 1),
    () => store.keyspaces.get(keyspace.id),
    () => store.keyspaces.insert(keyspace),
    () => store.idempotency.claim('ab', 1),
    () => store.changes.head(),
    () => store.changes.purgeDue(1, 1),
    () => store.readReplicas(),
    () => store.transaction((tx) => tx.changes.advance([], { wait: false })),
  ];
  for (const run of everything) await expect(run()).rejects.toMatchObject(UNAVAILABLE);
  await expect(engine.log?.reader.poll({ cursor: 0, leaseMs: 1000 })).rejects.toThrow('ECONNREFUSED');
  await engine.close();
});

it('is UNAVAILABLE where a statement waits for longer than it may', async () => {
  await onPostgres({ statementTimeoutMs: 200 }, async ({ store }) => {
    const keyspace = newKeyspace();
    await store.keyspaces.insert(keyspace);
    await store.transaction(async (tx) => {
      await tx.keyspaces.get(keyspace.id, 'update');
      const second = store.transaction((other) => other.keyspaces.get(keyspace.id, 'update'));
      await expect(second).rejects.toMatchObject(UNAVAILABLE);
    });
    expect(await store.keyspaces.get(keyspace.id)).toEqual(keyspace);
  });
});

it('is UNAVAILABLE where the database ends the session of a transaction, keeps none of it, and goes on', async () => {
  await onPostgres({ poolSize: 1 }, async ({ database, store }) => {
    const keyspace = newKeyspace();
    const ended = store.transaction(async (tx) => {
      await tx.keyspaces.insert(keyspace);
      await database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'latchkey'`,
      );
      await tx.changes.advance([], { wait: false });
    });
    await expect(ended).rejects.toMatchObject(UNAVAILABLE);
    expect(await store.keyspaces.get(keyspace.id)).toBeUndefined();
    await store.keyspaces.insert(keyspace);
    expect(await store.keyspaces.get(keyspace.id)).toEqual(keyspace);
  });
});

it('is UNAVAILABLE for changes where the database is a standby, and answers reads', async () => {
  await onPostgres({}, async ({ database, store }) => {
    const name = new URL(database.url).pathname.slice(1);
    await database.query(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`);
    await expect(store.keyspaces.insert(newKeyspace())).rejects.toMatchObject(UNAVAILABLE);
    await expect(store.transaction((tx) => tx.changes.advance([], { wait: false }))).rejects.toMatchObject(
      UNAVAILABLE,
    );
    expect(await store.changes.head()).toEqual({ shard: 0, seq: 0 });
  });
});

it('is not UNAVAILABLE where the schema is missing: that is a defect', async () => {
  const database = await createDatabase({ migrated: false });
  const engine = openPostgresEngine(database.url);
  await expect(createStore(engine.knex).changes.head()).rejects.toMatchObject({ code: '42P01' });
  await engine.close();
  await database.drop();
});

it.each(['the embedded engine', 'Postgres'])(
  'is UNAVAILABLE on %s where no connection comes free in time, and goes on',
  async (name) => {
    const embedded = name !== 'Postgres';
    const directory = embedded ? await createDataDirectory() : undefined;
    const database = embedded ? undefined : await createDatabase();
    const engine: Engine =
      database === undefined
        ? await openEmbeddedEngine(directory?.path, { acquireTimeoutMs: 100 })
        : openPostgresEngine(database.url, { acquireTimeoutMs: 100, poolSize: 1 });
    const store = createStore(engine.knex);
    await store.transaction(async (tx) => {
      await tx.changes.head();
      await expect(store.changes.head()).rejects.toMatchObject(UNAVAILABLE);
    });
    expect(await store.changes.head()).toEqual({ shard: 0, seq: 0 });
    await engine.close();
    await directory?.remove();
    await database?.drop();
  },
);
