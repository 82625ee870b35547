import { beforeEach, expect, it } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyRecord, KeyspaceRecord } from '../../core/key.ts';
import type { Limit } from '../../core/limit.ts';
import type { Api } from '../../core/rules.ts';
import { createStore } from '../../server/store/store.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, newKey, newKeyspace, newOwner, newPolicy, newSecret } from './records.ts';

const LIMITS: readonly [Limit, Limit] = [
  {
    name: 'per-minute',
    rule: { kind: 'RATE', limit: 1_000_000_000, windowMs: 60_000 },
    onDemand: false,
    onUnavailable: 'ALLOW',
  },
  {
    name: 'pool',
    rule: {
      kind: 'CREDITS',
      initial: 1_000_000_000_000,
      refill: { amount: 5, interval: 'MONTHLY', day: 31, maxBalance: null },
    },
    onDemand: true,
    onUnavailable: 'DENY',
  },
];

const catalogue = (path: string): readonly Api[] => [
  { name: 'shop', groups: [{ name: 'orders', methods: [{ verb: 'GET', path, noResource: false }] }] },
];

onEachEngine((subject) => {
  let keyspace: KeyspaceRecord;
  beforeEach(async () => {
    keyspace = newKeyspace({ apis: catalogue('/a') });
    await subject().store.keyspaces.insert(keyspace);
  });
  const read = (key: KeyRecord) => subject().store.readLiveKey(key.id);
  async function insert(change: Partial<KeyRecord> = {}): Promise<KeyRecord> {
    const key = newKey(keyspace.id, change);
    await subject().store.keys.insert(key);
    return key;
  }

  it('reads a key alone with no policies, an owner that is not suspended, and the catalogue', async () => {
    const key = await insert({ ownerId: 'nobody-knows' });
    expect(await read(key)).toEqual({
      key,
      policies: [],
      ownerSuspended: false,
      ownerLimits: [],
      ownerLimitOverrides: [],
      apis: keyspace.apis,
    });
  });

  it('reads the policies whole, in the order of the key, and leaves out those that are gone', async () => {
    const { policies } = subject().store;
    const awkward = newPolicy(keyspace.id, {
      displayName: `'";-- \\ ä€😀 ?`,
      scopes: ['a', 'NULL', '"', '{a,b}'],
      resourceAccess: { type: 'LISTED', ids: ['s,1', ''] },
      restrictions: {
        allowedIps: ['192.0.2.0/24'],
        allowedReferrers: ['https://x/*'],
        androidApps: [{ packageName: 'com.example', certSha1: 'ab' }],
        iosBundleIds: ['com.example'],
        apiTargets: [{ api: 'shop', verbs: ['GET'], paths: ['/a'], groups: ['orders'] }],
      },
      limits: [LIMITS[0], LIMITS[1]],
      metadata: { plan: 'gold', 'ä"': '\n' },
      tags: ['t'],
      createTimeMs: Date.UTC(1970, 0, 1, 0, 0, 0, 7),
      updateTimeMs: Date.UTC(9999, 11, 31, 23, 59, 59, 999),
      version: 12,
    });
    const all = [awkward, ...Array.from({ length: 4 }, () => newPolicy(keyspace.id))];
    for (const policy of all) await policies.insert(policy);
    for (const order of [all, all.toReversed(), [...all.slice(2), ...all.slice(0, 2)]]) {
      const key = await insert({ policyIds: order.map(({ id }) => id) });
      expect((await read(key))?.policies).toEqual(order);
    }
    const partly = await insert({ policyIds: [newId('policy'), awkward.id, newId('policy')] });
    expect((await read(partly))?.policies).toEqual([awkward]);
  });

  it('reads each policy and each secret once, however many there are of the other', async () => {
    const two = [newPolicy(keyspace.id), newPolicy(keyspace.id)];
    for (const policy of two) await subject().store.policies.insert(policy);
    const id = newId('key');
    const secrets = [newSecret(id, { createTimeMs: CREATED_MS + 1 }), newSecret(id)];
    const key = await insert({ id, secrets, policyIds: two.map((policy) => policy.id) });
    expect(await read(key)).toMatchObject({ key, policies: two });
  });

  it('reads a policy as it is now', async () => {
    const { policies } = subject().store;
    const policy = newPolicy(keyspace.id);
    await policies.insert(policy);
    const key = await insert({ policyIds: [policy.id] });
    await read(key);
    const changed = { ...policy, scopes: ['later'], version: 2 };
    await policies.update(changed);
    expect((await read(key))?.policies).toEqual([changed]);
  });

  it('reads of the owner whether it is suspended, and asks the one of its own keyspace', async () => {
    const { owners, keyspaces } = subject().store;
    const elsewhere = newKeyspace();
    await keyspaces.insert(elsewhere);
    const owner = newOwner(keyspace.id, 'ann');
    await owners.insert(owner);
    await owners.insert(newOwner(elsewhere.id, 'ann', { suspendTimeMs: CREATED_MS }));
    const key = await insert({ ownerId: 'ann' });
    const ownerless = await insert();
    expect((await read(key))?.ownerSuspended).toBe(false);
    await owners.update({ ...owner, suspendTimeMs: CREATED_MS, version: 2 });
    expect((await read(key))?.ownerSuspended).toBe(true);
    expect((await read(ownerless))?.ownerSuspended).toBe(false);
    await owners.update({ ...owner, version: 3 });
    expect((await read(key))?.ownerSuspended).toBe(false);
  });

  it('reads the limits and overrides of the key, and those of its owner in its own keyspace', async () => {
    const { owners, keyspaces } = subject().store;
    const elsewhere = newKeyspace();
    await keyspaces.insert(elsewhere);
    const [override, other] = [
      { limit: 'per-minute', value: 0, endTimeMs: CREATED_MS },
      { limit: 'per-minute', value: 1_000_000_000, endTimeMs: CREATED_MS + 1 },
    ];
    const owner = newOwner(keyspace.id, 'ann', { limits: LIMITS, limitOverrides: [override, other] });
    await owners.insert(owner);
    await owners.insert(newOwner(elsewhere.id, 'ann', { limits: [LIMITS[1]] }));
    const key = await insert({ ownerId: 'ann', limits: [LIMITS[1], LIMITS[0]], limitOverrides: [other] });
    const two = await insert({
      ownerId: 'ann',
      secrets: [newSecret(key.id), newSecret(key.id)],
    });
    const shared = { ownerLimits: LIMITS, ownerLimitOverrides: [override, other] };
    expect(await read(key)).toMatchObject({ key, ...shared });
    expect(await read(two)).toMatchObject({ key: { limits: [], limitOverrides: [] }, ...shared });
    await owners.update({ ...owner, limits: [], limitOverrides: [], version: 2 });
    expect(await read(key)).toMatchObject({ key, ownerLimits: [], ownerLimitOverrides: [] });
    expect(await read(await insert())).toMatchObject({ ownerLimits: [], ownerLimitOverrides: [] });
  });

  it('reads the catalogue once for all keys of a keyspace, and anew when it was changed', async () => {
    const { keyspaces } = subject().store;
    const [one, other] = [await insert(), await insert()];
    const before = (await read(one))?.apis;
    expect(before).toEqual(catalogue('/a'));
    // One object, so that it is compiled once.
    expect((await read(other))?.apis).toBe(before);
    await keyspaces.update({ ...keyspace, apis: catalogue('/b'), version: 2 });
    const after = (await read(one))?.apis;
    expect(after).toEqual(catalogue('/b'));
    expect((await read(other))?.apis).toBe(after);
    await keyspaces.update({ ...keyspace, apis: [], version: 3 });
    expect((await read(one))?.apis).toEqual([]);
  });

  it('reads the catalogue of the keyspace of each key', async () => {
    const { keyspaces, keys } = subject().store;
    const elsewhere = newKeyspace({ apis: catalogue('/elsewhere') });
    await keyspaces.insert(elsewhere);
    const far = newKey(elsewhere.id);
    await keys.insert(far);
    const near = await insert();
    for (let round = 0; round < 2; round += 1) {
      expect((await read(near))?.apis).toEqual(catalogue('/a'));
      expect((await read(far))?.apis).toEqual(catalogue('/elsewhere'));
    }
  });

  it('reads another change of the catalogue than its own, as another replica makes it', async () => {
    const key = await insert();
    await read(key);
    await createStore(subject().engine.knex).keyspaces.update({
      ...keyspace,
      apis: catalogue('/theirs'),
      version: 2,
    });
    expect((await read(key))?.apis).toEqual(catalogue('/theirs'));
  });

  it('reads the same by statements that are not prepared, which some poolers do not know', async () => {
    const unprepared = createStore(subject().engine.knex, { prepared: false });
    for (let round = 0; round < 3; round += 1) {
      const key = await insert();
      expect(await unprepared.readLiveKey(key.id)).toEqual(await read(key));
    }
    expect(await unprepared.readLiveKey(newId('key'))).toBeUndefined();
  });
});
