import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyChange } from '../../sdk/src/index.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const HOUR_MS = 3_600_000;
const at = (ms: number): Date => new Date(clock.nowMs() + ms);

/** A key that has something in every attribute. */
async function fullKey() {
  const { latchkey, root, keyspaceId } = served();
  const { policy } = await root.policies.createPolicy({ policy: { keyspaceId, displayName: randomUUID() } });
  const created = await latchkey.keys.create({
    keyspaceId,
    displayName: 'before',
    ownerId: 'owner-1',
    scopes: ['orders:read'],
    resourceAccess: { ids: ['store-1'] },
    restrictions: { allowedIps: ['203.0.113.7'], apiTargets: [{ api: 'orders' }] },
    policyIds: [present(policy).id],
    metadata: { plan: 'gold', region: 'eu' },
    tags: ['one', 'two'],
    expireTime: at(HOUR_MS),
  });
  clock.advance(10);
  return created;
}

describe('an update', () => {
  test.each<[string, KeyChange, object]>([
    ['display_name', { displayName: 'after' }, { displayName: 'after' }],
    ['display_name, cleared', { displayName: '' }, { displayName: '' }],
    ['owner_id', { ownerId: 'owner-2' }, { ownerId: 'owner-2' }],
    ['owner_id, cleared', { ownerId: null }, { ownerId: null }],
    ['scopes, whole', { scopes: ['a', 'b:*'] }, { scopes: ['a', 'b:*'] }],
    ['scopes, cleared', { scopes: [] }, { scopes: [] }],
    ['resource_access', { resourceAccess: { ids: ['x'] } }, { resourceAccess: { ids: ['x'] } }],
    ['resource_access, to all', { resourceAccess: 'ALL' }, { resourceAccess: 'ALL' }],
    ['resource_access, cleared', { resourceAccess: null }, { resourceAccess: null }],
    [
      'restrictions, whole',
      { restrictions: { allowedReferrers: ['example.com'] } },
      { restrictions: { allowedReferrers: ['example.com'] } },
    ],
    ['restrictions, cleared', { restrictions: {} }, { restrictions: {} }],
    ['policy_ids, cleared', { policyIds: [] }, { policyIds: [] }],
    ['metadata, whole', { metadata: { plan: 'iron' } }, { metadata: { plan: 'iron' } }],
    ['metadata, cleared', { metadata: {} }, { metadata: {} }],
    ['tags, whole', { tags: ['three'] }, { tags: ['three'] }],
    ['tags, cleared', { tags: [] }, { tags: [] }],
    ['expire_time, cleared', { expireTime: null }, { expireTime: null }],
    [
      'several at once',
      { displayName: 'after', tags: [], scopes: ['x'] },
      { displayName: 'after', tags: [], scopes: ['x'] },
    ],
  ])('changes %s, and nothing else', async (_name, change, changed) => {
    const { latchkey } = served();
    const { key: before, revision: first } = await fullKey();
    const { key, revision, effectiveTime } = await latchkey.keys.update(before.id, change);
    expect(key).toEqual({ ...before, ...changed, updateTime: at(0), etag: key.etag });
    expect(key.etag).not.toBe(before.etag);
    expect(revision).not.toBe(first);
    expect(effectiveTime).toEqual(at(0));
    expect(await latchkey.keys.get(before.id)).toEqual(key);
  });

  test('changes only what the mask names, whatever else the message holds', async () => {
    const { root } = served();
    const { key: before } = await fullKey();
    const { key } = await root.keys.updateKey({
      key: { id: before.id, displayName: 'after', ownerId: 'other', tags: ['other'], keyspaceId: 'other' },
      updateMask: ['display_name'],
    });
    expect(key).toMatchObject({
      displayName: 'after',
      ownerId: 'owner-1',
      tags: ['one', 'two'],
      keyspaceId: before.keyspaceId,
    });
  });

  test('clears what the mask names and the message does not hold', async () => {
    const { root } = served();
    const { key: before } = await fullKey();
    const { key } = await root.keys.updateKey({
      key: { id: before.id },
      updateMask: [
        'display_name',
        'owner_id',
        'scopes',
        'resource_access',
        'restrictions',
        'policy_ids',
        'metadata',
        'tags',
        'expire_time',
      ],
    });
    expect(key).toMatchObject({
      displayName: '',
      ownerId: '',
      scopes: [],
      resourceAccess: undefined,
      restrictions: undefined,
      policyIds: [],
      metadata: new Map(),
      tags: [],
      expireTime: undefined,
    });
  });

  test.each([
    [['id'], ['update_mask.paths[0]']],
    [['keyspace_id'], ['update_mask.paths[0]']],
    [['state'], ['update_mask.paths[0]']],
    [['etag'], ['update_mask.paths[0]']],
    [['created_by'], ['update_mask.paths[0]']],
    [['secrets'], ['update_mask.paths[0]']],
    [['*'], ['update_mask.paths[0]']],
    [['key.display_name'], ['update_mask.paths[0]']],
    [['metadata.plan'], ['update_mask.paths[0]']],
    [['displayName'], ['update_mask.paths[0]']],
    [['display_name', 'constructor'], ['update_mask.paths[1]']],
    [['display_name', 'display_name', 'nonsense'], ['update_mask.paths[2]']],
    [
      ['nonsense', 'tags', 'more'],
      ['update_mask.paths[0]', 'update_mask.paths[2]'],
    ],
    [[], ['update_mask']],
  ])('is refused with a mask of %j', async (updateMask, fields) => {
    const { root, latchkey } = served();
    const { key: before } = await fullKey();
    const failure = await failureOf((options) =>
      root.keys.updateKey({ key: { id: before.id, displayName: 'after' }, updateMask }, options),
    );
    expect(failure).toMatchObject({ code: 3, reason: 'INVALID_FIELD', fields });
    expect(await latchkey.keys.get(before.id)).toEqual(before);
  });

  test('is refused with no mask at all', async () => {
    const { root } = served();
    const { key } = await fullKey();
    const failure = await failureOf((options) =>
      root.keys.updateKey({ key: { id: key.id, displayName: 'after' } }, options),
    );
    expect(failure).toMatchObject({ code: 3, fields: ['update_mask'] });
  });

  test('that changes nothing succeeds, and leaves etag, time and revision', async () => {
    const { latchkey, root } = served();
    const { key: before, token } = await fullKey();
    const { revision } = await root.verify.verify({ token: 'any answer tells the revision' });
    const answer = await latchkey.keys.update(before.id, { displayName: 'before', tags: ['one', 'two'] });
    expect(answer.key).toEqual(before);
    expect(answer.revision).toBe(revision);
    expect((await root.verify.verify({ token })).revision).toBe(revision);
  });

  test('counts from the next verification on', async () => {
    const { latchkey } = served();
    const { key, token } = await fullKey();
    const operation = { api: 'orders', verb: 'GET', path: '/' };
    const look = () =>
      latchkey.verify({ token, operation, resource: 'store-1', client: { ip: '203.0.113.7' } });
    await look();
    for (const displayName of ['a', 'b', 'c']) {
      const { revision } = await latchkey.keys.update(key.id, { displayName });
      expect(await look()).toMatchObject({ verdict: 'VALID', key: { displayName }, revision });
    }
    await latchkey.keys.update(key.id, { metadata: { plan: 'iron' }, tags: ['x'], ownerId: 'o' });
    expect(await look()).toMatchObject({ key: { metadata: { plan: 'iron' }, tags: ['x'], ownerId: 'o' } });
  });

  test('obeys the keyspace’s rules for lifetimes, from now on', async () => {
    const { latchkey, newKeyspace } = served();
    const keyspace = await newKeyspace({ maxTtl: { seconds: 3600n, nanos: 0 } });
    const { key } = await latchkey.keys.create({ keyspaceId: keyspace.id, ttlMs: 1000 });
    const refused = { code: 'INVALID_ARGUMENT', violations: [{ field: 'key.expire_time' }] };
    for (const expireTime of [null, at(HOUR_MS + 1), at(0)]) {
      await expect(latchkey.keys.update(key.id, { expireTime })).rejects.toMatchObject(refused);
    }
    clock.advance(HOUR_MS);
    const { key: after } = await latchkey.keys.update(key.id, { expireTime: at(HOUR_MS) });
    expect(after.expireTime).toEqual(at(HOUR_MS));
    // What does not touch the lifetime is free of its rules.
    clock.advance(2 * HOUR_MS);
    expect((await latchkey.keys.update(key.id, { displayName: 'late' })).key.state).toBe('EXPIRED');
  });

  test('of a key that is not there is NOT_FOUND', async () => {
    const { latchkey } = served();
    await expect(latchkey.keys.update(newId('key'), { displayName: 'x' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      reason: 'KEY_NOT_FOUND',
    });
  });
});

describe('an etag', () => {
  test('of the key as it is lets a change through, and an old one does not', async () => {
    const { latchkey } = served();
    const { key } = await fullKey();
    const { key: second } = await latchkey.keys.update(key.id, { displayName: 'b' }, { etag: key.etag });
    const stale = {
      code: 'ABORTED',
      reason: 'ETAG_MISMATCH',
      metadata: { etag: second.etag },
    };
    await expect(
      latchkey.keys.update(key.id, { displayName: 'c' }, { etag: key.etag }),
    ).rejects.toMatchObject(stale);
    await expect(latchkey.keys.disable(key.id, { etag: key.etag })).rejects.toMatchObject(stale);
    await expect(latchkey.keys.enable(key.id, { etag: key.etag })).rejects.toMatchObject(stale);
    await expect(latchkey.keys.revoke(key.id, { etag: key.etag })).rejects.toMatchObject(stale);
    await expect(latchkey.keys.delete(key.id, { etag: key.etag })).rejects.toMatchObject(stale);
    await expect(latchkey.keys.undelete(key.id, { etag: key.etag })).rejects.toMatchObject(stale);
    await expect(latchkey.keys.disable(key.id, { etag: 'nonsense' })).rejects.toMatchObject(stale);
    expect(await latchkey.keys.get(key.id)).toEqual(second);
    expect((await latchkey.keys.disable(key.id, { etag: second.etag })).key.state).toBe('DISABLED');
  });
});
