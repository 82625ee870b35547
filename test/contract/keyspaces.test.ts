import { expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import { ROOT_KEYSPACE_ID, type KeyspaceRecord } from '../../core/key.ts';
import type { KeyspaceRepository } from '../../server/lifecycle/ports.ts';
import { onEachEngine, onPostgres } from './each-engine.ts';
import { newKey, newKeyspace } from './records.ts';

const DAY_MS = 86_400_000;

type Page = Parameters<KeyspaceRepository['list']>[0];

onEachEngine((subject) => {
  it('has the built-in keyspace from the start', async () => {
    expect(await subject().store.keyspaces.get(ROOT_KEYSPACE_ID)).toMatchObject({
      slug: 'latchkey',
      tokenPrefix: 'latchkey',
      defaultTtlMs: null,
      maxTtlMs: null,
      requireExpiry: false,
      version: 1,
    });
  });

  it.each<[string, Partial<KeyspaceRecord>]>([
    ['without bounds', {}],
    ['with every bound', { defaultTtlMs: 1, maxTtlMs: 100 * 365 * DAY_MS, requireExpiry: true }],
    [
      'with a catalogue',
      {
        apis: [
          { name: 'shop', groups: [] },
          {
            name: `'"\\ ä€😀 ?`,
            groups: [
              { name: 'NULL', methods: [{ verb: '', path: '/**', noResource: true }] },
              { name: 'empty', methods: [] },
            ],
          },
        ],
      },
    ],
    ['with awkward text', { displayName: `'";-- \\ ä€😀 ?` }],
  ])('gives back a keyspace %s as it was inserted', async (_, change) => {
    const { keyspaces } = subject().store;
    const keyspace = newKeyspace(change);
    await keyspaces.insert(keyspace);
    expect(await keyspaces.get(keyspace.id)).toEqual(keyspace);
  });

  it('gives back a keyspace as it was updated, and leaves the others', async () => {
    const { keyspaces } = subject().store;
    const [one, other] = [newKeyspace({ defaultTtlMs: DAY_MS, maxTtlMs: DAY_MS }), newKeyspace()];
    await keyspaces.insert(one);
    await keyspaces.insert(other);
    const changed: KeyspaceRecord = {
      ...one,
      tokenPrefix: 'acme_test',
      displayName: '',
      defaultTtlMs: null,
      maxTtlMs: 2 * DAY_MS,
      requireExpiry: true,
      apis: [{ name: 'shop', groups: [] }],
      updateTimeMs: one.updateTimeMs + 1,
      version: 2,
    };
    await keyspaces.update(changed);
    expect(await keyspaces.get(one.id)).toEqual(changed);
    expect(await keyspaces.get(other.id)).toEqual(other);
  });

  it('refuses a slug that is taken, as SLUG_TAKEN, and keeps the first', async () => {
    const { keyspaces } = subject().store;
    const first = newKeyspace();
    await keyspaces.insert(first);
    const second = newKeyspace({ slug: first.slug });
    await expect(keyspaces.insert(second)).rejects.toMatchObject({ reason: 'SLUG_TAKEN' });
    expect(await keyspaces.get(second.id)).toBeUndefined();
    expect(await keyspaces.get(first.id)).toEqual(first);
  });

  it('frees the slug of a keyspace that is deleted', async () => {
    const { keyspaces } = subject().store;
    const first = newKeyspace();
    await keyspaces.insert(first);
    await keyspaces.delete(first.id);
    expect(await keyspaces.get(first.id)).toBeUndefined();
    const second = newKeyspace({ slug: first.slug });
    await keyspaces.insert(second);
    expect(await keyspaces.get(second.id)).toEqual(second);
  });

  it('does not delete a keyspace that has keys, deleted ones included', async () => {
    const { keys, keyspaces } = subject().store;
    const keyspace = newKeyspace();
    await keyspaces.insert(keyspace);
    await keys.insert(newKey(keyspace.id, { deleteTimeMs: 1 }));
    await expect(keyspaces.delete(keyspace.id)).rejects.toThrow('keys_keyspace_id_fkey');
    await keys.purgeDeletedIn(keyspace.id);
    await keyspaces.delete(keyspace.id);
    expect(await keyspaces.get(keyspace.id)).toBeUndefined();
  });

  it('knows nothing of a keyspace that was never made', async () => {
    expect(await subject().store.keyspaces.get(newId('keyspace'))).toBeUndefined();
  });

  it('lists by slug, page by page, those asked for and the built-in one only on request', async () => {
    const { keyspaces } = subject().store;
    const made = ['k-aa', 'k-ab', 'k-b', 'm-a', 'm-b'].map((slug) => newKeyspace({ slug }));
    for (const keyspace of made.toReversed()) await keyspaces.insert(keyspace);
    const ids = [ROOT_KEYSPACE_ID, ...made.map(({ id }) => id)];
    const all: Page = { ids, withRoot: false, afterSlug: undefined, limit: 100 };
    expect(await keyspaces.list(all)).toEqual(made);

    const slugs = async (change: Partial<Page>): Promise<string[]> =>
      (await keyspaces.list({ ...all, ...change })).map(({ slug }) => slug);
    expect(await slugs({ withRoot: true })).toEqual(['k-aa', 'k-ab', 'k-b', 'latchkey', 'm-a', 'm-b']);
    expect(await slugs({ limit: 2 })).toEqual(['k-aa', 'k-ab']);
    expect(await slugs({ limit: 2, afterSlug: 'k-ab' })).toEqual(['k-b', 'm-a']);
    expect(await slugs({ afterSlug: 'm-b' })).toEqual([]);
    expect(await slugs({ ids: [] })).toEqual([]);
    expect(await slugs({ ids: [made[2]!.id] })).toEqual(['k-b']);
  });

  it('lists all keyspaces but the built-in one where no ids are given', async () => {
    const { keyspaces } = subject().store;
    const keyspace = newKeyspace();
    await keyspaces.insert(keyspace);
    const page = { ids: undefined, afterSlug: undefined, limit: 1000 };
    const listed = (await keyspaces.list({ ...page, withRoot: false })).map(({ id }) => id);
    expect(listed).toContain(keyspace.id);
    expect(listed).not.toContain(ROOT_KEYSPACE_ID);
    const withRoot = (await keyspaces.list({ ...page, withRoot: true })).map(({ id }) => id);
    expect(withRoot.toSorted()).toEqual([...listed, ROOT_KEYSPACE_ID].toSorted());
  });
});

onPostgres((subject) => {
  it('refuses a new key as KEYSPACE_NOT_FOUND when the keyspace is deleted between its reading and the insert', async () => {
    const { store } = subject();
    const keyspace = newKeyspace();
    await store.keyspaces.insert(keyspace);
    const key = newKey(keyspace.id);
    const creation = store.transaction(async (tx) => {
      expect(await tx.keyspaces.get(keyspace.id)).toEqual(keyspace);
      await store.keyspaces.delete(keyspace.id);
      await tx.keys.insert(key);
    });
    await expect(creation).rejects.toMatchObject({ reason: 'KEYSPACE_NOT_FOUND' });
    expect(await store.keys.get(key.id)).toBeUndefined();
  });

  it('makes a new key wait for a deletion under way, and lets it in if that is taken back', async () => {
    const { store, someoneWaits } = subject();
    const keyspace = newKeyspace();
    await store.keyspaces.insert(keyspace);
    const key = newKey(keyspace.id);
    let creation: Promise<void> | undefined;
    const deletion = store.transaction(async (tx) => {
      await tx.keyspaces.delete(keyspace.id);
      creation = store.transaction((other) => other.keys.insert(key));
      await someoneWaits();
      throw new Error('taken back');
    });
    await expect(deletion).rejects.toThrow('taken back');
    await creation;
    expect(await store.keys.get(key.id)).toEqual(key);
  });

  it('makes a deletion that locks the keyspace wait for a new key under way, and count it', async () => {
    const { store, someoneWaits } = subject();
    const keyspace = newKeyspace();
    await store.keyspaces.insert(keyspace);
    let counting: Promise<number> | undefined;
    await store.transaction(async (tx) => {
      await tx.keys.insert(newKey(keyspace.id));
      counting = store.transaction(async (other) => {
        await other.keyspaces.get(keyspace.id, 'update');
        return other.keys.countIn(keyspace.id);
      });
      await someoneWaits();
    });
    expect(await counting).toBe(1);
  });
});
