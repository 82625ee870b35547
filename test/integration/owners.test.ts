import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KeysFate, type Owner } from '../../proto/gen/latchkey/v1/owner_service.ts';
import type { DeepPartial } from '../../proto/gen/latchkey/v1/key.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { verdictOf } from './support/judge.ts';
import { present, serveLatchkey, type IssuedKey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

let owners = 0;
const newOwnerId = (): string => `owner-${String((owners += 1)).padStart(3, '0')}`;

async function newOwner(owner: DeepPartial<Owner> = {}): Promise<Owner> {
  const { root, keyspaceId } = served();
  const answer = await root.owners.createOwner({ owner: { keyspaceId, id: newOwnerId(), ...owner } });
  return present(answer.owner);
}

const at = (ms: number): Date => new Date(clock.nowMs() + ms);
/** The position of the newest change. */
const head = async (): Promise<string> => (await served().root.verify.verify({ token: 'x' })).revision;
const read = async (id: string) => served().root.owners.getOwner({ keyspaceId: served().keyspaceId, id });
const NONE = { active: 0n, disabled: 0n, revoked: 0n, expired: 0n };
const NOT_FOUND = { code: 5, reason: 'OWNER_NOT_FOUND' };

/** An owner with a key in every state, and one that is deleted. */
async function ownerWithKeys(): Promise<{
  readonly id: string;
  readonly keys: Readonly<Record<string, IssuedKey>>;
}> {
  const { root, issue } = served();
  const id = newOwnerId();
  const keys: Record<string, IssuedKey> = {};
  for (const state of ['active', 'disabled', 'revoked', 'expired', 'deleted']) {
    keys[state] = await issue({ ownerId: id, ...(state === 'expired' ? { expireTime: at(1000) } : {}) });
    // Not all at one moment: the order of the samples is that of creation.
    clock.advance(1);
  }
  await root.keys.disableKey({ id: keys['disabled']?.id ?? '' });
  await root.keys.revokeKey({ id: keys['revoked']?.id ?? '', reason: 'mine' });
  await root.keys.deleteKey({ id: keys['deleted']?.id ?? '' });
  clock.advance(1000);
  return { id, keys };
}
const COUNTS = { active: 1n, disabled: 1n, revoked: 1n, expired: 1n };

describe('an owner', () => {
  test('is created as it was asked for, and read as it was created', async () => {
    const { root, keyspaceId } = served();
    const id = `Team 7/🔑 ${newOwnerId()}`;
    const { owner, revision } = await root.owners.createOwner({
      owner: { keyspaceId, id, displayName: 'Team 7', metadata: new Map([['crm', '4711']]), suspended: true },
    });
    expect(owner).toEqual({
      keyspaceId,
      id,
      displayName: 'Team 7',
      metadata: new Map([['crm', '4711']]),
      limits: [],
      limitOverrides: [],
      // Only SuspendOwner does that.
      suspended: false,
      suspendTime: undefined,
      suspendReason: '',
      createTime: at(0),
      updateTime: at(0),
      etag: owner?.etag,
    });
    expect(await head()).toBe(revision);
    expect(await read(id)).toEqual({ owner, keys: NONE });
  });

  test('of an id that there is already in the keyspace is refused; elsewhere it is free', async () => {
    const { root, keyspaceId, issue, newKeyspace } = served();
    const { id } = await newOwner();
    const named = newOwnerId();
    await issue({ ownerId: named });
    for (const taken of [id, named]) {
      expect(
        await failureOf((options) => root.owners.createOwner({ owner: { keyspaceId, id: taken } }, options)),
      ).toMatchObject({ code: 6, reason: 'OWNER_EXISTS' });
    }
    await newOwner({ keyspaceId: (await newKeyspace()).id, id });
    await newOwner({ id: id.toUpperCase() });
    expect(
      await failureOf((options) =>
        root.owners.createOwner({ owner: { keyspaceId: 'ks_0000000000000000', id } }, options),
      ),
    ).toMatchObject({ code: 5, reason: 'KEYSPACE_NOT_FOUND' });
  });

  test('is changed in what the mask names, and in nothing else', async () => {
    const { root, keyspaceId } = served();
    const before = await newOwner({ displayName: 'before', metadata: new Map([['a', 'b']]) });
    clock.advance(10);
    const change = { keyspaceId, id: before.id, displayName: 'after', metadata: new Map([['c', 'd']]) };
    const { owner } = await root.owners.updateOwner({ owner: change, updateMask: ['display_name'] });
    expect(owner).toEqual({ ...before, displayName: 'after', updateTime: at(0), etag: owner?.etag });
    expect(owner?.etag).not.toBe(before.etag);
    const { owner: both } = await root.owners.updateOwner({ owner: change, updateMask: ['metadata'] });
    expect(both).toMatchObject({ displayName: 'after', metadata: new Map([['c', 'd']]) });
    const revision = await head();
    const { owner: same } = await root.owners.updateOwner({
      owner: change,
      updateMask: ['metadata', 'display_name'],
    });
    expect(same).toEqual(both);
    expect(await head()).toBe(revision);
    const { owner: cleared } = await root.owners.updateOwner({
      owner: { keyspaceId, id: before.id },
      updateMask: ['metadata', 'display_name'],
    });
    expect(cleared).toMatchObject({ displayName: '', metadata: new Map() });
  });

  test('that is not there is NOT_FOUND, and is not made by asking', async () => {
    const { root, keyspaceId } = served();
    const target = { keyspaceId, id: newOwnerId() };
    const calls = [
      root.owners.getOwner,
      root.owners.suspendOwner,
      root.owners.resumeOwner,
      root.owners.deleteOwner,
    ].map((call) => () => failureOf((options) => call(target, options)));
    calls.push(() =>
      failureOf((options) => root.owners.updateOwner({ owner: target, updateMask: ['metadata'] }, options)),
    );
    for (const call of [...calls, ...calls]) {
      const failure = await call();
      expect(failure).toMatchObject(NOT_FOUND);
      expect(failure.message).not.toContain(target.id);
    }
  });

  test('with the etag of an older state is not changed', async () => {
    const { root, keyspaceId } = served();
    const { id, etag } = await newOwner();
    const { owner } = await root.owners.suspendOwner({ keyspaceId, id, etag });
    const stale = { keyspaceId, id, etag };
    const failures = [
      await failureOf((options) => root.owners.suspendOwner(stale, options)),
      await failureOf((options) => root.owners.resumeOwner(stale, options)),
      await failureOf((options) => root.owners.deleteOwner(stale, options)),
      await failureOf((options) =>
        root.owners.updateOwner({ owner: stale, updateMask: ['metadata'] }, options),
      ),
    ];
    for (const failure of failures)
      expect(failure).toMatchObject({ code: 10, reason: 'ETAG_MISMATCH', metadata: { etag: owner?.etag } });
    expect((await read(id)).owner).toEqual(owner);
    await root.owners.resumeOwner({ ...stale, etag: owner?.etag ?? '' });
  });

  test('has its keys counted by their state, deleted ones not at all', async () => {
    const { root, keyspaceId } = served();
    const { id, keys } = await ownerWithKeys();
    expect((await read(id)).keys).toEqual(COUNTS);
    await root.keys.undeleteKey({ id: keys['deleted']?.id ?? '' });
    await root.keys.updateKey({ key: { id: keys['active']?.id ?? '' }, updateMask: ['owner_id'] });
    await root.keys.enableKey({ id: keys['disabled']?.id ?? '' });
    expect((await root.owners.getOwner({ keyspaceId, id })).keys).toEqual({
      ...COUNTS,
      active: 2n,
      disabled: 0n,
    });
  });
});

describe('the owners of a keyspace', () => {
  test('are listed by id, in pages that neither skip nor repeat, all or the suspended ones', async () => {
    const { root, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const ids = ['a', 'B', 'Z', 'z', 'ä', '🔑', 'a b', 'aa', "a'b", '%'];
    for (const id of ids) await newOwner({ keyspaceId, id });
    for (const id of ['z', 'B', '%']) await root.owners.suspendOwner({ keyspaceId, id });
    const sorted = ids.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    const all = async (pageSize: number, suspendedOnly: boolean): Promise<readonly string[]> => {
      const seen: string[] = [];
      let pageToken = '';
      do {
        const page = await root.owners.listOwners({ keyspaceId, pageSize, pageToken, suspendedOnly });
        seen.push(...page.owners.map(({ id }) => id));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return seen;
    };
    for (const pageSize of [1, 3, 10, 0]) {
      expect(await all(pageSize, false)).toEqual(sorted);
      expect(await all(pageSize, true)).toEqual(['%', 'B', 'z']);
    }
    const { nextPageToken } = await root.owners.listOwners({ keyspaceId, pageSize: 1 });
    expect(
      await failureOf((options) =>
        root.owners.listOwners({ keyspaceId, pageToken: nextPageToken, suspendedOnly: true }, options),
      ),
    ).toMatchObject({ code: 3, fields: ['page_token'] });
  });
});

describe('suspending an owner', () => {
  test('twice is the same as once, and so is resuming', async () => {
    const { root, keyspaceId } = served();
    const { id } = await newOwner();
    const first = await root.owners.suspendOwner({ keyspaceId, id, reason: 'unpaid' });
    clock.advance(10);
    const second = await root.owners.suspendOwner({ keyspaceId, id, reason: 'another' });
    expect(second.owner).toEqual(first.owner);
    expect(second.revision).toBe(first.revision);

    const resumed = await root.owners.resumeOwner({ keyspaceId, id });
    expect(resumed.owner).toMatchObject({ suspended: false, suspendTime: undefined, suspendReason: '' });
    expect(await root.owners.resumeOwner({ keyspaceId, id })).toEqual(resumed);
    expect(await head()).toBe(resumed.revision);
  });

  test('with validate_only says what it would stop, and changes nothing', async () => {
    const { root, keyspaceId } = served();
    const { id, keys } = await ownerWithKeys();
    const before = [await read(id), await head()];
    const token = keys['active']?.token ?? '';
    expect(await verdictOf(root, { token })).toBe('VALID');
    const answer = await root.owners.suspendOwner({ keyspaceId, id, reason: 'x', validateOnly: true });
    expect(answer).toMatchObject({ owner: (await read(id)).owner, keys: COUNTS, effectiveTime: undefined });
    expect([await read(id), await head()]).toEqual(before);
    expect(await verdictOf(root, { token })).toBe('VALID');
  });
});

describe('deleting an owner', () => {
  test('that has no keys takes it away; one of the same id begins anew', async () => {
    const { root, keyspaceId, issue } = served();
    const { id } = await newOwner({ displayName: 'old' });
    await root.owners.suspendOwner({ keyspaceId, id });
    const answer = await root.owners.deleteOwner({ keyspaceId, id });
    expect(answer).toMatchObject({ keys: NONE, sampleIds: [], effectiveTime: at(0) });
    expect(await head()).toBe(answer.revision);
    expect(await failureOf((options) => root.owners.getOwner({ keyspaceId, id }, options))).toMatchObject(
      NOT_FOUND,
    );
    const key = await issue({ ownerId: id });
    expect(await verdictOf(root, key)).toBe('VALID');
    expect((await read(id)).owner).toMatchObject({ displayName: '', suspended: false });
  });

  test('that has keys is refused without a fate for them, and the number of them is told', async () => {
    const { root, keyspaceId } = served();
    const { id, keys } = await ownerWithKeys();
    const before = await head();
    expect(await failureOf((options) => root.owners.deleteOwner({ keyspaceId, id }, options))).toMatchObject({
      code: 9,
      reason: 'OWNER_IN_USE',
      metadata: { keys: '4' },
    });
    expect(await head()).toBe(before);
    expect(await verdictOf(root, { token: keys['active']?.token ?? '' })).toBe('VALID');
  });

  test.each([
    ['without a fate', KeysFate.KEYS_FATE_UNSPECIFIED],
    ['REVOKE', KeysFate.KEYS_FATE_REVOKE],
    ['DETACH', KeysFate.KEYS_FATE_DETACH],
  ])('with validate_only (%s) shows what it would hit, and changes nothing', async (_name, keysFate) => {
    const { root, keyspaceId } = served();
    const { id, keys } = await ownerWithKeys();
    const before = [await read(id), await head()];
    const answer = await root.owners.deleteOwner({ keyspaceId, id, keysFate, validateOnly: true });
    expect(answer).toMatchObject({ keys: COUNTS, effectiveTime: undefined });
    const hit =
      keysFate === KeysFate.KEYS_FATE_REVOKE
        ? ['active', 'disabled', 'expired']
        : ['active', 'disabled', 'revoked', 'expired'];
    for (const state of hit) expect(answer.sampleIds).toContain(keys[state]?.id);
    expect(answer.sampleIds).not.toContain(keys['deleted']?.id);
    expect([await read(id), await head()]).toEqual(before);
    expect(await verdictOf(root, { token: keys['active']?.token ?? '' })).toBe('VALID');
  });

  test('with the fate REVOKE ends its keys, which go on naming it', async () => {
    const { root, keyspaceId } = served();
    const { id, keys } = await ownerWithKeys();
    const verdicts = async (): Promise<readonly string[]> => {
      const found: string[] = [];
      for (const { token } of Object.values(keys)) found.push(await verdictOf(root, { token }));
      return found;
    };
    expect(await verdicts()).toEqual(['VALID', 'DISABLED', 'REVOKED', 'EXPIRED', 'NOT_FOUND']);
    const answer = await root.owners.deleteOwner({ keyspaceId, id, keysFate: KeysFate.KEYS_FATE_REVOKE });
    expect(answer.keys).toEqual(COUNTS);
    expect(answer.effectiveTime).toEqual(at(0));
    expect(await verdicts()).toEqual(['REVOKED', 'REVOKED', 'REVOKED', 'REVOKED', 'NOT_FOUND']);
    const reasons: Record<string, string> = {};
    for (const [state, key] of Object.entries(keys)) {
      const after = present((await root.keys.getKey({ id: key.id })).key);
      expect(after.ownerId).toBe(id);
      reasons[state] = after.revokeReason;
    }
    expect(reasons).toEqual({
      active: 'owner-deleted',
      disabled: 'owner-deleted',
      expired: 'owner-deleted',
      // It was revoked before.
      revoked: 'mine',
      deleted: '',
    });
    expect(await failureOf((options) => root.owners.getOwner({ keyspaceId, id }, options))).toMatchObject(
      NOT_FOUND,
    );
  });

  test('with the fate DETACH lets its keys go on without an owner, also if it was suspended', async () => {
    const { root, keyspaceId } = served();
    const { id, keys } = await ownerWithKeys();
    const token = keys['active']?.token ?? '';
    await root.owners.suspendOwner({ keyspaceId, id });
    expect(await verdictOf(root, { token })).toBe('OWNER_SUSPENDED');
    const { keys: counts } = await root.owners.deleteOwner({
      keyspaceId,
      id,
      keysFate: KeysFate.KEYS_FATE_DETACH,
    });
    expect(counts).toEqual(COUNTS);
    expect(await verdictOf(root, { token })).toBe('VALID');
    for (const { id: keyId, key } of Object.values(keys)) {
      const after = present((await root.keys.getKey({ id: keyId })).key);
      expect(after.ownerId).toBe('');
      expect(after.etag).not.toBe(key.etag);
    }
    expect((await root.verify.verify({ token })).key?.ownerId).toBe('');
  });

  test('shows the first hundred keys of more', async () => {
    const { root, keyspaceId } = served();
    const ownerId = newOwnerId();
    const sha256 = (): string => randomUUID().replaceAll('-', '').repeat(2);
    const { results } = await root.keys.importKeys({
      keyspaceId,
      keys: Array.from({ length: 150 }, () => ({ key: { ownerId }, sha256: sha256() })),
    });
    const { keys, sampleIds } = await root.owners.deleteOwner({
      keyspaceId,
      id: ownerId,
      keysFate: KeysFate.KEYS_FATE_REVOKE,
    });
    expect(keys).toMatchObject({ active: 150n });
    expect(new Set(sampleIds).size).toBe(100);
    const ids = results.map(({ id }) => id);
    for (const id of sampleIds) expect(ids).toContain(id);
  });

  test('with REVOKE needs the scope keys:revoke too; with DETACH it does not', async () => {
    const { root, keyspaceId, issue, issueRoot, clients } = served();
    const writer = clients((await issueRoot(['keys:write'])).token);
    const revoker = clients((await issueRoot(['keys:revoke'])).token);
    const both = clients((await issueRoot(['keys:write', 'keys:revoke'])).token);
    const id = newOwnerId();
    const key = await issue({ ownerId: id });
    const target = { keyspaceId, id };
    const REVOKE = { ...target, keysFate: KeysFate.KEYS_FATE_REVOKE };
    const missing = (scopes: string) => ({ code: 7, reason: 'CALLER_SCOPE_MISSING', metadata: { scopes } });
    for (const validateOnly of [true, false]) {
      expect(
        await failureOf((options) => writer.owners.deleteOwner({ ...REVOKE, validateOnly }, options)),
      ).toMatchObject(missing('keys:revoke'));
    }
    expect(await failureOf((options) => revoker.owners.deleteOwner(REVOKE, options))).toMatchObject(
      missing('keys:write'),
    );
    // To stop the keys, which can be undone, either is enough; to let them pass again is for writers.
    await revoker.owners.suspendOwner(target);
    expect(await failureOf((options) => revoker.owners.resumeOwner(target, options))).toMatchObject(
      missing('keys:write'),
    );
    await writer.owners.resumeOwner(target);
    expect(await verdictOf(root, key)).toBe('VALID');
    await both.owners.deleteOwner(REVOKE);
    expect(await verdictOf(root, key)).toBe('REVOKED');

    const other = await issue({ ownerId: id });
    await writer.owners.deleteOwner({ ...target, keysFate: KeysFate.KEYS_FATE_DETACH });
    expect(await verdictOf(root, other)).toBe('VALID');
  });
});

describe('a mutation of an owner', () => {
  test('is made once for each request id', async () => {
    const { root, keyspaceId } = served();
    const id = newOwnerId();
    const once = async <T>(call: (requestId: string) => Promise<T>): Promise<void> => {
      const requestId = randomUUID();
      const first = await call(requestId);
      const revision = await head();
      expect(await call(requestId)).toEqual(first);
      expect(await head()).toBe(revision);
    };
    await once((requestId) => root.owners.createOwner({ owner: { keyspaceId, id }, requestId }));
    await once((requestId) =>
      root.owners.updateOwner({
        owner: { keyspaceId, id, displayName: 'x' },
        updateMask: ['display_name'],
        requestId,
      }),
    );
    await once((requestId) => root.owners.suspendOwner({ keyspaceId, id, requestId }));
    await once((requestId) => root.owners.resumeOwner({ keyspaceId, id, requestId }));
    await once((requestId) => root.owners.deleteOwner({ keyspaceId, id, requestId }));
  });
});
