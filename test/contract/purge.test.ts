import { beforeEach, expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyRecord, KeyspaceRecord } from '../../core/key.ts';
import { purge } from '../../server/lifecycle/purge.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, newKey, newKeyspace } from './records.ts';

const DUE_MS = CREATED_MS + 30 * 86_400_000;

onEachEngine((subject) => {
  let keyspace: KeyspaceRecord;

  beforeEach(async () => {
    await purge(subject().store, Date.UTC(9000, 0, 1));
    keyspace = newKeyspace();
    await subject().store.keyspaces.insert(keyspace);
  });

  const deletedKey = async (purgeTimeMs: number): Promise<KeyRecord> => {
    const key = newKey(keyspace.id, { deleteTimeMs: CREATED_MS, purgeTimeMs });
    await subject().store.keys.insert(key);
    return key;
  };
  const secretsOf = ({ id }: KeyRecord): Promise<object[]> =>
    subject().sql('SELECT id FROM key_secrets WHERE key_id = ?', [id]);

  it('removes a key with its secrets from the instant of its purge time on', async () => {
    const { keys } = subject().store;
    const [due, later, alive] = [await deletedKey(DUE_MS), await deletedKey(DUE_MS + 1), newKey(keyspace.id)];
    await keys.insert(alive);
    expect(await keys.purgeDue(DUE_MS - 1, 10)).toBe(0);
    expect(await keys.purgeDue(DUE_MS, 10)).toBe(1);
    expect(await keys.get(due.id)).toBeUndefined();
    expect(await secretsOf(due)).toEqual([]);
    for (const kept of [later, alive]) expect(await keys.get(kept.id)).toEqual(kept);
  });

  it('removes at most as many as allowed at a time', async () => {
    const { keys } = subject().store;
    for (let made = 0; made < 5; made += 1) await deletedKey(DUE_MS);
    expect(await keys.purgeDue(DUE_MS, 3)).toBe(3);
    expect(await keys.purgeDue(DUE_MS, 3)).toBe(2);
    expect(await keys.purgeDue(DUE_MS, 3)).toBe(0);
  });

  it('removes the deleted keys of one keyspace, due or not, and no others', async () => {
    const { keys, keyspaces } = subject().store;
    const other = newKeyspace();
    await keyspaces.insert(other);
    const gone = await deletedKey(DUE_MS);
    const alive = newKey(keyspace.id);
    const elsewhere = newKey(other.id, { deleteTimeMs: CREATED_MS, purgeTimeMs: DUE_MS });
    await keys.insert(alive);
    await keys.insert(elsewhere);
    await keys.purgeDeletedIn(keyspace.id);
    expect(await keys.get(gone.id)).toBeUndefined();
    expect(await secretsOf(gone)).toEqual([]);
    for (const kept of [alive, elsewhere]) expect(await keys.get(kept.id)).toEqual(kept);
  });

  it('removes all that is due in batches, and tells how many keys, answers and rows of the log', async () => {
    const { engine, store } = subject();
    await engine.knex.raw(
      `INSERT INTO keys (id, keyspace_id, token_prefix, display_name, switch, owner_id, scopes, access_type, resources,
                         metadata, tags, create_time, update_time, revoke_reason, delete_time, purge_time, version, created_by,
                         search_text)
       SELECT 'key_many' || n, ?, 'acme', '', 'ACTIVE', '', '{}', 'ALL', '{}', '{}', '{}', now(), now(), '',
              to_timestamp(0), to_timestamp(1), 1, 'system', ''
         FROM generate_series(1, 2001) AS n`,
      [keyspace.id],
    );
    await store.transaction((tx) => tx.idempotency.claim('ab'.repeat(32), 1000));
    const changes = Array.from({ length: 1001 }, () => ({ kind: 'imports' }) as const);
    await store.transaction((tx) => tx.changes.advance(changes, { wait: false }));
    await engine.knex.raw('UPDATE change_log SET time = to_timestamp(0)');
    await store.transaction((tx) => tx.changes.advance([], { wait: false }));
    expect(await purge(store, 3_601_000)).toMatchObject({ keys: 2001, answers: 1, logRows: 1001 });
    expect(await purge(store, 3_601_000)).toEqual({ keys: 0, answers: 0, logRows: 0, rates: 0, balances: 0 });
  });

  it('is safe on two replicas at once', async () => {
    const { store } = subject();
    for (let made = 0; made < 30; made += 1) await deletedKey(DUE_MS);
    const removed = await Promise.all([1, 2, 3].map(() => purge(store, DUE_MS)));
    expect(removed.reduce((sum, { keys }) => sum + keys, 0)).toBe(30);
  });

  it('takes the upkeep that the engine itself wants', async () => {
    const { engine, store } = subject();
    await deletedKey(DUE_MS);
    await purge(store, DUE_MS);
    await engine.maintain();
    expect(await store.keys.get(newId('key'))).toBeUndefined();
  });
});
