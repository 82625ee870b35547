import { randomBytes } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyspaceRecord } from '../../core/key.ts';
import { digestRef } from '../../core/token.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, newImportedKey, newKey, newKeyspace } from './records.ts';

const newDigest = (): string => randomBytes(32).toString('hex');

onEachEngine((subject) => {
  let keyspace: KeyspaceRecord;
  beforeAll(async () => {
    keyspace = newKeyspace();
    await subject().store.keyspaces.insert(keyspace);
  });

  it('tells whether there are imported keys: not before the first, nor after the last is gone', async () => {
    const { keys, hasImports } = subject().store;
    await keys.insert(newKey(keyspace.id));
    expect(await hasImports()).toBe(false);
    const key = newImportedKey(keyspace.id, newDigest());
    expect(await keys.insertImported(key)).toBe(true);
    expect(await hasImports()).toBe(true);
    // A deleted one can come back.
    await keys.update({ ...key, deleteTimeMs: CREATED_MS, purgeTimeMs: CREATED_MS });
    expect(await hasImports()).toBe(true);
    await keys.purgeDue(CREATED_MS, 10);
    expect(await hasImports()).toBe(false);
  });

  it('gives back an imported key as it was inserted, by its id and by the digest of its token', async () => {
    const { keys, readLiveKey } = subject().store;
    const digestHex = newDigest();
    const key = newImportedKey(keyspace.id, digestHex, { scopes: ['a'] });
    expect(await keys.insertImported(key)).toBe(true);
    expect(await keys.get(key.id)).toEqual(key);
    expect((await readLiveKey(key.id))?.key).toEqual(key);
    expect((await readLiveKey(digestRef(digestHex)))?.key).toEqual(key);
    expect(await readLiveKey(digestRef(newDigest()))).toBeUndefined();
  });

  it('finds no key by digest that was made here, nor one that is deleted', async () => {
    const { keys, readLiveKey } = subject().store;
    const native = newKey(keyspace.id);
    await keys.insert(native);
    expect(await readLiveKey(digestRef(native.secrets[0]?.digestHex ?? ''))).toBeUndefined();
    const digestHex = newDigest();
    const imported = newImportedKey(keyspace.id, digestHex);
    await keys.insertImported(imported);
    await keys.update({ ...imported, deleteTimeMs: CREATED_MS });
    expect(await readLiveKey(digestRef(digestHex))).toBeUndefined();
    await keys.update(imported);
    expect((await readLiveKey(digestRef(digestHex)))?.key).toEqual(imported);
  });

  it('inserts nothing where another key has the digest, also a deleted one, and the transaction goes on', async () => {
    const { store } = subject();
    const digestHex = newDigest();
    const first = newImportedKey(keyspace.id, digestHex, { deleteTimeMs: CREATED_MS });
    await store.keys.insertImported(first);
    const [second, third] = [
      newImportedKey(keyspace.id, digestHex),
      newImportedKey(keyspace.id, newDigest()),
    ];
    const inserted = await store.transaction(async (tx) => [
      await tx.keys.insertImported(second),
      await tx.keys.insertImported(third),
    ]);
    expect(inserted).toEqual([false, true]);
    expect(await store.keys.get(second.id)).toBeUndefined();
    expect(await store.keys.get(first.id)).toEqual(first);
    expect(await store.keys.get(third.id)).toEqual(third);
  });

  it('lets a key that was made here have a digest that was imported: they are found in different ways', async () => {
    const { keys } = subject().store;
    const native = newKey(keyspace.id);
    await keys.insert(native);
    const imported = newImportedKey(keyspace.id, native.secrets[0]?.digestHex ?? '');
    expect(await keys.insertImported(imported)).toBe(true);
  });

  it.each([
    ['waits for another that imports the same digest, and then inserts nothing', false],
    ['waits for another that imports the same digest, and inserts if that one is rolled back', true],
  ])('%s', async (_what, rollsBack) => {
    const { store, someoneWaits } = subject();
    const digestHex = newDigest();
    const [first, second] = [newImportedKey(keyspace.id, digestHex), newImportedKey(keyspace.id, digestHex)];
    let other: Promise<boolean> | undefined;
    const importing = store.transaction(async (tx) => {
      expect(await tx.keys.insertImported(first)).toBe(true);
      other = store.transaction((later) => later.keys.insertImported(second));
      await someoneWaits();
      if (rollsBack) throw new Error('rolled back');
    });
    if (rollsBack) await expect(importing).rejects.toThrow('rolled back');
    else await importing;
    expect(await other).toBe(rollsBack);
    expect(await store.keys.get(first.id)).toEqual(rollsBack ? undefined : first);
    expect(await store.keys.get(second.id)).toEqual(rollsBack ? second : undefined);
  });

  it('refuses a key of a keyspace that is not there, as KEYSPACE_NOT_FOUND', async () => {
    const key = newImportedKey(newId('keyspace'), newDigest());
    await expect(subject().store.keys.insertImported(key)).rejects.toMatchObject({
      reason: 'KEYSPACE_NOT_FOUND',
    });
  });

  it('tells which digests were imported, by which key, and whether it is deleted', async () => {
    const { keys, keyspaces } = subject().store;
    const elsewhere = newKeyspace();
    await keyspaces.insert(elsewhere);
    const [alive, deleted, far] = [newDigest(), newDigest(), newDigest()];
    const native = newKey(keyspace.id);
    await keys.insert(native);
    const aliveKey = newImportedKey(keyspace.id, alive);
    const deletedKey = newImportedKey(keyspace.id, deleted, { deleteTimeMs: CREATED_MS });
    const farKey = newImportedKey(elsewhere.id, far);
    for (const key of [aliveKey, deletedKey, farKey]) await keys.insertImported(key);

    const asked = [alive, deleted, far, newDigest(), native.secrets[0]?.digestHex ?? ''];
    expect(new Map(await keys.importedBy(asked))).toEqual(
      new Map([
        [alive, { id: aliveKey.id, keyspaceId: keyspace.id, deleted: false }],
        [deleted, { id: deletedKey.id, keyspaceId: keyspace.id, deleted: true }],
        [far, { id: farKey.id, keyspaceId: elsewhere.id, deleted: false }],
      ]),
    );
    expect(await keys.importedBy([])).toEqual([]);
  });
});
