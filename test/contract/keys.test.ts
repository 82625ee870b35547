import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyRecord, KeyspaceRecord } from '../../core/key.ts';
import type { Restrictions } from '../../core/rules.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, newKey, newKeyspace, newSecret } from './records.ts';

/** Text that a list, a row or a JSON document of Postgres could take for something else. */
const AWKWARD = [
  'NULL',
  '',
  ' ',
  '{}',
  '{a,b}',
  '"',
  "'",
  '\\',
  'a,b',
  'ä€😀',
  '?',
  '$1',
  '%_',
  '\n\t',
  '__proto__',
];

/** Whatever Postgres can hold: all of Unicode but NUL. */
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !value.includes('\0'));
const list = fc.array(fc.oneof(text, fc.constantFrom(...AWKWARD)), { maxLength: 5 });
const awkwardRestrictions: fc.Arbitrary<Restrictions> = fc.record({
  allowedIps: list,
  allowedReferrers: list,
  androidApps: fc.array(fc.record({ packageName: text, certSha1: text }), { maxLength: 2 }),
  iosBundleIds: list,
  apiTargets: fc.array(fc.record({ api: text, verbs: list, paths: list, groups: list }), { maxLength: 3 }),
});
const timeMs = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });
const timeOrNever = fc.option(timeMs, { nil: null });

const attributes: fc.Arbitrary<Partial<KeyRecord>> = fc.record({
  displayName: text,
  ownerId: text,
  scopes: list,
  resourceAccess: fc.oneof(
    fc.constant(null),
    fc.constant({ type: 'ALL' as const }),
    list.map((ids) => ({ type: 'LISTED' as const, ids })),
  ),
  restrictions: awkwardRestrictions,
  policyIds: list,
  metadata: fc.dictionary(fc.oneof(text, fc.constantFrom(...AWKWARD)), text, { maxKeys: 5 }),
  tags: list,
  switch: fc.constantFrom('ACTIVE' as const, 'DISABLED' as const, 'REVOKED' as const),
  expireTimeMs: timeOrNever,
  updateTimeMs: timeMs,
  revokeTimeMs: timeOrNever,
  revokeReason: text,
  deleteTimeMs: timeOrNever,
  purgeTimeMs: timeOrNever,
  version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  createdBy: text,
});

onEachEngine((subject) => {
  let keyspace: KeyspaceRecord;
  beforeAll(async () => {
    keyspace = newKeyspace();
    await subject().store.keyspaces.insert(keyspace);
  });

  it('gives back a key as it was inserted, whatever its fields hold', async () => {
    const { keys } = subject().store;
    await fc.assert(
      fc.asyncProperty(attributes, timeMs, async (change, createTimeMs) => {
        const key = newKey(keyspace.id, { ...change, createTimeMs });
        await keys.insert(key);
        expect(await keys.get(key.id)).toEqual(key);
      }),
      { numRuns: 60 },
    );
  });

  it('gives back a key as it was updated, in everything but its id, keyspace and secrets', async () => {
    const { keys } = subject().store;
    const key = newKey(keyspace.id);
    await keys.insert(key);
    await fc.assert(
      fc.asyncProperty(attributes, async (change) => {
        const after = { ...key, ...change };
        await keys.update({ ...after, secrets: [newSecret(key.id)] });
        expect(await keys.get(key.id)).toEqual(after);
      }),
      { numRuns: 60 },
    );
  });

  it('updates the one key and no other', async () => {
    const { keys } = subject().store;
    const [one, other] = [newKey(keyspace.id), newKey(keyspace.id)];
    await keys.insert(one);
    await keys.insert(other);
    await keys.update({ ...one, displayName: 'changed', switch: 'REVOKED', version: 2 });
    expect(await keys.get(other.id)).toEqual(other);
  });

  it('knows nothing of a key that was never made', async () => {
    const { keys, readLiveKey } = subject().store;
    const key = newKey(keyspace.id);
    expect(await keys.get(key.id)).toBeUndefined();
    expect(await readLiveKey(key.id)).toBeUndefined();
    await keys.update(key);
    expect(await keys.get(key.id)).toBeUndefined();
  });

  it('gives the secrets newest first, and those of one time always in the same order', async () => {
    const { keys, readLiveKey } = subject().store;
    const id = newId('key');
    const at = (createTimeMs: number, secretId: string) =>
      newSecret(id, { id: `sec_${secretId}_${id}`, createTimeMs, expireTimeMs: createTimeMs + 5 });
    const newest = at(CREATED_MS + 2, 'a');
    const twins = [at(CREATED_MS + 1, 'b'), at(CREATED_MS + 1, 'c')];
    const oldest = at(CREATED_MS, 'd');
    await keys.insert(newKey(keyspace.id, { id, secrets: [oldest, ...twins.toReversed(), newest] }));
    const expected = [newest, ...twins, oldest];
    expect((await keys.get(id))?.secrets).toEqual(expected);
    expect((await readLiveKey(id))?.key.secrets).toEqual(expected);
  });

  it.each(['ACTIVE', 'DISABLED', 'REVOKED'] as const)(
    'reads a live key that is %s, expired or not, in one piece with its secrets',
    async (state) => {
      const { keys, readLiveKey } = subject().store;
      const key = newKey(keyspace.id, {
        switch: state,
        expireTimeMs: CREATED_MS + 1,
        scopes: ['orders:read', AWKWARD.join()],
        resourceAccess: { type: 'LISTED', ids: ['store-1', 'NULL'] },
        metadata: { plan: 'gold' },
        tags: AWKWARD,
      });
      await keys.insert(key);
      expect((await readLiveKey(key.id))?.key).toEqual(key);
    },
  );

  it('reads no live key where it is deleted, and reads it again when it is undeleted', async () => {
    const { keys, readLiveKey } = subject().store;
    const key = newKey(keyspace.id);
    const deleted = { ...key, deleteTimeMs: CREATED_MS + 1, purgeTimeMs: CREATED_MS + 2 };
    await keys.insert(key);
    await keys.update(deleted);
    expect(await readLiveKey(key.id)).toBeUndefined();
    expect(await keys.get(key.id)).toEqual(deleted);
    await keys.update(key);
    expect((await readLiveKey(key.id))?.key).toEqual(key);
  });

  it('refuses a second key of the same id and leaves the first as it is', async () => {
    const { keys } = subject().store;
    const key = newKey(keyspace.id);
    await keys.insert(key);
    await expect(keys.insert({ ...key, secrets: [newSecret(key.id)] })).rejects.toThrow('keys_pkey');
    expect(await keys.get(key.id)).toEqual(key);
  });

  it('refuses a key of a keyspace that is not there, as KEYSPACE_NOT_FOUND', async () => {
    const { keys } = subject().store;
    const key = newKey(newId('keyspace'));
    await expect(keys.insert(key)).rejects.toMatchObject({ reason: 'KEYSPACE_NOT_FOUND' });
    expect(await keys.get(key.id)).toBeUndefined();
  });

  it('keeps no key without its secret when the secret is refused', async () => {
    const { store } = subject();
    const key = newKey(keyspace.id, { secrets: [newSecret(newId('key'), { digestHex: 'ab' })] });
    await expect(store.transaction((tx) => tx.keys.insert(key))).rejects.toThrow('key_secrets_digest_check');
    expect(await store.keys.get(key.id)).toBeUndefined();
  });

  it('makes a reader that locks a key wait for the one that did so before, and see what it wrote', async () => {
    const { store, someoneWaits } = subject();
    const key = newKey(keyspace.id);
    await store.keys.insert(key);
    let second: Promise<KeyRecord | undefined> | undefined;
    await store.transaction(async (tx) => {
      const locked = await tx.keys.get(key.id, 'update');
      second = store.transaction((other) => other.keys.get(key.id, 'update'));
      await someoneWaits();
      await tx.keys.update({ ...locked!, version: 2 });
    });
    expect((await second)?.version).toBe(2);
  });

  it('counts the keys of a keyspace that are not deleted', async () => {
    const { keys, keyspaces } = subject().store;
    const [mine, other] = [newKeyspace(), newKeyspace()];
    await keyspaces.insert(mine);
    await keyspaces.insert(other);
    await keys.insert(newKey(mine.id));
    await keys.insert(newKey(mine.id, { switch: 'REVOKED', expireTimeMs: 1 }));
    await keys.insert(newKey(mine.id, { deleteTimeMs: CREATED_MS }));
    await keys.insert(newKey(other.id));
    expect(await keys.countIn(mine.id)).toBe(2);
    expect(await keys.countIn(newId('keyspace'))).toBe(0);
  });
});
