import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyspaceRecord } from '../../core/key.ts';
import type { OwnerRecord } from '../../core/owner.ts';
import { onEachEngine, onPostgres } from './each-engine.ts';
import { CREATED_MS, newKey, newKeyspace, newOwner } from './records.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !value.includes('\0'));
const timeMs = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });
const attributes = fc.record({
  displayName: text,
  metadata: fc.dictionary(text, text, { maxKeys: 4 }),
  suspendTimeMs: fc.option(timeMs, { nil: null }),
  suspendReason: text,
  updateTimeMs: timeMs,
  version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});

onEachEngine((subject) => {
  let keyspace: KeyspaceRecord;
  beforeAll(async () => {
    keyspace = newKeyspace();
    await subject().store.keyspaces.insert(keyspace);
  });

  it('gives back an owner as it was inserted and as it was updated, whatever its fields hold', async () => {
    const { owners } = subject().store;
    let count = 0;
    await fc.assert(
      fc.asyncProperty(text, attributes, attributes, async (name, first, second) => {
        count += 1;
        const owner = newOwner(keyspace.id, `${name}${count}`, first);
        await owners.insert(owner);
        expect(await owners.get(keyspace.id, owner.id)).toEqual(owner);
        await owners.update({ ...owner, ...second });
        expect(await owners.get(keyspace.id, owner.id)).toEqual({ ...owner, ...second });
      }),
      { numRuns: 30 },
    );
  });

  it('keeps owners of one name in two keyspaces apart', async () => {
    const { owners, keyspaces } = subject().store;
    const elsewhere = newKeyspace();
    await keyspaces.insert(elsewhere);
    const [here, there] = [newOwner(keyspace.id, 'twin'), newOwner(elsewhere.id, 'twin')];
    await owners.insert(here);
    expect(await owners.get(elsewhere.id, 'twin')).toBeUndefined();
    await owners.insert(there);
    await owners.update({ ...here, suspendTimeMs: CREATED_MS, version: 2 });
    expect(await owners.get(elsewhere.id, 'twin')).toEqual(there);
    await owners.delete(keyspace.id, 'twin');
    expect(await owners.get(keyspace.id, 'twin')).toBeUndefined();
    expect(await owners.get(elsewhere.id, 'twin')).toEqual(there);
  });

  it('refuses an owner that is there, as OWNER_EXISTS, and one of no keyspace, as KEYSPACE_NOT_FOUND', async () => {
    const { owners } = subject().store;
    const owner = newOwner(keyspace.id, 'only-once', { displayName: 'first' });
    await owners.insert(owner);
    await expect(owners.insert({ ...owner, displayName: 'second' })).rejects.toMatchObject({
      reason: 'OWNER_EXISTS',
    });
    expect(await owners.get(keyspace.id, 'only-once')).toEqual(owner);
    const lost = newOwner(newId('keyspace'), 'x');
    const notFound = { reason: 'KEYSPACE_NOT_FOUND' };
    await expect(owners.insert(lost)).rejects.toMatchObject(notFound);
    await expect(subject().store.transaction((tx) => tx.owners.ensure([lost]))).rejects.toMatchObject(
      notFound,
    );
  });

  it('lists the owners of a keyspace in pages, by the codes of the characters of their ids', async () => {
    const { owners, keyspaces } = subject().store;
    const mine = newKeyspace();
    await keyspaces.insert(mine);
    for (const id of ['b', 'B', 'a', 'é', 'Z', '_', 'ab', '😀']) {
      await owners.insert(newOwner(mine.id, id, { suspendTimeMs: id < 'a' ? CREATED_MS : null }));
    }
    const listed: string[] = [];
    let afterId: string | undefined;
    for (;;) {
      const page = await owners.list({ keyspaceId: mine.id, suspendedOnly: false, afterId, limit: 3 });
      if (page.length === 0) break;
      for (const { id } of page) listed.push(id);
      afterId = listed.at(-1);
    }
    expect(listed).toEqual(['B', 'Z', '_', 'a', 'ab', 'b', 'é', '😀']);
    const suspended = await owners.list({
      keyspaceId: mine.id,
      suspendedOnly: true,
      afterId: 'B',
      limit: 10,
    });
    expect(suspended.map(({ id }) => id)).toEqual(['Z', '_']);
  });

  it('counts the keys of an owner by state, without deleted ones and those of others', async () => {
    const { owners, keys, keyspaces } = subject().store;
    const elsewhere = newKeyspace();
    await keyspaces.insert(elsewhere);
    const mine = { ownerId: 'counted' };
    const nowMs = CREATED_MS + 1000;
    await keys.insert(newKey(keyspace.id, mine));
    await keys.insert(newKey(keyspace.id, { ...mine, expireTimeMs: nowMs + 1 }));
    await keys.insert(newKey(keyspace.id, { ...mine, expireTimeMs: nowMs }));
    await keys.insert(newKey(keyspace.id, { ...mine, switch: 'REVOKED', expireTimeMs: nowMs }));
    await keys.insert(newKey(keyspace.id, { ...mine, switch: 'DISABLED' }));
    await keys.insert(newKey(keyspace.id, { ...mine, deleteTimeMs: CREATED_MS }));
    await keys.insert(newKey(keyspace.id, { ownerId: 'Counted' }));
    await keys.insert(newKey(keyspace.id));
    await keys.insert(newKey(elsewhere.id, mine));
    const counts = { ACTIVE: 2, EXPIRED: 1, REVOKED: 1, DISABLED: 1 };
    expect(await owners.countKeys(keyspace.id, 'counted', nowMs)).toEqual(counts);
    // Keys without an owner are nobody's.
    const none = { ACTIVE: 0, EXPIRED: 0, REVOKED: 0, DISABLED: 0 };
    expect(await owners.countKeys(keyspace.id, '', nowMs)).toEqual(none);
  });

  it('makes the owners that do not exist yet, tells them, and leaves the others as they are', async () => {
    const { owners } = subject().store;
    const before = newOwner(keyspace.id, 'known', { displayName: 'Known', suspendTimeMs: 5, version: 3 });
    await owners.insert(before);
    const wanted = ['new-b', 'known', 'new-a'].map((id) => newOwner(keyspace.id, id));
    const made = await subject().store.transaction((tx) => tx.owners.ensure(wanted));
    expect(made.map(({ id }) => id).toSorted()).toEqual(['new-a', 'new-b']);
    expect(await owners.get(keyspace.id, 'known')).toEqual(before);
    expect(await owners.get(keyspace.id, 'new-a')).toEqual(newOwner(keyspace.id, 'new-a'));
    expect(await subject().store.transaction((tx) => tx.owners.ensure(wanted))).toEqual([]);
    expect(await owners.ensure([])).toEqual([]);
  });

  it('makes an owner anew that another transaction deletes meanwhile', async () => {
    const { store, someoneWaits } = subject();
    await store.owners.insert(newOwner(keyspace.id, 'fleeting', { displayName: 'old' }));
    let ensuring: Promise<readonly OwnerRecord[]> | undefined;
    await store.transaction(async (tx) => {
      await tx.owners.delete(keyspace.id, 'fleeting');
      ensuring = store.transaction((other) => other.owners.ensure([newOwner(keyspace.id, 'fleeting')]));
      await someoneWaits();
    });
    expect(await ensuring).toEqual([newOwner(keyspace.id, 'fleeting')]);
    expect(await store.owners.get(keyspace.id, 'fleeting')).toEqual(newOwner(keyspace.id, 'fleeting'));
  });

  it('keeps an owner that another transaction meant to delete, and did not', async () => {
    const { store, someoneWaits } = subject();
    const owner = newOwner(keyspace.id, 'spared', { displayName: 'old' });
    await store.owners.insert(owner);
    let ensuring: Promise<readonly OwnerRecord[]> | undefined;
    const failing = store.transaction(async (tx) => {
      await tx.owners.delete(keyspace.id, 'spared');
      ensuring = store.transaction((other) => other.owners.ensure([newOwner(keyspace.id, 'spared')]));
      await someoneWaits();
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await ensuring).toEqual([]);
    expect(await store.owners.get(keyspace.id, 'spared')).toEqual(owner);
  });

  it('makes a deletion wait for the transaction that made sure of the owner, and see its key', async () => {
    const { store, someoneWaits } = subject();
    await store.owners.insert(newOwner(keyspace.id, 'held'));
    let counting: Promise<number> | undefined;
    await store.transaction(async (tx) => {
      await tx.owners.ensure([newOwner(keyspace.id, 'held')]);
      counting = store.transaction(async (other) => {
        await other.owners.get(keyspace.id, 'held', 'update');
        return (await other.owners.countKeys(keyspace.id, 'held', CREATED_MS)).ACTIVE;
      });
      await someoneWaits();
      await tx.keys.insert(newKey(keyspace.id, { ownerId: 'held' }));
    });
    expect(await counting).toBe(1);
  });

  it('goes with its keyspace', async () => {
    const { owners, keyspaces } = subject().store;
    const mine = newKeyspace();
    await keyspaces.insert(mine);
    await owners.insert(newOwner(mine.id, 'gone'));
    await keyspaces.delete(mine.id);
    expect(await owners.get(mine.id, 'gone')).toBeUndefined();
  });
});

onPostgres((subject) => {
  it('gets every transaction through that makes sure of the same owners in different orders', async () => {
    const { store } = subject();
    const keyspace = newKeyspace();
    await store.keyspaces.insert(keyspace);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const made = await Promise.all(
      Array.from({ length: 8 }, (_, shift) => {
        const order = [...names.slice(shift % 5), ...names.slice(0, shift % 5)];
        return store.transaction((tx) => tx.owners.ensure(order.map((id) => newOwner(keyspace.id, id))));
      }),
    );
    expect(
      made
        .flat()
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(names);
  });
});
