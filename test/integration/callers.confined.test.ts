import { beforeAll, describe, expect, test } from 'vitest';
import type { CallOptions } from 'nice-grpc';
import { newId } from '../../core/ids.ts';
import { KeysFate } from '../../proto/gen/latchkey/v1/owner_service.ts';
import type { Latchkey, LatchkeyError } from '../../sdk/src/index.ts';
import type { Clients } from '../support/clients.ts';
import { failureOf } from '../support/failure-of.ts';
import { serveLatchkey, type IssuedKey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

const ROOT_SPACE = 'ks_latchkey';

/** A keyspace within reach and one out of it, a key in each, and callers that are confined to the first. */
let insideId: string;
let outsideId: string;
let inside: IssuedKey;
let outside: IssuedKey;
let reader: Latchkey;
let admin: Latchkey;
let adminKey: IssuedKey;
/** Not confined, with every scope but `admin`. */
let powerful: Latchkey;

beforeAll(async () => {
  const { newKeyspace, issue, issueRoot, sdk } = served();
  insideId = (await newKeyspace()).id;
  outsideId = (await newKeyspace()).id;
  inside = await issue({ keyspaceId: insideId, tags: ['confined'] });
  outside = await issue({ keyspaceId: outsideId, tags: ['confined'] });
  const scopes = ['verify', 'keys:read', 'keys:write', 'keys:revoke', 'config:read', 'config:write'];
  reader = sdk((await issueRoot(scopes, [insideId])).token);
  adminKey = await issueRoot(['admin'], [insideId, ROOT_SPACE]);
  admin = sdk(adminKey.token);
  powerful = sdk((await issueRoot(scopes)).token);
});

/** How a call ended, without the ids that it is about. */
async function ending(call: Promise<unknown>, ...ids: readonly string[]): Promise<object> {
  try {
    return { answered: await call };
  } catch (error) {
    const { code, reason, message, violations, metadata } = error as LatchkeyError;
    const blind = (text: string): string => ids.reduce((rest, id) => rest.replaceAll(id, '<id>'), text);
    return {
      code,
      reason,
      message: blind(message),
      violations,
      metadata: JSON.parse(blind(JSON.stringify(metadata))) as unknown,
    };
  }
}

/** Everything that can be asked about one key. */
const ABOUT_A_KEY: Readonly<Record<string, (client: Latchkey, id: string) => Promise<unknown>>> = {
  get: (client, id) => client.keys.get(id),
  update: (client, id) => client.keys.update(id, { displayName: 'mine' }),
  'update with an etag': (client, id) => client.keys.update(id, { displayName: 'x' }, { etag: 'x' }),
  enable: (client, id) => client.keys.enable(id),
  disable: (client, id) => client.keys.disable(id),
  revoke: (client, id) => client.keys.revoke(id),
  rotate: (client, id) => client.keys.rotate(id),
  'rotate with an overlap and an etag': (client, id) =>
    client.keys.rotate(id, { overlapMs: 1000, etag: 'x' }),
  'complete its rotation': (client, id) => client.keys.completeRotation(id),
  'cancel its rotation': (client, id) => client.keys.cancelRotation(id),
  delete: (client, id) => client.keys.delete(id),
  undelete: (client, id) => client.keys.undelete(id),
  'look up by id': (client, id) => client.keys.lookup({ prefix: id }),
  'look up by prefix': (client, id) => client.keys.lookup({ prefix: `acme_${id.slice(4)}` }),
};

/** Everything that can be asked about one keyspace. */
const ABOUT_A_KEYSPACE: Readonly<Record<string, (client: Latchkey, id: string) => Promise<unknown>>> = {
  get: (client, id) => client.keyspaces.get(id),
  update: (client, id) => client.keyspaces.update(id, { displayName: 'mine' }),
  'update with an etag': (client, id) => client.keyspaces.update(id, { displayName: 'x' }, { etag: 'x' }),
  delete: (client, id) => client.keyspaces.delete(id),
  'create a key in it': (client, keyspaceId) => client.keys.create({ keyspaceId }),
  'list its keys': (client, keyspaceId) => client.keys.list({ filter: { keyspaceId } }),
  'verify in it': (client, keyspaceId) => client.verify({ token: inside.token, keyspaceId }),
};

describe('what is out of the reach of a confined root key is answered as if it did not exist', () => {
  test.each(Object.entries(ABOUT_A_KEY))('a key: %s', async (_name, ask) => {
    const { latchkey } = served();
    const nowhere = newId('key');
    const rootKey = adminKey.id;
    const before = [await latchkey.keys.get(outside.id), await latchkey.keys.get(rootKey)];
    for (const client of [reader, admin]) {
      const expected = await ending(ask(client, nowhere), nowhere);
      expect(expected).toMatchObject({ code: 'NOT_FOUND', reason: 'KEY_NOT_FOUND' });
      for (const id of [outside.id, rootKey]) expect(await ending(ask(client, id), id)).toEqual(expected);
    }
    // Root keys are out of the reach of all but an admin with access to all keyspaces.
    const expected = await ending(ask(powerful, nowhere), nowhere);
    expect(await ending(ask(powerful, rootKey), rootKey)).toEqual(expected);
    expect([await latchkey.keys.get(outside.id), await latchkey.keys.get(rootKey)]).toEqual(before);
  });

  test.each(Object.entries(ABOUT_A_KEYSPACE))('a keyspace: %s', async (_name, ask) => {
    const { latchkey } = served();
    const nowhere = newId('keyspace');
    const before = [await latchkey.keyspaces.get(outsideId), await latchkey.keyspaces.get(ROOT_SPACE)];
    for (const client of [reader, admin]) {
      const expected = await ending(ask(client, nowhere), nowhere);
      expect([
        { code: 'NOT_FOUND', reason: 'KEYSPACE_NOT_FOUND' },
        { code: 'PERMISSION_DENIED', reason: 'CALLER_KEYSPACE_NOT_ALLOWED' },
      ]).toContainEqual({
        code: (expected as LatchkeyError).code,
        reason: (expected as LatchkeyError).reason,
      });
      for (const id of [outsideId, ROOT_SPACE]) expect(await ending(ask(client, id), id)).toEqual(expected);
    }
    expect([await latchkey.keyspaces.get(outsideId), await latchkey.keyspaces.get(ROOT_SPACE)]).toEqual(
      before,
    );
  });

  test('a token: look-up and verification', async () => {
    const { server } = served();
    const unknown = { code: 'NOT_FOUND', reason: 'KEY_NOT_FOUND' };
    for (const client of [reader, admin]) {
      for (const token of [outside.token, server.rootToken, adminKey.token]) {
        await expect(client.keys.lookup({ token })).rejects.toMatchObject(unknown);
        expect(await client.verify({ token })).toMatchObject({ verdict: 'NOT_FOUND' });
      }
      expect(await client.keys.lookup({ token: inside.token })).toMatchObject({ id: inside.id });
      expect(await client.verify({ token: inside.token })).toMatchObject({ verdict: 'VALID' });
    }
    for (const token of [server.rootToken, adminKey.token]) {
      await expect(powerful.keys.lookup({ token })).rejects.toMatchObject(unknown);
      expect(await powerful.verify({ token })).toMatchObject({ verdict: 'NOT_FOUND' });
    }
  });
});

/** Everything that can be asked about one policy. */
const ABOUT_A_POLICY: Readonly<
  Record<string, (clients: Clients, id: string, options: CallOptions) => Promise<unknown>>
> = {
  get: ({ policies }, id, options) => policies.getPolicy({ id }, options),
  update: ({ policies }, id, options) =>
    policies.updatePolicy({ policy: { id, tags: ['mine'] }, updateMask: ['tags'] }, options),
  'update with an etag': ({ policies }, id, options) =>
    policies.updatePolicy({ policy: { id, tags: ['mine'], etag: 'x' }, updateMask: ['tags'] }, options),
  delete: ({ policies }, id, options) => policies.deletePolicy({ id }, options),
  'give it to a key': ({ keys }, id, options) =>
    keys.createKey({ key: { keyspaceId: insideId, policyIds: [id] } }, options),
  'give it to a key that there is': ({ keys }, id, options) =>
    keys.updateKey({ key: { id: inside.id, policyIds: [id] }, updateMask: ['policy_ids'] }, options),
};

/** Everything that can be asked about one owner of a keyspace. */
const ABOUT_AN_OWNER: Readonly<
  Record<string, (clients: Clients, keyspaceId: string, options: CallOptions) => Promise<unknown>>
> = {
  get: ({ owners }, keyspaceId, options) => owners.getOwner({ keyspaceId, id: 'team-7' }, options),
  update: ({ owners }, keyspaceId, options) =>
    owners.updateOwner({ owner: { keyspaceId, id: 'team-7' }, updateMask: ['metadata'] }, options),
  suspend: ({ owners }, keyspaceId, options) => owners.suspendOwner({ keyspaceId, id: 'team-7' }, options),
  'suspend, to see only': ({ owners }, keyspaceId, options) =>
    owners.suspendOwner({ keyspaceId, id: 'team-7', validateOnly: true }, options),
  resume: ({ owners }, keyspaceId, options) => owners.resumeOwner({ keyspaceId, id: 'team-7' }, options),
  delete: ({ owners }, keyspaceId, options) => owners.deleteOwner({ keyspaceId, id: 'team-7' }, options),
  'delete with its keys': ({ owners }, keyspaceId, options) =>
    owners.deleteOwner({ keyspaceId, id: 'team-7', keysFate: KeysFate.KEYS_FATE_REVOKE }, options),
};

/** What else takes a keyspace. */
const IN_A_KEYSPACE: Readonly<
  Record<string, (clients: Clients, keyspaceId: string, options: CallOptions) => Promise<unknown>>
> = {
  'create a policy': ({ policies }, keyspaceId, options) =>
    policies.createPolicy({ policy: { keyspaceId, displayName: 'x' } }, options),
  'list policies': ({ policies }, keyspaceId, options) => policies.listPolicies({ keyspaceId }, options),
  'create an owner': ({ owners }, keyspaceId, options) =>
    owners.createOwner({ owner: { keyspaceId, id: 'team-7' } }, options),
  'list owners': ({ owners }, keyspaceId, options) => owners.listOwners({ keyspaceId }, options),
  'import keys': ({ keys }, keyspaceId, options) => keys.importKeys({ keyspaceId, keys: [{}] }, options),
  'revoke keys': ({ keys }, keyspaceId, options) =>
    keys.batchRevokeKeys({ keyspaceId, ownerId: 'team-7' }, options),
};

describe('what is out of the reach of a confined root key is answered as if it did not exist:', () => {
  let confined: Clients;
  let policyId: string;
  beforeAll(async () => {
    const { root, clients, issue, issueRoot } = served();
    const scopes = ['verify', 'keys:read', 'keys:write', 'keys:revoke', 'config:read', 'config:write'];
    confined = clients((await issueRoot(scopes, [insideId])).token);
    const { policy } = await root.policies.createPolicy({
      policy: { keyspaceId: outsideId, displayName: 'plan' },
    });
    policyId = policy?.id ?? '';
    await issue({ keyspaceId: outsideId, ownerId: 'team-7', policyIds: [policyId] });
    // Nobody needs root keys to have owners, but they may.
    await issue({ keyspaceId: ROOT_SPACE, ownerId: 'team-7', scopes: ['verify'] });
  });

  /** All that could have been changed. */
  const state = async (): Promise<object> => {
    const { root } = served();
    return [
      await root.policies.listPolicies({ keyspaceId: outsideId }),
      await root.owners.listOwners({ keyspaceId: outsideId }),
      await root.owners.listOwners({ keyspaceId: ROOT_SPACE }),
      await root.keys.listKeys({ filter: { keyspaceId: outsideId } }),
      await root.keys.getKey({ id: inside.id }),
    ];
  };
  /** A failure without the ids that it is about. */
  const failing = async (call: (options: CallOptions) => Promise<unknown>, id: string): Promise<object> =>
    JSON.parse(JSON.stringify(await failureOf(call)).replaceAll(id, '<id>')) as object;

  test.each(Object.entries(ABOUT_A_POLICY))('a policy: %s', async (_name, ask) => {
    const nowhere = newId('policy');
    const before = await state();
    const expected = await failing((options) => ask(confined, nowhere, options), nowhere);
    expect(expected).toMatchObject({ code: 5, reason: 'POLICY_NOT_FOUND' });
    expect(await failing((options) => ask(confined, policyId, options), policyId)).toEqual(expected);
    expect(await state()).toEqual(before);
  });

  test.each([
    ...Object.entries(ABOUT_AN_OWNER).map(
      ([name, ask]) => [`an owner: ${name}`, ask, 'OWNER_NOT_FOUND'] as const,
    ),
    ...Object.entries(IN_A_KEYSPACE).map(
      ([name, ask]) => [`a keyspace: ${name}`, ask, 'CALLER_KEYSPACE_NOT_ALLOWED'] as const,
    ),
  ])('%s', async (_name, ask, reason) => {
    const nowhere = newId('keyspace');
    const before = await state();
    const expected = await failing((options) => ask(confined, nowhere, options), nowhere);
    expect(expected).toMatchObject({ reason });
    for (const id of [outsideId, ROOT_SPACE])
      expect(await failing((options) => ask(confined, id, options), id)).toEqual(expected);
    expect(await state()).toEqual(before);
  });

  test('and within its reach it does all of that', async () => {
    const { policy } = await confined.policies.createPolicy({
      policy: { keyspaceId: insideId, displayName: 'plan' },
    });
    const { key } = await confined.keys.createKey({
      key: { keyspaceId: insideId, ownerId: 'team-7', policyIds: [policy?.id ?? ''] },
    });
    await confined.policies.updatePolicy({
      policy: { id: policy?.id ?? '', tags: ['x'] },
      updateMask: ['tags'],
    });
    expect((await confined.policies.listPolicies({ keyspaceId: insideId })).policies).toHaveLength(1);
    expect((await confined.owners.listOwners({ keyspaceId: insideId })).owners).toHaveLength(1);
    await confined.owners.suspendOwner({ keyspaceId: insideId, id: 'team-7' });
    await confined.owners.resumeOwner({ keyspaceId: insideId, id: 'team-7' });
    await confined.keys.updateKey({ key: { id: key?.id ?? '' }, updateMask: ['policy_ids', 'owner_id'] });
    await confined.policies.deletePolicy({ id: policy?.id ?? '' });
    await confined.owners.deleteOwner({ keyspaceId: insideId, id: 'team-7' });
    await confined.keys.deleteKey({ id: key?.id ?? '' });
  });
});

describe('a confined root key', () => {
  test('does within its reach all that its scopes allow', async () => {
    const { key, token } = await reader.keys.create({ keyspaceId: insideId, displayName: 'new' });
    expect(await reader.verify({ token, keyspaceId: insideId })).toMatchObject({ verdict: 'VALID' });
    await reader.keys.update(key.id, { displayName: 'changed' });
    await reader.keys.disable(key.id);
    await reader.keys.enable(key.id);
    await reader.keys.rotate(key.id, { overlapMs: 60_000 });
    await reader.keys.cancelRotation(key.id);
    const { token: newer } = await reader.keys.rotate(key.id, { overlapMs: 60_000 });
    await reader.keys.completeRotation(key.id);
    expect(await reader.verify({ token })).toMatchObject({ verdict: 'SECRET_RETIRED' });
    expect(await reader.verify({ token: newer })).toMatchObject({ verdict: 'VALID' });
    await reader.keys.revoke(key.id);
    await reader.keys.delete(key.id);
    await reader.keys.undelete(key.id);
    await reader.keyspaces.update(insideId, { displayName: 'changed' });
    expect(await reader.keyspaces.get(insideId)).toMatchObject({ displayName: 'changed' });
  });

  test('lists what is within its reach and nothing else, whatever it asks for', async () => {
    for (const client of [reader, admin]) {
      const { keys } = await client.keys.list({ filter: { tag: 'confined', showDeleted: true } });
      expect(keys.map(({ id }) => id)).toEqual([inside.id]);
      const all = await client.keys.list({ filter: { showDeleted: true }, pageSize: 1000 });
      expect(new Set(all.keys.map(({ keyspaceId }) => keyspaceId))).toEqual(new Set([insideId]));
      for (const search of [outside.id, adminKey.id]) {
        expect((await client.keys.list({ filter: { search } })).keys).toEqual([]);
      }
      expect((await client.keyspaces.list()).keyspaces.map(({ id }) => id)).toEqual([insideId]);
    }
  });

  test('cannot go on with the pages of someone who sees more', async () => {
    const { latchkey } = served();
    const query = { filter: { tag: 'confined' }, pageSize: 1 };
    const { nextPageToken = '' } = await latchkey.keys.list(query);
    const { keys } = await reader.keys.list(query, { pageToken: nextPageToken });
    expect(keys.map(({ id }) => id)).toEqual([inside.id]);
  });

  test('cannot make a keyspace, not even as admin', async () => {
    const { latchkey } = served();
    for (const client of [reader, admin]) {
      await expect(client.keyspaces.create({ slug: 'wider', tokenPrefix: 'wide' })).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        reason: 'CALLER_KEYSPACE_NOT_ALLOWED',
      });
    }
    const { keyspaces } = await latchkey.keyspaces.list({ pageSize: 1000 });
    expect(keyspaces.map(({ slug }) => slug)).not.toContain('wider');
  });

  test('of several keyspaces sees all of them', async () => {
    const { issueRoot, sdk } = served();
    const client = sdk((await issueRoot(['keys:read', 'config:read'], [outsideId, insideId])).token);
    const { keys } = await client.keys.list({ filter: { tag: 'confined' } });
    expect(keys.map(({ id }) => id)).toEqual([outside.id, inside.id]);
    expect((await client.keyspaces.list()).keyspaces).toHaveLength(2);
  });

  test('of the built-in keyspace alone sees nothing at all', async () => {
    const { issueRoot, sdk } = served();
    const client = sdk((await issueRoot(['admin'], [ROOT_SPACE])).token);
    expect((await client.keys.list({ filter: { showDeleted: true } })).keys).toEqual([]);
    expect((await client.keyspaces.list()).keyspaces).toEqual([]);
  });

  test('that is confined further, or set free, is so from its next call on', async () => {
    const { latchkey, issueRoot, sdk } = served();
    const { id, token } = await issueRoot(['verify', 'keys:read'], [insideId, outsideId]);
    const client = sdk(token);
    const look = async (): Promise<string> => (await client.verify({ token: outside.token })).verdict;
    expect(await look()).toBe('VALID');
    await latchkey.keys.update(id, { resourceAccess: { ids: [insideId] } });
    expect(await look()).toBe('NOT_FOUND');
    await expect(client.keys.get(outside.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await latchkey.keys.update(id, { resourceAccess: 'ALL' });
    expect(await look()).toBe('VALID');
  });
});

describe('root keys', () => {
  test('are made, seen and changed by an admin with access to all keyspaces only', async () => {
    const { latchkey, issueRoot } = served();
    const victim = await issueRoot(['verify']);
    const denied = { code: 'PERMISSION_DENIED', reason: 'CALLER_KEYSPACE_NOT_ALLOWED' };
    for (const client of [reader, admin, powerful]) {
      await expect(client.keys.create({ keyspaceId: ROOT_SPACE, scopes: ['admin'] })).rejects.toMatchObject(
        denied,
      );
      await expect(
        client.keys.create({
          keyspaceId: ROOT_SPACE,
          scopes: ['verify'],
          resourceAccess: { ids: [insideId] },
        }),
      ).rejects.toMatchObject(denied);
      await expect(client.keys.list({ filter: { keyspaceId: ROOT_SPACE } })).rejects.toMatchObject(denied);
      await expect(client.keys.update(victim.id, { scopes: ['admin'] })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      const { keys } = await client.keys.list({ filter: { showDeleted: true }, pageSize: 1000 });
      expect(keys.filter(({ keyspaceId }) => keyspaceId === ROOT_SPACE)).toEqual([]);
      const { keyspaces } = await client.keyspaces.list({ pageSize: 1000 });
      expect(keyspaces.map(({ id }) => id)).not.toContain(ROOT_SPACE);
    }
    expect(await latchkey.keys.get(victim.id)).toMatchObject({ scopes: ['verify'], state: 'ACTIVE' });
    const { keys } = await latchkey.keys.list({ filter: { keyspaceId: ROOT_SPACE }, pageSize: 1000 });
    expect(keys.map(({ id }) => id)).toContain(victim.id);
  });

  test('cannot widen themselves: a confined admin cannot change its own key', async () => {
    const { latchkey } = served();
    const before = await latchkey.keys.get(adminKey.id);
    await expect(admin.keys.update(adminKey.id, { resourceAccess: 'ALL' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const after = await latchkey.keys.get(adminKey.id);
    // It is being used, which may be told by now.
    const { lastUsedTime, secrets } = after;
    expect(after).toEqual({ ...before, lastUsedTime, secrets });
  });
});
