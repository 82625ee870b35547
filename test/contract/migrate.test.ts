import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.ts';
import { EVERY_KEY, type KeyFilter } from '../../server/lifecycle/ports.ts';
import type { Engine } from '../../server/store/engines/engine.ts';
import { migrate, requireMigrated, type NamedMigration } from '../../server/store/migrate.ts';
import { NO_RESTRICTIONS } from '../../core/rules.ts';
import { createStore } from '../../server/store/store.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { openEmbeddedEngine, openPostgresEngine } from '../support/open-engine.ts';

const NAMES = MIGRATIONS.map(([name]) => name);

const nothing = async (): Promise<void> => {};

/** A step that a later version might have. */
const LATER: NamedMigration = ['9999-later', { up: nothing, down: nothing }];

const FAILING: NamedMigration = [
  '9999-failing',
  {
    async up(knex) {
      await knex.raw('CREATE TABLE half (id text)');
      await knex.raw('SELECT 1 / 0');
    },
    down: nothing,
  },
];

async function tablesOf({ knex }: Engine): Promise<string[]> {
  const { rows } = await knex.raw<{ rows: { tablename: string }[] }>(
    `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`,
  );
  return rows.map(({ tablename }) => tablename).filter((name) => !name.startsWith('schema_migrations'));
}

function tests(engine: () => Engine): void {
  it('takes every step of an empty database, and none the second time', async () => {
    const { knex } = engine();
    expect(await migrate(knex, MIGRATIONS)).toEqual(NAMES);
    await knex.raw(`UPDATE change_head SET seq = 7`);
    expect(await migrate(knex, MIGRATIONS)).toEqual([]);
    expect(await knex('change_head')).toMatchObject([{ seq: '7' }]);
    await requireMigrated(knex, MIGRATIONS);
  });

  it('takes only the steps that a newer version adds', async () => {
    const { knex } = engine();
    await migrate(knex, MIGRATIONS);
    await expect(requireMigrated(knex, [...MIGRATIONS, LATER])).rejects.toMatchObject({
      name: 'SchemaMismatch',
      message: expect.stringContaining('9999-later') as string,
    });
    expect(await migrate(knex, [...MIGRATIONS, LATER])).toEqual(['9999-later']);
    await requireMigrated(knex, [...MIGRATIONS, LATER]);
  });

  it('refuses a schema that is newer than it knows, and changes nothing', async () => {
    const { knex } = engine();
    await migrate(knex, [...MIGRATIONS, LATER]);
    for (const attempt of [migrate, requireMigrated]) {
      await expect(attempt(knex, MIGRATIONS)).rejects.toMatchObject({ name: 'SchemaMismatch' });
    }
    await requireMigrated(knex, [...MIGRATIONS, LATER]);
  });

  it('refuses an empty database where it must not migrate', async () => {
    await expect(requireMigrated(engine().knex, MIGRATIONS)).rejects.toMatchObject({
      name: 'SchemaMismatch',
    });
    expect(await tablesOf(engine())).toEqual([]);
  });

  it('takes all steps or none: one that fails leaves nothing, and the next start takes them all', async () => {
    const { knex } = engine();
    await expect(migrate(knex, [...MIGRATIONS, FAILING])).rejects.toThrow('division by zero');
    expect(await tablesOf(engine())).toEqual([]);
    expect(await migrate(knex, MIGRATIONS)).toEqual(NAMES);
  });

  it('finds by all that is new the keys that were there, makes an owner of each that they name, and goes back without losing one', async () => {
    const { knex } = engine();
    const [initial, ...steps] = MIGRATIONS;
    if (initial === undefined) throw new Error('a migration is gone');
    await migrate(knex, [initial]);
    await knex.raw(`
      INSERT INTO keyspaces (id, slug, token_prefix, display_name, require_expiry, create_time, update_time, version)
      SELECT id, id, 'acme', '', false, now(), now(), 1 FROM unnest(ARRAY['ks_a', 'ks_b']) id`);
    const keys: [id: string, keyspaceId: string, ownerId: string, day: number][] = [
      ['key_1', 'ks_a', 'ann', 3],
      ['key_2', 'ks_a', 'ann', 2],
      ['key_3', 'ks_a', 'Ann', 4],
      ['key_4', 'ks_b', 'ann', 5],
      ['key_5', 'ks_b', '', 1],
    ];
    for (const [id, keyspaceId, ownerId, day] of keys) {
      await knex.raw(
        `INSERT INTO keys (id, keyspace_id, token_prefix, display_name, switch, owner_id, scopes, access_type,
                           resources, metadata, tags, create_time, update_time, revoke_reason, version, created_by)
         VALUES (?, ?, 'acme', '', 'ACTIVE', ?, '{a}', 'LISTED', '{s}', '{}', '{}', ?, now(), '', 1, 'system')`,
        [id, keyspaceId, ownerId, new Date(Date.UTC(2026, 0, day))],
      );
      await knex.raw(
        `INSERT INTO key_secrets (id, key_id, digest, hint, create_time) VALUES (?, ?, ?, 'hint', now())`,
        [`sec_${id}`, id, Buffer.alloc(32, day)],
      );
    }
    const before = await knex.raw<{ rows: object[] }>('SELECT * FROM keys ORDER BY id');

    expect(await migrate(knex, MIGRATIONS)).toEqual(steps.map(([name]) => name));
    const day = (number: number) => Date.UTC(2026, 0, number);
    const { keys: migrated, owners, readLiveKey, hasImports } = createStore(knex);
    const listed = { suspendedOnly: false, afterId: undefined, limit: 10 };
    const unknown = {
      displayName: '',
      metadata: {},
      suspendTimeMs: null,
      suspendReason: '',
      limits: [],
      limitOverrides: [],
      version: 1,
    };
    const owner = (keyspaceId: string, id: string, createTimeMs: number) => ({
      ...unknown,
      keyspaceId,
      id,
      createTimeMs,
      updateTimeMs: createTimeMs,
    });
    expect(await owners.list({ ...listed, keyspaceId: 'ks_a' })).toEqual([
      owner('ks_a', 'Ann', day(4)),
      owner('ks_a', 'ann', day(2)),
    ]);
    expect(await owners.list({ ...listed, keyspaceId: 'ks_b' })).toEqual([owner('ks_b', 'ann', day(5))]);
    expect(await hasImports()).toBe(false);
    expect(await readLiveKey('key_1')).toMatchObject({
      key: {
        ownerId: 'ann',
        scopes: ['a'],
        resourceAccess: { type: 'LISTED', ids: ['s'] },
        restrictions: NO_RESTRICTIONS,
        policyIds: [],
        secrets: [{ id: 'sec_key_1', imported: false }],
      },
      policies: [],
      ownerSuspended: false,
      apis: [],
    });

    const found = async (change: Partial<KeyFilter>): Promise<readonly string[]> => {
      const page = { newestFirst: false, after: undefined, limit: 10, nowMs: day(9) };
      const rows = await migrated.list({ ...page, filter: { ...EVERY_KEY, ...change } });
      return rows.map(({ id }) => id);
    };
    expect(await found({ search: 'NN', keyspaceIds: ['ks_a'] })).toEqual(['key_2', 'key_1', 'key_3']);
    expect(await found({ search: 'KEY_5' })).toEqual(['key_5']);
    // Nobody noted it before: they count as used when they were made.
    expect(await found({ lastUsedBeforeMs: day(3) })).toEqual(['key_5', 'key_2']);

    // What only the new schema knows is lost on the way back, and nothing else.
    const silent = await migrated.get('key_5');
    if (silent === undefined) throw new Error('the key is gone');
    await migrated.update({ ...silent, resourceAccess: null });
    for (const [, { down }] of steps.toReversed()) await down(knex);
    const { rows } = await knex.raw<{ rows: object[] }>('SELECT * FROM keys ORDER BY id');
    expect(rows.slice(0, 4)).toEqual(before.rows.slice(0, 4));
    expect(rows[4]).toEqual({ ...before.rows[4], access_type: 'ALL', resources: [] });
  });

  it('begins the log where positions stand, in an epoch that goes with the database', async () => {
    const { knex } = engine();
    await migrate(knex, MIGRATIONS.slice(0, 3));
    await knex.raw('UPDATE change_head SET seq = 41');
    expect(await migrate(knex, MIGRATIONS)).toEqual(NAMES.slice(3));
    const { rows } = await knex.raw<{ rows: { epoch: string }[] }>('SELECT epoch FROM change_head');
    const { changes, transaction } = createStore(knex);
    expect(await changes.head()).toEqual({ shard: 0, seq: 41 });
    const imports = [{ kind: 'imports' }] as const;
    const next = await transaction((tx) => tx.changes.advance(imports, { wait: false }));
    expect(next).toEqual({ shard: 0, seq: 42 });
    expect(await knex('change_log')).toMatchObject([{ seq: '42', kind: 'imports' }]);

    await empty(engine());
    await migrate(knex, MIGRATIONS);
    const { rows: anew } = await knex.raw<{ rows: { epoch: string }[] }>('SELECT epoch FROM change_head');
    expect(anew[0]?.epoch).toMatch(/./);
    expect(anew[0]?.epoch).not.toBe(rows[0]?.epoch);
  });

  it('goes back step by step to an empty database, and forth again', async () => {
    const { knex } = engine();
    await migrate(knex, MIGRATIONS);
    const before = await tablesOf(engine());
    for (const [, { down }] of MIGRATIONS.toReversed()) await down(knex);
    expect(await tablesOf(engine())).toEqual([]);
    const { rows: functions } = await knex.raw<{ rows: object[] }>(
      `SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`,
    );
    expect(functions).toEqual([]);
    for (const [, { up }] of MIGRATIONS) await up(knex);
    expect((await tablesOf(engine())).toSorted()).toEqual(before.toSorted());
  });
}

/** To empty a database takes far less time than to make one. */
async function empty({ knex }: Engine): Promise<void> {
  await knex.raw('DROP SCHEMA public CASCADE');
  await knex.raw('CREATE SCHEMA public');
}

describe('on the embedded engine', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEmbeddedEngine(undefined);
  });
  afterAll(() => engine.close());
  beforeEach(() => empty(engine));
  tests(() => engine);
});

describe('on Postgres', () => {
  let database: TestDatabase;
  let engine: Engine;
  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
    engine = openPostgresEngine(database.url);
  });
  afterAll(async () => {
    await engine.close();
    await database.drop();
  });
  beforeEach(() => empty(engine));
  tests(() => engine);

  it('takes each step once where several replicas start at once', async () => {
    const replicas = Array.from({ length: 5 }, () => openPostgresEngine(database.url));
    const taken = await Promise.all(replicas.map(({ knex }) => migrate(knex, MIGRATIONS)));
    await Promise.all(replicas.map((replica) => replica.close()));
    expect(taken.filter((names) => names.length > 0)).toEqual([NAMES]);
    expect(await database.query('SELECT name FROM schema_migrations')).toEqual(
      NAMES.map((name) => ({ name })),
    );
  });

  it('leaves nothing of a migration whose session ends in the middle, nor a lock', async () => {
    const endsItself: NamedMigration = [
      '9999-ends-itself',
      {
        async up(knex) {
          await knex.raw('CREATE TABLE half (id text)');
          await knex.raw('SELECT pg_terminate_backend(pg_backend_pid())');
        },
        down: nothing,
      },
    ];
    await expect(migrate(engine.knex, [...MIGRATIONS, endsItself])).rejects.toThrow();
    expect(await tablesOf(engine)).toEqual([]);
    expect(await migrate(engine.knex, MIGRATIONS)).toEqual(NAMES);
  });
});
