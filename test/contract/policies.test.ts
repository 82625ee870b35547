import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyspaceRecord } from '../../core/key.ts';
import type { PolicyRecord } from '../../core/policy.ts';
import { NO_RESTRICTIONS } from '../../core/rules.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, newKey, newKeyspace, newPolicy } from './records.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !value.includes('\0'));
const list = fc.array(fc.oneof(text, fc.constantFrom('NULL', '', '{a,b}', '"', '\\', 'a,b', '?')), {
  maxLength: 4,
});
const attributes: fc.Arbitrary<Partial<PolicyRecord>> = fc.record({
  scopes: list,
  resourceAccess: fc.oneof(
    fc.constant(null),
    fc.constant({ type: 'ALL' as const }),
    list.map((ids) => ({ type: 'LISTED' as const, ids })),
  ),
  restrictions: fc.record({
    allowedIps: list,
    allowedReferrers: list,
    androidApps: fc.array(fc.record({ packageName: text, certSha1: text }), { maxLength: 2 }),
    iosBundleIds: list,
    apiTargets: fc.array(fc.record({ api: text, verbs: list, paths: list, groups: list }), { maxLength: 2 }),
  }),
  metadata: fc.dictionary(text, text, { maxKeys: 4 }),
  tags: list,
  updateTimeMs: fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }),
  version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});

onEachEngine((subject) => {
  let keyspace: KeyspaceRecord;
  beforeAll(async () => {
    keyspace = newKeyspace();
    await subject().store.keyspaces.insert(keyspace);
  });

  it('gives back a policy as it was inserted and as it was updated, whatever its fields hold', async () => {
    const { policies } = subject().store;
    await fc.assert(
      fc.asyncProperty(attributes, attributes, async (first, second) => {
        const policy = newPolicy(keyspace.id, first);
        await policies.insert(policy);
        expect(await policies.get(policy.id)).toEqual(policy);
        const after = { ...policy, ...second, displayName: `${policy.displayName} 2` };
        await policies.update(after);
        expect(await policies.get(policy.id)).toEqual(after);
        expect(await policies.getMany([policy.id])).toEqual([after]);
      }),
      { numRuns: 30 },
    );
  });

  it('updates and deletes the one policy and no other', async () => {
    const { policies } = subject().store;
    const [one, other] = [newPolicy(keyspace.id), newPolicy(keyspace.id)];
    await policies.insert(one);
    await policies.insert(other);
    await policies.update({ ...one, scopes: ['a'], version: 2 });
    expect(await policies.get(other.id)).toEqual(other);
    await policies.delete(one.id);
    expect(await policies.get(one.id)).toBeUndefined();
    expect(await policies.get(other.id)).toEqual(other);
  });

  it('finds many, leaves out those that do not exist, and asks for none in vain', async () => {
    const { policies } = subject().store;
    const [one, other] = [newPolicy(keyspace.id), newPolicy(keyspace.id)];
    await policies.insert(one);
    await policies.insert(other);
    const found = await policies.getMany([other.id, newId('policy'), one.id, one.id]);
    expect(found).toHaveLength(2);
    expect(found).toEqual(expect.arrayContaining([one, other]));
    expect(await policies.getMany([])).toEqual([]);
  });

  it('refuses a name that is taken in the keyspace, as POLICY_NAME_TAKEN; elsewhere it is free', async () => {
    const { policies, keyspaces } = subject().store;
    const elsewhere = newKeyspace();
    await keyspaces.insert(elsewhere);
    const first = newPolicy(keyspace.id, { displayName: 'Gold' });
    await policies.insert(first);
    const second = newPolicy(keyspace.id, { displayName: 'Gold' });
    await expect(policies.insert(second)).rejects.toMatchObject({ reason: 'POLICY_NAME_TAKEN' });
    expect(await policies.get(second.id)).toBeUndefined();
    await policies.insert({ ...second, displayName: 'gold' });
    const renamed = { ...second, displayName: 'Gold' };
    await expect(policies.update(renamed)).rejects.toMatchObject({ reason: 'POLICY_NAME_TAKEN' });
    expect((await policies.get(second.id))?.displayName).toBe('gold');
    await policies.insert(newPolicy(elsewhere.id, { displayName: 'Gold' }));
  });

  it('refuses a policy of a keyspace that is not there, as KEYSPACE_NOT_FOUND', async () => {
    const policy = newPolicy(newId('keyspace'));
    await expect(subject().store.policies.insert(policy)).rejects.toMatchObject({
      reason: 'KEYSPACE_NOT_FOUND',
    });
  });

  it('lists the policies of a keyspace in pages, by the codes of the characters of their names', async () => {
    const { policies, keyspaces } = subject().store;
    const [mine, other] = [newKeyspace(), newKeyspace()];
    await keyspaces.insert(mine);
    await keyspaces.insert(other);
    const names = ['b', 'B', 'a', 'é', 'Z', '_', ' a', 'ab', '%', '😀'];
    for (const displayName of names) await policies.insert(newPolicy(mine.id, { displayName }));
    await policies.insert(newPolicy(other.id, { displayName: 'aa' }));

    const listed: string[] = [];
    let afterName: string | undefined;
    for (;;) {
      const page = await policies.list({ keyspaceId: mine.id, afterName, limit: 3 });
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(3);
      for (const { displayName } of page) listed.push(displayName);
      afterName = listed.at(-1);
    }
    expect(listed).toEqual([' a', '%', 'B', 'Z', '_', 'a', 'ab', 'b', 'é', '😀']);
  });

  it('counts the keys that refer to a policy, deleted ones too, and no others', async () => {
    const { policies, keys } = subject().store;
    const [one, other] = [newPolicy(keyspace.id), newPolicy(keyspace.id)];
    await policies.insert(one);
    await policies.insert(other);
    expect(await policies.countKeys(one)).toBe(0);
    await keys.insert(newKey(keyspace.id, { policyIds: [one.id] }));
    await keys.insert(newKey(keyspace.id, { policyIds: [other.id, one.id], deleteTimeMs: CREATED_MS }));
    await keys.insert(newKey(keyspace.id, { policyIds: [other.id] }));
    expect(await policies.countKeys(one)).toBe(2);
  });

  it('makes a deletion wait while a transaction holds the policy for a key that refers to it', async () => {
    const { store, someoneWaits } = subject();
    const policy = newPolicy(keyspace.id);
    await store.policies.insert(policy);
    const order: string[] = [];
    let deletion: Promise<number> | undefined;
    await store.transaction(async (tx) => {
      expect(await tx.policies.getMany([policy.id], 'share')).toEqual([policy]);
      deletion = store.transaction(async (other) => {
        await other.policies.get(policy.id, 'update');
        order.push('deletion');
        return other.policies.countKeys(policy);
      });
      await someoneWaits();
      await tx.keys.insert(newKey(keyspace.id, { policyIds: [policy.id] }));
      order.push('key');
    });
    // It sees the key, and can refuse.
    expect(await deletion).toBe(1);
    expect(order).toEqual(['key', 'deletion']);
  });

  it('goes with its keyspace', async () => {
    const { policies, keyspaces } = subject().store;
    const mine = newKeyspace();
    await keyspaces.insert(mine);
    const policy = newPolicy(mine.id, { restrictions: NO_RESTRICTIONS });
    await policies.insert(policy);
    await keyspaces.delete(mine.id);
    expect(await policies.get(policy.id)).toBeUndefined();
  });
});
