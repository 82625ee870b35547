import { beforeEach, expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyRecord, KeyspaceRecord } from '../../core/key.ts';
import { onEachEngine, type Subject } from './each-engine.ts';
import { CREATED_MS, newKey, newKeyspace } from './records.ts';

onEachEngine((subject) => {
  let keyspace: KeyspaceRecord;
  beforeEach(async () => {
    keyspace = newKeyspace();
    await subject().store.keyspaces.insert(keyspace);
  });

  async function insert(change: Partial<KeyRecord> = {}, keyspaceId = keyspace.id): Promise<KeyRecord> {
    const key = newKey(keyspaceId, change);
    await subject().store.keys.insert(key);
    return key;
  }
  const idsOf = (...question: Parameters<Subject['store']['keys']['idsOf']>) =>
    subject().store.keys.idsOf(...question);

  it('chooses the keys of a keyspace that match in everything, and no deleted ones', async () => {
    const policyId = newId('policy');
    const all = { ownerId: 'ann', policyIds: [newId('policy'), policyId], tags: ['x', 'y'] };
    const at = (ms: number) => ({ createTimeMs: CREATED_MS + ms });
    const both = await insert({ ...all, ...at(2) });
    const annOnly = await insert({ ownerId: 'ann', ...at(3) });
    const policyOnly = await insert({ policyIds: [policyId], ...at(4) });
    const tagOnly = await insert({ tags: ['y'], switch: 'REVOKED', ...at(5) });
    const plain = await insert({ tags: ['y,x', 'Y'], ownerId: 'Ann', ...at(1) });
    await insert({ ...all, deleteTimeMs: CREATED_MS });
    const elsewhere = newKeyspace();
    await subject().store.keyspaces.insert(elsewhere);
    await insert(all, elsewhere.id);

    const keyspaceId = keyspace.id;
    const ids = (...keys: KeyRecord[]) => keys.map(({ id }) => id);
    expect(await idsOf({ keyspaceId }, 10)).toEqual(ids(plain, both, annOnly, policyOnly, tagOnly));
    expect(await idsOf({ keyspaceId, ownerId: 'ann' }, 10)).toEqual(ids(both, annOnly));
    expect(await idsOf({ keyspaceId, policyId }, 10)).toEqual(ids(both, policyOnly));
    expect(await idsOf({ keyspaceId, tag: 'y' }, 10)).toEqual(ids(both, tagOnly));
    expect(await idsOf({ keyspaceId, tag: 'y', revocableOnly: true }, 10)).toEqual(ids(both));
    expect(await idsOf({ keyspaceId, ownerId: 'ann', policyId, tag: 'y' }, 10)).toEqual(ids(both));
    expect(await idsOf({ keyspaceId, ownerId: 'ann', tag: 'z' }, 10)).toEqual([]);
    // The instant itself is not before it.
    expect(await idsOf({ keyspaceId, createdBeforeMs: CREATED_MS + 3 }, 10)).toEqual(ids(plain, both));
    // Keys without an owner are nobody's.
    expect(await idsOf({ keyspaceId, ownerId: '' }, 10)).toEqual([]);
  });

  it('chooses the oldest, no more than asked for, those of one time by id', async () => {
    const keys = [];
    for (const ms of [3, 1, 2, 1]) keys.push(await insert({ createTimeMs: CREATED_MS + ms }));
    const expected = keys
      .toSorted((a, b) => a.createTimeMs - b.createTimeMs || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
    expect(await idsOf({ keyspaceId: keyspace.id }, 3)).toEqual(expected.slice(0, 3));
    expect(await idsOf({ keyspaceId: keyspace.id }, 4, 'update')).toEqual(expected);
  });

  it('makes who chooses keys to lock them wait for a change of one, and not choose it if it fits no more', async () => {
    const { store, someoneWaits } = subject();
    const [one, other] = [await insert({ tags: ['x'] }), await insert({ tags: ['x'] })];
    let choosing: Promise<readonly string[]> | undefined;
    await store.transaction(async (tx) => {
      await tx.keys.update({ ...one, switch: 'REVOKED', version: 2 });
      choosing = store.transaction((later) =>
        later.keys.idsOf({ keyspaceId: keyspace.id, tag: 'x', revocableOnly: true }, 10, 'update'),
      );
      await someoneWaits();
    });
    expect(await choosing).toEqual([other.id]);
  });

  it('revokes the keys that it is given, and changes nothing else of them or of others', async () => {
    const { keys } = subject().store;
    const [one, other, spared] = [
      await insert({ ownerId: 'ann' }),
      await insert({ version: 7 }),
      await insert(),
    ];
    const timeMs = CREATED_MS + 5000;
    await keys.revokeMany([one.id, other.id], { timeMs, reason: 'leaked' });
    for (const key of [one, other]) {
      expect(await keys.get(key.id)).toEqual({
        ...key,
        switch: 'REVOKED',
        revokeTimeMs: timeMs,
        revokeReason: 'leaked',
        updateTimeMs: timeMs,
        version: key.version + 1,
      });
    }
    expect(await keys.get(spared.id)).toEqual(spared);
    await keys.revokeMany([], { timeMs, reason: 'nothing' });
  });

  it('revokes more keys than one statement takes', async () => {
    const { store, sql } = subject();
    const key = await insert();
    await sql(
      `INSERT INTO keys SELECT (jsonb_populate_record(k, jsonb_build_object('id', k.id || '-' || n))).*
         FROM keys k, generate_series(1, 4500) n WHERE k.id = ?`,
      [key.id],
    );
    const ids = await store.keys.idsOf({ keyspaceId: keyspace.id }, 10_000);
    expect(ids).toHaveLength(4501);
    await store.transaction((tx) => tx.keys.revokeMany(ids, { timeMs: CREATED_MS, reason: 'all' }));
    expect(await idsOf({ keyspaceId: keyspace.id, revocableOnly: true }, 1)).toEqual([]);
    const [counted] = await sql<{ keys: number }>(
      `SELECT count(*)::integer AS keys FROM keys WHERE keyspace_id = ? AND version = 2 AND revoke_reason = 'all'`,
      [keyspace.id],
    );
    expect(counted?.keys).toBe(4501);
  });

  it('takes an owner from all its keys, deleted ones too, and tells which', async () => {
    const { keys, keyspaces } = subject().store;
    const elsewhere = newKeyspace();
    await keyspaces.insert(elsewhere);
    const mine = [
      await insert({ ownerId: 'ann' }),
      await insert({ ownerId: 'ann', deleteTimeMs: CREATED_MS }),
    ];
    const others = [
      await insert({ ownerId: 'Ann' }),
      await insert(),
      await insert({ ownerId: 'ann' }, elsewhere.id),
    ];
    const nowMs = CREATED_MS + 5000;
    const detached = await keys.detachOwner(keyspace.id, 'ann', nowMs);
    expect(detached.toSorted()).toEqual(mine.map(({ id }) => id).toSorted());
    for (const key of mine) {
      expect(await keys.get(key.id)).toEqual({
        ...key,
        ownerId: '',
        updateTimeMs: nowMs,
        version: key.version + 1,
      });
    }
    for (const key of others) expect(await keys.get(key.id)).toEqual(key);
    expect(await keys.detachOwner(keyspace.id, 'ann', nowMs)).toEqual([]);
    // Keys without an owner have none to lose.
    expect(await keys.detachOwner(keyspace.id, '', nowMs)).toEqual([]);
  });
});
