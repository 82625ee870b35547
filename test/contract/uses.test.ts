import { beforeAll, beforeEach, expect, it } from 'vitest';
import type { KeyRecord } from '../../core/key.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, everyKeyOf, newImportedKey, newKey, newKeyspace, newSecret } from './records.ts';

const KEYSPACE = newKeyspace();

onEachEngine((subject) => {
  let key: KeyRecord;

  beforeAll(async () => {
    await subject().store.keyspaces.insert(KEYSPACE);
  });

  beforeEach(async () => {
    const id = newKey(KEYSPACE.id).id;
    key = newKey(KEYSPACE.id, {
      id,
      secrets: [newSecret(id, { createTimeMs: CREATED_MS + 5 }), newSecret(id)],
    });
    await subject().store.keys.insert(key);
  });

  const use = (which: number, timeMs: number): Promise<void> =>
    subject().store.recordUses([{ secretId: key.secrets[which]?.id ?? '', keyId: key.id, timeMs }]);
  /** The last use of the key and of each of its secrets. */
  const uses = async (): Promise<readonly (number | null | undefined)[]> => {
    const read = await subject().store.keys.get(key.id);
    return [read?.lastUsedTimeMs, ...(read?.secrets ?? []).map(({ lastUsedTimeMs }) => lastUsedTimeMs)];
  };
  const isIdleSince = async (timeMs: number): Promise<boolean> => {
    const filter = { ...everyKeyOf(KEYSPACE.id), lastUsedBeforeMs: timeMs };
    const page = { filter, newestFirst: true, after: undefined, limit: 1000, nowMs: CREATED_MS };
    return (await subject().store.keys.list(page)).some(({ id }) => id === key.id);
  };

  it('is none of a new key, which has been idle since it was made', async () => {
    expect(await uses()).toEqual([null, null, null]);
    expect([await isIdleSince(CREATED_MS), await isIdleSince(CREATED_MS + 1)]).toEqual([false, true]);
  });

  it('is told of each secret, and the latest of the key', async () => {
    await use(1, CREATED_MS + 30);
    expect(await uses()).toEqual([CREATED_MS + 30, null, CREATED_MS + 30]);
    await use(0, CREATED_MS + 20);
    expect(await uses()).toEqual([CREATED_MS + 30, CREATED_MS + 20, CREATED_MS + 30]);
  });

  it('counts for the filter whichever secret it was', async () => {
    await use(1, CREATED_MS + 30);
    // The other secret has been idle since the key was made.
    expect([await isIdleSince(CREATED_MS + 30), await isIdleSince(CREATED_MS + 31)]).toEqual([false, true]);
  });

  it('never goes back: a replica that writes late changes nothing', async () => {
    await use(0, CREATED_MS + 30);
    await use(0, CREATED_MS + 20);
    expect(await uses()).toEqual([CREATED_MS + 30, CREATED_MS + 30, null]);
  });

  it('is kept with the key when it changes', async () => {
    await use(0, CREATED_MS + 30);
    await subject().store.keys.update({ ...key, displayName: 'changed', version: 2 });
    expect(await uses()).toEqual([CREATED_MS + 30, CREATED_MS + 30, null]);
  });

  it('of a secret that is not known yet is taken, of a key that is gone is let go', async () => {
    await subject().store.recordUses([
      { secretId: 'sec_other', keyId: key.id, timeMs: CREATED_MS + 9 },
      { secretId: 'sec_gone', keyId: 'key_gone', timeMs: CREATED_MS + 9 },
    ]);
    expect(await uses()).toEqual([CREATED_MS + 9, null, null]);
  });

  it('of many keys is written at once, by several at a time', async () => {
    const keys = Array.from({ length: 50 }, () => newKey(KEYSPACE.id));
    for (const one of keys) await subject().store.keys.insert(one);
    const all = keys.flatMap(({ id: keyId, secrets }) =>
      secrets.map(({ id: secretId }) => ({ secretId, keyId, timeMs: CREATED_MS + 7 })),
    );
    await Promise.all([all, all.toReversed(), all].map((some) => subject().store.recordUses(some)));
    for (const { id } of keys) {
      expect(await subject().store.keys.get(id)).toMatchObject({ lastUsedTimeMs: CREATED_MS + 7 });
    }
  });

  it('is known of an imported key too, and goes with a key that is purged', async () => {
    key = newImportedKey(KEYSPACE.id, 'ab'.repeat(32));
    await subject().store.keys.insertImported(key);
    expect(await isIdleSince(CREATED_MS + 1)).toBe(true);
    await use(0, CREATED_MS + 7);
    expect(await uses()).toEqual([CREATED_MS + 7, CREATED_MS + 7]);
    await subject().store.keys.update({ ...key, deleteTimeMs: CREATED_MS, purgeTimeMs: CREATED_MS });
    await subject().store.keys.purgeDue(CREATED_MS, 1000);
    const rows = await subject().engine.knex('secret_uses').where({ key_id: key.id });
    expect(rows).toEqual([]);
  });
});
