import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KeyView, type EffectiveRules } from '../../proto/gen/latchkey/v1/key_service.ts';
import {
  OnUnavailable,
  RefillInterval,
  type DeepPartial,
  type Key,
} from '../../proto/gen/latchkey/v1/key.ts';
import type { Policy } from '../../proto/gen/latchkey/v1/policy_service.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { judge, verdictOf } from './support/judge.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';

/** Something in every field. */
const FULL = {
  scopes: ['orders:read', 'orders:write'],
  resourceAccess: { access: { $case: 'listed' as const, value: { ids: ['store-1'] } } },
  restrictions: {
    allowedIps: ['203.0.113.0/24'],
    allowedReferrers: ['*.example.com'],
    androidApps: [{ package: 'com.example.shop', certSha1: SHA1 }],
    iosBundleIds: ['com.example.shop'],
    apiTargets: [{ api: 'orders', verbs: ['GET'], paths: ['/orders/**'], groups: [] }],
  },
  limits: [
    {
      name: 'per-minute',
      kind: { $case: 'rate' as const, value: { limit: 100n, window: { seconds: 60n, nanos: 0 } } },
      onDemand: false,
      onUnavailable: OnUnavailable.ON_UNAVAILABLE_ALLOW,
    },
  ],
  metadata: new Map([['plan', 'gold']]),
  tags: ['eu', 'b2b'],
};

const CREDITS = {
  name: 'pool',
  kind: {
    $case: 'credits' as const,
    value: {
      initial: 5n,
      refill: { amount: 7n, interval: RefillInterval.REFILL_INTERVAL_MONTHLY, day: 31, maxBalance: 9n },
    },
  },
  onDemand: true,
  onUnavailable: OnUnavailable.ON_UNAVAILABLE_DENY,
};

let names = 0;
const newName = (): string => `policy ${(names += 1)}`;

async function newPolicy(policy: DeepPartial<Policy> = {}): Promise<Policy> {
  const { root, keyspaceId } = served();
  const answer = await root.policies.createPolicy({
    policy: { keyspaceId, displayName: newName(), ...policy },
  });
  return present(answer.policy);
}

/** The position of the newest change. */
const head = async (): Promise<string> => (await served().root.verify.verify({ token: 'x' })).revision;

describe('a policy', () => {
  test('is created as it was asked for, and read as it was created', async () => {
    const { root, keyspaceId } = served();
    const displayName = newName();
    const { policy, revision } = await root.policies.createPolicy({
      policy: { keyspaceId, displayName, ...FULL, createTime: new Date(0), etag: 'x' },
    });
    const createTime = new Date(clock.nowMs());
    expect(policy).toEqual({
      ...FULL,
      id: policy?.id,
      keyspaceId,
      displayName,
      createTime,
      updateTime: createTime,
      etag: policy?.etag,
    });
    expect(policy?.id).toMatch(/^pol_[0-9A-Za-z]{16}$/);
    expect(policy?.etag).not.toBe('x');
    expect(await head()).toBe(revision);
    expect(await root.policies.getPolicy({ id: present(policy).id })).toEqual({ policy, keyCount: 0n });
  });

  test('that says nothing has nothing but its name', async () => {
    expect(await newPolicy()).toMatchObject({
      scopes: [],
      resourceAccess: undefined,
      restrictions: undefined,
      metadata: new Map(),
      tags: [],
    });
  });

  test.each<[string, DeepPartial<Policy>, object]>([
    ['display_name', { displayName: 'another name' }, { displayName: 'another name' }],
    ['scopes', { scopes: ['x', 'x'] }, { scopes: ['x'] }],
    ['scopes', {}, { scopes: [] }],
    [
      'resource_access',
      { resourceAccess: { access: { $case: 'all', value: {} } } },
      { resourceAccess: { access: { $case: 'all', value: {} } } },
    ],
    ['resource_access', {}, { resourceAccess: undefined }],
    [
      // Replaced whole, as everything is.
      'restrictions',
      { restrictions: { allowedIps: ['::1'] } },
      {
        restrictions: {
          allowedIps: ['::1'],
          allowedReferrers: [],
          androidApps: [],
          iosBundleIds: [],
          apiTargets: [],
        },
      },
    ],
    ['restrictions', {}, { restrictions: undefined }],
    ['limits', { limits: [CREDITS] }, { limits: [CREDITS] }],
    ['limits', {}, { limits: [] }],
    ['metadata', { metadata: new Map([['a', 'b']]) }, { metadata: new Map([['a', 'b']]) }],
    ['metadata', {}, { metadata: new Map() }],
    ['tags', { tags: ['x'] }, { tags: ['x'] }],
    ['tags', {}, { tags: [] }],
  ])('is changed in its %s by %o, and in nothing else', async (path, change, changed) => {
    const { root } = served();
    const before = await newPolicy(FULL);
    clock.advance(10);
    const { policy, revision, effectiveTime } = await root.policies.updatePolicy({
      // What the mask does not name is not read.
      policy: {
        scopes: ['ignored'],
        displayName: 'ignored',
        ...change,
        id: before.id,
        ...(path === 'scopes' ? { scopes: change.scopes ?? [] } : {}),
      },
      updateMask: [path],
    });
    expect(policy).toEqual({
      ...before,
      ...changed,
      updateTime: new Date(clock.nowMs()),
      etag: policy?.etag,
    });
    expect(policy?.etag).not.toBe(before.etag);
    expect(effectiveTime).toEqual(new Date(clock.nowMs()));
    expect(await head()).toBe(revision);
    expect((await root.policies.getPolicy({ id: before.id })).policy).toEqual(policy);
    await root.policies.updatePolicy({
      policy: { id: before.id, displayName: newName() },
      updateMask: ['display_name'],
    });
  });

  test('that is changed into what it is already does not change', async () => {
    const { root } = served();
    const before = await newPolicy(FULL);
    const revision = await head();
    clock.advance(10);
    const answer = await root.policies.updatePolicy({
      policy: { ...FULL, id: before.id, displayName: before.displayName },
      updateMask: ['display_name', 'scopes', 'resource_access', 'restrictions', 'limits', 'metadata', 'tags'],
    });
    expect(answer).toMatchObject({ policy: before, revision });
    expect(await head()).toBe(revision);
  });

  test('with the etag of an older state is not changed and not deleted', async () => {
    const { root } = served();
    const before = await newPolicy();
    const { policy: now } = await root.policies.updatePolicy({
      policy: { id: before.id, etag: before.etag, tags: ['x'] },
      updateMask: ['tags'],
    });
    const aborted = { code: 10, reason: 'ETAG_MISMATCH', metadata: { etag: now?.etag } };
    const stale = { id: before.id, etag: before.etag };
    expect(
      await failureOf((options) =>
        root.policies.updatePolicy({ policy: { ...stale, tags: ['y'] }, updateMask: ['tags'] }, options),
      ),
    ).toMatchObject(aborted);
    expect(await failureOf((options) => root.policies.deletePolicy(stale, options))).toMatchObject(aborted);
    expect((await root.policies.getPolicy({ id: before.id })).policy).toEqual(now);
    await root.policies.deletePolicy({ id: before.id, etag: now?.etag ?? '' });
  });

  test('of a name that another one of the keyspace has is refused; elsewhere the name is free', async () => {
    const { root, keyspaceId, newKeyspace } = served();
    const [one, two] = [await newPolicy(), await newPolicy()];
    const { displayName } = one;
    const taken = { code: 6, reason: 'POLICY_NAME_TAKEN' };
    expect(
      await failureOf((options) =>
        root.policies.createPolicy({ policy: { keyspaceId, displayName } }, options),
      ),
    ).toMatchObject(taken);
    expect(
      await failureOf((options) =>
        root.policies.updatePolicy(
          { policy: { id: two.id, displayName }, updateMask: ['display_name'] },
          options,
        ),
      ),
    ).toMatchObject(taken);
    // Another spelling is another name.
    await newPolicy({ displayName: displayName.toUpperCase() });
    await newPolicy({ keyspaceId: (await newKeyspace()).id, displayName });
    await root.policies.deletePolicy({ id: one.id });
    await newPolicy({ displayName });
  });

  test('of a keyspace that is not there, or of the built-in one, is refused', async () => {
    const { root } = served();
    const create = (keyspaceId: string) =>
      failureOf((options) =>
        root.policies.createPolicy({ policy: { keyspaceId, displayName: 'x' } }, options),
      );
    expect(await create('ks_0000000000000000')).toMatchObject({ code: 5, reason: 'KEYSPACE_NOT_FOUND' });
    expect(await create('ks_latchkey')).toMatchObject({ code: 9, reason: 'KEYSPACE_BUILT_IN' });
  });

  test('that was deleted is gone, and so are those of a keyspace that was deleted', async () => {
    const { root, newKeyspace } = served();
    const gone = { code: 5, reason: 'POLICY_NOT_FOUND' };
    const { id } = await newPolicy();
    const { revision } = await root.policies.deletePolicy({ id });
    expect(await head()).toBe(revision);
    expect(await failureOf((options) => root.policies.getPolicy({ id }, options))).toMatchObject(gone);
    expect(await failureOf((options) => root.policies.deletePolicy({ id }, options))).toMatchObject(gone);
    expect(
      await failureOf((options) =>
        root.policies.updatePolicy({ policy: { id, tags: ['x'] }, updateMask: ['tags'] }, options),
      ),
    ).toMatchObject(gone);

    const { id: keyspaceId } = await newKeyspace();
    const { id: other } = await newPolicy({ keyspaceId });
    await root.keyspaces.deleteKeyspace({ id: keyspaceId });
    expect(await failureOf((options) => root.policies.getPolicy({ id: other }, options))).toMatchObject(gone);
  });

  test('that keys refer to is not deleted, deleted keys included; the number of them is told', async () => {
    const { root, issue } = served();
    const { id } = await newPolicy();
    const keys = [await issue({ policyIds: [id] }), await issue({ policyIds: [(await newPolicy()).id, id] })];
    const inUse = async (count: string): Promise<void> => {
      expect(await failureOf((options) => root.policies.deletePolicy({ id }, options))).toMatchObject({
        code: 9,
        reason: 'POLICY_IN_USE',
        metadata: { id, keys: count },
      });
      expect((await root.policies.getPolicy({ id })).keyCount).toBe(BigInt(count));
    };
    await inUse('2');
    await root.keys.deleteKey({ id: keys[0]?.id ?? '' });
    await inUse('2');
    await root.keys.updateKey({ key: { id: keys[1]?.id ?? '' }, updateMask: ['policy_ids'] });
    await inUse('1');
    await root.keys.undeleteKey({ id: keys[0]?.id ?? '' });
    await root.keys.revokeKey({ id: keys[0]?.id ?? '' });
    await inUse('1');
    await root.keys.deleteKey({ id: keys[0]?.id ?? '' });
    // Purged with time.
    await inUse('1');
  });

  test('is made, changed and deleted once for each request id', async () => {
    const { root, keyspaceId } = served();
    const requestId = randomUUID();
    const policy = { keyspaceId, displayName: newName() };
    const first = await root.policies.createPolicy({ policy, requestId });
    expect(await root.policies.createPolicy({ policy, requestId })).toEqual(first);
    expect(
      await failureOf((options) =>
        root.policies.createPolicy({ policy: { ...policy, tags: ['x'] }, requestId }, options),
      ),
    ).toMatchObject({ code: 3, reason: 'IDEMPOTENCY_MISMATCH' });
    const { id } = present(first.policy);
    const update = { policy: { id, tags: ['x'] }, updateMask: ['tags'], requestId: randomUUID() };
    const changed = await root.policies.updatePolicy(update);
    await root.policies.updatePolicy({ policy: { id, tags: ['y'] }, updateMask: ['tags'] });
    expect(await root.policies.updatePolicy(update)).toEqual(changed);
    expect((await root.policies.getPolicy({ id })).policy?.tags).toEqual(['y']);
    const removal = { id, requestId: randomUUID() };
    const removed = await root.policies.deletePolicy(removal);
    expect(await root.policies.deletePolicy(removal)).toEqual(removed);
  });
});

describe('the policies of a keyspace', () => {
  test('are listed by name, in pages that neither skip nor repeat', async () => {
    const { root, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const displayNames = ['a', 'B', 'Z', 'z', 'ä', '🔑', 'a ', 'aa', "a'b", '%'];
    for (const displayName of displayNames) await newPolicy({ keyspaceId, displayName });
    await newPolicy();
    const sorted = displayNames.toSorted((one, other) =>
      Buffer.compare(Buffer.from(one), Buffer.from(other)),
    );
    for (const pageSize of [1, 3, 10, 0]) {
      const seen: string[] = [];
      let pageToken = '';
      do {
        const page = await root.policies.listPolicies({ keyspaceId, pageSize, pageToken });
        expect(page.policies.length).toBeLessThanOrEqual(pageSize === 0 ? 50 : pageSize);
        seen.push(...page.policies.map(({ displayName }) => displayName));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(seen).toEqual(sorted);
    }
    // A token of another list begins nothing here.
    const { nextPageToken } = await root.policies.listPolicies({ keyspaceId, pageSize: 1 });
    expect(
      await failureOf((options) =>
        root.policies.listPolicies({ keyspaceId: served().keyspaceId, pageToken: nextPageToken }, options),
      ),
    ).toMatchObject({ code: 3, fields: ['page_token'] });
  });
});

describe('a key with policies', () => {
  const update = (id: string, key: DeepPartial<Key>, path: string) =>
    served().root.keys.updateKey({ key: { ...key, id }, updateMask: [path] });

  test('is judged by its own rules and, where it has none, by those of all its policies', async () => {
    const { root, issue } = served();
    const one = await newPolicy({
      scopes: ['a', 'b'],
      restrictions: { allowedIps: ['10.0.0.0/8'], apiTargets: [{ api: 'orders', verbs: ['GET'] }] },
      metadata: new Map([
        ['plan', 'one'],
        ['one', '1'],
      ]),
      tags: ['one', 'both'],
    });
    const two = await newPolicy({
      scopes: ['b', 'c'],
      restrictions: { allowedIps: ['::1'], apiTargets: [{ api: 'stores' }], iosBundleIds: ['com.two'] },
      metadata: new Map([
        ['plan', 'two'],
        ['two', '2'],
      ]),
      tags: ['both', 'two'],
    });
    const { id, token } = await issue({ policyIds: [two.id, one.id, two.id] });
    const ask = (ip: string, api: string, scopes: string[], iosBundleId = 'com.two') =>
      judge(root, { token, client: { ip, iosBundleId }, operation: { api, verb: 'GET', path: '/' }, scopes });

    expect((await ask('10.1.2.3', 'orders', ['a', 'b', 'c'])).verdict).toBe('VALID');
    expect((await ask('::1', 'stores', [])).verdict).toBe('VALID');
    expect((await ask('::2', 'stores', [])).refusal).toBe('IP_NOT_ALLOWED');
    expect((await ask('::1', 'stores', [], 'com.one')).refusal).toBe('IOS_APP_NOT_ALLOWED');
    expect((await ask('::1', 'others', [])).verdict).toBe('OPERATION_NOT_ALLOWED');
    expect(await ask('::1', 'stores', ['d'])).toMatchObject({ missingScopes: ['d'] });
    const told = present(
      (
        await root.verify.verify({
          token,
          client: { ip: '::1', iosBundleId: 'com.two' },
          operation: { api: 'stores' },
        })
      ).key,
    );
    expect(told).toMatchObject({
      policyIds: [two.id, one.id],
      scopes: ['b', 'c', 'a'],
      metadata: new Map([
        ['plan', 'two'],
        ['one', '1'],
        ['two', '2'],
      ]),
      tags: ['both', 'two', 'one'],
    });

    // One list of the restrictions on the key does not hide the others of the policies.
    await update(id, { restrictions: { allowedIps: ['192.0.2.1'] } }, 'restrictions');
    expect((await ask('::1', 'stores', [])).refusal).toBe('IP_NOT_ALLOWED');
    expect((await ask('192.0.2.1', 'stores', [])).verdict).toBe('VALID');
    expect((await ask('192.0.2.1', 'others', [])).verdict).toBe('OPERATION_NOT_ALLOWED');
    await update(id, { scopes: ['d'] }, 'scopes');
    expect(await ask('192.0.2.1', 'stores', ['a', 'd'])).toMatchObject({ missingScopes: ['a'] });
  });

  test('shows the rules in effect, with where each comes from', async () => {
    const { root, issue, keyspaceId } = served();
    const one = await newPolicy({
      ...FULL,
      resourceAccess: { access: { $case: 'listed', value: { ids: ['store-2'] } } },
    });
    const [perMinute] = FULL.limits;
    const two = await newPolicy({
      ...FULL,
      scopes: ['x'],
      tags: [],
      metadata: new Map([['plan', 'iron']]),
      limits: [CREDITS, { ...CREDITS, name: 'per-minute' }],
    });
    const ownerId = newName();
    const ownerLimits = [{ ...CREDITS, name: 'shared' }];
    await root.owners.createOwner({ owner: { keyspaceId, id: ownerId, limits: ownerLimits } });
    const { id } = await issue({
      ownerId,
      policyIds: [one.id, two.id],
      tags: ['mine'],
      restrictions: { allowedIps: ['::1'] },
    });
    const effective = async (): Promise<EffectiveRules> => {
      const answer = await root.keys.getKey({ id, view: KeyView.KEY_VIEW_EFFECTIVE });
      return present(answer.effective);
    };
    const both = [one.id, two.id];
    expect(await effective()).toEqual({
      scopes: ['orders:read', 'orders:write', 'x'],
      resourceAccess: { access: { $case: 'listed', value: { ids: ['store-2', 'store-1'] } } },
      restrictions: { ...FULL.restrictions, allowedIps: ['::1'] },
      // Of one name that of the first policy.
      limits: [perMinute, CREDITS],
      ownerLimits,
      metadata: new Map([['plan', 'gold']]),
      tags: ['mine'],
      ownerSuspended: false,
      sources: [
        { field: 'scopes', policyIds: both },
        { field: 'resource_access', policyIds: both },
        { field: 'restrictions.allowed_ips', policyIds: [] },
        { field: 'restrictions.allowed_referrers', policyIds: both },
        { field: 'restrictions.android_apps', policyIds: both },
        { field: 'restrictions.ios_bundle_ids', policyIds: both },
        { field: 'restrictions.api_targets', policyIds: both },
        { field: 'limits', policyIds: both },
        { field: 'metadata', policyIds: both },
        { field: 'tags', policyIds: [] },
      ],
    });
    // The key itself is shown as it was set.
    expect((await root.keys.getKey({ id, view: KeyView.KEY_VIEW_EFFECTIVE })).key).toEqual(
      (await root.keys.getKey({ id })).key,
    );
    for (const view of [KeyView.KEY_VIEW_UNSPECIFIED, KeyView.KEY_VIEW_BASIC])
      expect((await root.keys.getKey({ id, view })).effective).toBeUndefined();

    await root.owners.suspendOwner({ keyspaceId, id: ownerId });
    await update(id, { policyIds: [two.id] }, 'policy_ids');
    await update(id, {}, 'tags');
    await update(id, {}, 'restrictions');
    const after = await effective();
    expect(after).toMatchObject({ ownerSuspended: true, scopes: ['x'], tags: [] });
    expect(after.sources.map(({ field }) => field)).not.toContain('tags');
    expect(new Set(after.sources.flatMap(({ policyIds }) => policyIds))).toEqual(new Set([two.id]));

    // Access to all is what nobody says anything of.
    await update(id, {}, 'policy_ids');
    expect(await effective()).toEqual({
      scopes: [],
      resourceAccess: { access: { $case: 'all', value: {} } },
      restrictions: undefined,
      limits: [],
      ownerLimits,
      metadata: new Map(),
      tags: [],
      ownerSuspended: true,
      sources: [],
    });
  });

  test('follows a change of a policy at once, as all its keys do, and no other', async () => {
    const { root, issue } = served();
    const { id } = await newPolicy({ scopes: ['a'] });
    const bystander = await issue({ scopes: ['a'], policyIds: [(await newPolicy()).id] });
    const keys = await Promise.all(Array.from({ length: 20 }, () => issue({ policyIds: [id] })));
    const verdicts = async (scope: string): Promise<readonly string[]> => [
      ...new Set(await Promise.all(keys.map(({ token }) => verdictOf(root, { token, scopes: [scope] })))),
    ];
    expect(await verdicts('a')).toEqual(['VALID']);
    await verdictOf(root, bystander);
    const loads = (): Promise<number> => served().metric('latchkey_key_loads');
    await root.policies.updatePolicy({ policy: { id, scopes: ['b'] }, updateMask: ['scopes'] });
    const before = await loads();
    expect(await verdicts('a')).toEqual(['SCOPE_MISSING']);
    expect(await loads()).toBe(before + 20);
    expect(await verdicts('b')).toEqual(['VALID']);
    expect(await verdictOf(root, { token: bystander.token, scopes: ['a'] })).toBe('VALID');
    expect(await loads()).toBe(before + 20);
    await root.policies.updatePolicy({
      policy: { id, resourceAccess: { access: { $case: 'listed', value: { ids: ['store-1'] } } } },
      updateMask: ['resource_access'],
    });
    expect(await verdicts('b')).toEqual(['RESOURCE_NOT_ALLOWED']);
  });

  test('is freed or bound from the next verification on, when they are attached and detached', async () => {
    const { root, issue } = served();
    const { id: policyId } = await newPolicy({ restrictions: { allowedIps: ['10.0.0.0/8'] } });
    const { id, token } = await issue();
    expect(await verdictOf(root, { token })).toBe('VALID');
    const { key } = await update(id, { policyIds: [policyId, policyId] }, 'policy_ids').then(
      ({ key: changed }) => ({ key: present(changed) }),
    );
    expect(key.policyIds).toEqual([policyId]);
    expect(await verdictOf(root, { token })).toBe('CLIENT_NOT_ALLOWED');
    expect((await root.policies.getPolicy({ id: policyId })).keyCount).toBe(1n);
    await update(id, {}, 'policy_ids');
    expect(await verdictOf(root, { token })).toBe('VALID');
    await root.policies.deletePolicy({ id: policyId });
  });

  test('cannot refer to one that is not there, or that is another keyspace’s', async () => {
    const { root, issue, keyspaceId, newKeyspace } = served();
    const { id: elsewhere } = await newPolicy({ keyspaceId: (await newKeyspace()).id });
    const { id: here } = await newPolicy();
    const { id } = await issue({ policyIds: [here] });
    for (const wrong of ['pol_0000000000000000', elsewhere]) {
      const missing = { code: 5, reason: 'POLICY_NOT_FOUND', metadata: { id: wrong } };
      const policyIds = [here, wrong];
      expect(
        await failureOf((options) => root.keys.createKey({ key: { keyspaceId, policyIds } }, options)),
      ).toMatchObject(missing);
      expect(
        await failureOf((options) =>
          root.keys.updateKey({ key: { id, policyIds }, updateMask: ['policy_ids'] }, options),
        ),
      ).toMatchObject(missing);
    }
    expect((await root.keys.getKey({ id })).key?.policyIds).toEqual([here]);
    expect(
      await failureOf((options) =>
        root.keys.createKey({ key: { keyspaceId: 'ks_latchkey', policyIds: [here] } }, options),
      ),
    ).toMatchObject({ code: 3, fields: ['key.policy_ids'] });
  });
});
