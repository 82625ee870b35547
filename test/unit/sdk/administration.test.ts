import { afterEach, describe, expect, it } from 'vitest';
import { KeyState } from '../../../proto/gen/latchkey/v1/key.ts';
import { KeyView, type ListKeysRequest } from '../../../proto/gen/latchkey/v1/key_service.ts';
import type { ListKeyspacesRequest } from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import { KeysFate, type ListOwnersRequest } from '../../../proto/gen/latchkey/v1/owner_service.ts';
import type { ListPoliciesRequest } from '../../../proto/gen/latchkey/v1/policy_service.ts';
import {
  keyMessage,
  keyspaceMessage,
  ownerMessage,
  policyMessage,
  startFakeLatchkey,
  type Answers,
  type FakeLatchkey,
} from './fake-latchkey.ts';

const TIME = new Date('2030-01-01T00:00:00Z');
const ID = 'key_1';
const REQUEST_ID = '123e4567-e89b-42d3-a456-426614174000';
const CHANGE = { etag: '7', requestId: REQUEST_ID };

let fake: FakeLatchkey;
afterEach(() => fake.stop());

const COUNTS = { active: 1n, disabled: 2n, revoked: 3n, expired: 4n };
const COUNTED = { active: 1, disabled: 2, revoked: 3, expired: 4 };

const isPreview = (request: unknown): boolean =>
  (request as { readonly validateOnly?: boolean }).validateOnly === true;

/** Answers every change of a key, and keeps the request. */
function recording(requests: [name: string, request: unknown][]): Answers {
  const record = (name: string) => (request: unknown) => {
    requests.push([name, request]);
    return Promise.resolve({
      key: keyMessage({ state: KeyState.KEY_STATE_DISABLED }),
      keyspace: keyspaceMessage(),
      policy: policyMessage(),
      owner: ownerMessage(),
      keys: COUNTS,
      keyCount: 3n,
      effective: { resourceAccess: { access: { $case: 'all' as const, value: {} } }, ownerSuspended: true },
      results: [{ id: 'key_2', alreadyImported: true }],
      count: 250n,
      sampleIds: ['key_1'],
      token: 'the token',
      revision: '0.5',
      effectiveTime: isPreview(request) ? undefined : TIME,
    });
  };
  return {
    createKey: record('createKey'),
    getKey: record('getKey'),
    updateKey: record('updateKey'),
    enableKey: record('enableKey'),
    disableKey: record('disableKey'),
    revokeKey: record('revokeKey'),
    deleteKey: record('deleteKey'),
    undeleteKey: record('undeleteKey'),
    lookupKey: record('lookupKey'),
    createKeyspace: record('createKeyspace'),
    getKeyspace: record('getKeyspace'),
    updateKeyspace: record('updateKeyspace'),
    deleteKeyspace: record('deleteKeyspace'),
    batchRevokeKeys: record('batchRevokeKeys'),
    importKeys: record('importKeys'),
    reportLeakedKey: record('reportLeakedKey'),
    createPolicy: record('createPolicy'),
    getPolicy: record('getPolicy'),
    updatePolicy: record('updatePolicy'),
    deletePolicy: record('deletePolicy'),
    createOwner: record('createOwner'),
    getOwner: record('getOwner'),
    updateOwner: record('updateOwner'),
    suspendOwner: record('suspendOwner'),
    resumeOwner: record('resumeOwner'),
    deleteOwner: record('deleteOwner'),
  };
}

describe('keys', () => {
  it('sends each change to its RPC, with the id, the etag and the request id', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { keys } = fake.client;
    const target = { id: ID, etag: '7', requestId: REQUEST_ID };
    const changed = { key: { state: 'DISABLED' }, revision: '0.5' };
    const narrowed = { ...changed, effectiveTime: TIME };

    expect(await keys.create({ keyspaceId: 'ks_1', ttlMs: 1000 }, { requestId: REQUEST_ID })).toMatchObject({
      ...changed,
      token: 'the token',
    });
    expect(await keys.update(ID, { tags: ['x'], expireTime: null }, CHANGE)).toMatchObject(narrowed);
    expect(await keys.enable(ID, CHANGE)).toMatchObject(changed);
    expect(await keys.disable(ID, CHANGE)).toMatchObject(narrowed);
    expect(await keys.revoke(ID, { ...CHANGE, reason: 'leaked', note: 'in a log' })).toMatchObject(narrowed);
    expect(await keys.delete(ID, CHANGE)).toMatchObject(narrowed);
    expect(await keys.undelete(ID, CHANGE)).toMatchObject(changed);
    expect(requests).toMatchObject([
      ['createKey', { key: { keyspaceId: 'ks_1' }, ttl: { seconds: 1n }, requestId: REQUEST_ID }],
      [
        'updateKey',
        {
          key: { id: ID, etag: '7', tags: ['x'] },
          updateMask: ['tags', 'expire_time'],
          requestId: REQUEST_ID,
        },
      ],
      ['enableKey', target],
      ['disableKey', target],
      ['revokeKey', { ...target, reason: 'leaked', note: 'in a log' }],
      ['deleteKey', target],
      ['undeleteKey', target],
    ]);
  });

  it('reads a key by its id, its token or a prefix', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { keys } = fake.client;
    const id = keyMessage().id;
    expect(await keys.get(ID)).toMatchObject({ id });
    expect(await keys.lookup({ token: 'a token' })).toMatchObject({ id });
    expect(await keys.lookup({ prefix: 'acme_1' })).toMatchObject({ id });
    expect(requests).toMatchObject([
      ['getKey', { id: ID }],
      ['lookupKey', { by: { $case: 'token', value: 'a token' } }],
      ['lookupKey', { by: { $case: 'prefix', value: 'acme_1' } }],
    ]);
  });

  it('reads a key with the rules in effect', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { key, effective } = await fake.client.keys.getEffective(ID);
    expect(key.id).toBe(keyMessage().id);
    expect(effective).toMatchObject({ resourceAccess: 'ALL', ownerSuspended: true });
    await fake.client.keys.get(ID);
    expect(requests).toMatchObject([
      ['getKey', { id: ID, view: KeyView.KEY_VIEW_EFFECTIVE }],
      ['getKey', { id: ID, view: KeyView.KEY_VIEW_UNSPECIFIED }],
    ]);
  });

  it('revokes the keys of a choice, or only looks at them', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { keys } = fake.client;
    const revoked = { count: 250, sampleIds: ['key_1'], revision: '0.5' };
    const choice = { keyspaceId: 'ks_1', policyId: 'pol_1' };
    expect(await keys.batchRevoke(choice, { validateOnly: true })).toEqual({
      ...revoked,
      effectiveTime: null,
    });
    const options = { reason: 'off-boarded', note: 'contract ended', requestId: REQUEST_ID };
    expect(await keys.batchRevoke(choice, options)).toEqual({ ...revoked, effectiveTime: TIME });
    expect(requests).toMatchObject([
      ['batchRevokeKeys', { ...choice, validateOnly: true, createdBefore: undefined }],
      ['batchRevokeKeys', { ...choice, ...options, validateOnly: false }],
    ]);
  });

  it('imports keys by their digests, and refuses an answer that says too little', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { keys } = fake.client;
    const entry = { sha256: 'ab'.repeat(32), displayName: 'old' };
    expect(await keys.import('ks_1', [entry], { requestId: REQUEST_ID })).toEqual({
      results: [{ imported: true, id: 'key_2', alreadyImported: true }],
      revision: '0.5',
    });
    expect(requests).toMatchObject([
      [
        'importKeys',
        {
          keyspaceId: 'ks_1',
          keys: [{ sha256: entry.sha256, key: { displayName: 'old', keyspaceId: '' } }],
          requestId: REQUEST_ID,
        },
      ],
    ]);
    await expect(keys.import('ks_1', [entry, entry])).rejects.toMatchObject({
      reason: 'UNEXPECTED_RESPONSE',
    });
  });

  it('reports a token that leaked', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const options = { note: 'in a gist', requestId: REQUEST_ID };
    expect(await fake.client.keys.reportLeaked('a token', options)).toMatchObject({
      key: { id: keyMessage().id },
      effectiveTime: TIME,
    });
    expect(requests).toMatchObject([['reportLeakedKey', { token: 'a token', ...options }]]);
  });

  it('refuses a change of nothing without a call', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    await expect(fake.client.keys.update(ID, {})).rejects.toMatchObject({ reason: 'INVALID_FIELD' });
    expect(requests).toEqual([]);
  });
});

describe('lists of keys', () => {
  /** Three pages of two keys. */
  function paged(requests: ListKeysRequest[]): Answers {
    return {
      listKeys(request) {
        requests.push(request);
        const page = Number(request.pageToken);
        return Promise.resolve({
          keys: [keyMessage({ id: `key_${page}a` }), keyMessage({ id: `key_${page}b` })],
          nextPageToken: page < 2 ? String(page + 1) : '',
        });
      },
    };
  }

  it('come in pages, with a token for the next one unless there is none', async () => {
    const requests: ListKeysRequest[] = [];
    fake = await startFakeLatchkey(paged(requests));
    const { keys } = fake.client;
    const query = { filter: { ownerId: 'o' }, order: 'OLDEST_FIRST', pageSize: 2 } as const;
    expect(await keys.list(query)).toMatchObject({
      keys: [{ id: 'key_0a' }, { id: 'key_0b' }],
      nextPageToken: '1',
    });
    expect(await keys.list(query, { pageToken: '2' })).not.toHaveProperty('nextPageToken');
    expect(requests).toMatchObject([
      { filter: { ownerId: 'o' }, orderBy: 'create_time', pageSize: 2, pageToken: '' },
      { filter: { ownerId: 'o' }, orderBy: 'create_time', pageSize: 2, pageToken: '2' },
    ]);
    await keys.list();
    expect(requests[2]).toMatchObject({ filter: undefined, orderBy: 'create_time desc', pageSize: 0 });
  });

  it('can be read whole, with the same query for every page', async () => {
    const requests: ListKeysRequest[] = [];
    fake = await startFakeLatchkey(paged(requests));
    const ids: string[] = [];
    for await (const { id } of fake.client.keys.listAll({ filter: { tag: 'x' } })) ids.push(id);
    expect(ids).toEqual(['key_0a', 'key_0b', 'key_1a', 'key_1b', 'key_2a', 'key_2b']);
    expect(requests.map(({ pageToken }) => pageToken)).toEqual(['', '1', '2']);
    expect(requests.every(({ filter, pageSize }) => filter?.tag === 'x' && pageSize === 250)).toBe(true);
  });

  it('are not read further than they are asked for', async () => {
    const requests: ListKeysRequest[] = [];
    fake = await startFakeLatchkey(paged(requests));
    const ids: string[] = [];
    for await (const { id } of fake.client.keys.listAll({ pageSize: 2 })) {
      ids.push(id);
      if (ids.length === 2) break;
    }
    expect(requests).toHaveLength(1);
  });
});

describe('keyspaces', () => {
  it('sends each call to its RPC', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { keyspaces } = fake.client;
    const { id } = keyspaceMessage();
    const changed = { keyspace: { id, slug: 'orders' }, revision: '0.5' };

    expect(
      await keyspaces.create({ slug: 's', tokenPrefix: 'p', defaultTtlMs: 1000 }, { requestId: REQUEST_ID }),
    ).toMatchObject(changed);
    expect(await keyspaces.get('ks_1')).toMatchObject({ id });
    expect(await keyspaces.update('ks_1', { maxTtlMs: null, requireExpiry: false }, CHANGE)).toMatchObject({
      ...changed,
      effectiveTime: TIME,
    });
    expect(await keyspaces.delete('ks_1', CHANGE)).toEqual({ revision: '0.5' });
    expect(requests).toMatchObject([
      [
        'createKeyspace',
        { keyspace: { slug: 's', tokenPrefix: 'p', defaultTtl: { seconds: 1n } }, requestId: REQUEST_ID },
      ],
      ['getKeyspace', { id: 'ks_1' }],
      [
        'updateKeyspace',
        {
          keyspace: { id: 'ks_1', etag: '7' },
          updateMask: ['max_ttl', 'require_expiry'],
          requestId: REQUEST_ID,
        },
      ],
      ['deleteKeyspace', { id: 'ks_1', etag: '7', requestId: REQUEST_ID }],
    ]);
  });

  it('lists them in pages, or whole', async () => {
    const requests: ListKeyspacesRequest[] = [];
    fake = await startFakeLatchkey({
      listKeyspaces(request) {
        requests.push(request);
        return Promise.resolve({
          keyspaces: [keyspaceMessage({ slug: `page-${request.pageToken}` })],
          nextPageToken: request.pageToken === '' ? 'next' : '',
        });
      },
    });
    const { keyspaces } = fake.client;
    expect(await keyspaces.list({ pageSize: 1 })).toMatchObject({
      keyspaces: [{ slug: 'page-' }],
      nextPageToken: 'next',
    });
    const slugs: string[] = [];
    for await (const { slug } of keyspaces.listAll()) slugs.push(slug);
    expect(slugs).toEqual(['page-', 'page-next']);
    expect(requests.map(({ pageSize }) => pageSize)).toEqual([1, 250, 250]);
  });
});

describe('policies', () => {
  it('sends each call to its RPC', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { policies } = fake.client;
    const { id } = policyMessage();
    const changed = { policy: { id, displayName: 'partner' }, revision: '0.5' };

    const policy = { keyspaceId: 'ks_1', displayName: 'partner', scopes: ['orders:read'] };
    expect(await policies.create(policy, { requestId: REQUEST_ID })).toMatchObject(changed);
    expect(await policies.get('pol_1')).toMatchObject({ id, keyCount: 3 });
    expect(await policies.update('pol_1', { tags: ['x'], resourceAccess: null }, CHANGE)).toMatchObject({
      ...changed,
      effectiveTime: TIME,
    });
    expect(await policies.delete('pol_1', CHANGE)).toEqual({ revision: '0.5' });
    expect(requests).toMatchObject([
      ['createPolicy', { policy, requestId: REQUEST_ID }],
      ['getPolicy', { id: 'pol_1' }],
      [
        'updatePolicy',
        {
          policy: { id: 'pol_1', etag: '7', tags: ['x'] },
          updateMask: ['tags', 'resource_access'],
          requestId: REQUEST_ID,
        },
      ],
      ['deletePolicy', { id: 'pol_1', etag: '7', requestId: REQUEST_ID }],
    ]);
  });

  it('lists them in pages, or whole', async () => {
    const requests: ListPoliciesRequest[] = [];
    fake = await startFakeLatchkey({
      listPolicies(request) {
        requests.push(request);
        return Promise.resolve({
          policies: [policyMessage({ displayName: `page-${request.pageToken}` })],
          nextPageToken: request.pageToken === '' ? 'next' : '',
        });
      },
    });
    const { policies } = fake.client;
    expect(await policies.list({ keyspaceId: 'ks_1', pageSize: 1 })).toMatchObject({
      policies: [{ displayName: 'page-' }],
      nextPageToken: 'next',
    });
    const names: string[] = [];
    for await (const { displayName } of policies.listAll({ keyspaceId: 'ks_1' })) names.push(displayName);
    expect(names).toEqual(['page-', 'page-next']);
    expect(requests.map(({ pageSize }) => pageSize)).toEqual([1, 250, 250]);
    expect(requests.every(({ keyspaceId }) => keyspaceId === 'ks_1')).toBe(true);
  });
});

describe('owners', () => {
  const OWNER = { keyspaceId: 'ks_1', id: 'acme' };
  const TARGET = { ...OWNER, etag: '7', requestId: REQUEST_ID };

  it('sends each call to its RPC', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { owners } = fake.client;
    const changed = { owner: { id: 'acme' }, revision: '0.5' };

    const created = { ...OWNER, displayName: 'Acme', metadata: { crm: '17' } };
    expect(await owners.create(created, { requestId: REQUEST_ID })).toMatchObject(changed);
    expect(await owners.get(OWNER)).toMatchObject({ id: 'acme', keys: COUNTED });
    const change = { displayName: 'A', limits: [{ name: 'rpm', rate: { limit: 9, windowMs: 60_000 } }] };
    expect(await owners.update(OWNER, change, { ...CHANGE, wait: false })).toMatchObject({
      ...changed,
      effectiveTime: TIME,
    });
    expect(
      await owners.suspend(OWNER, { ...CHANGE, reason: 'unpaid', note: 'third reminder' }),
    ).toMatchObject({ ...changed, keys: COUNTED, effectiveTime: TIME });
    expect(await owners.resume(OWNER, CHANGE)).toMatchObject(changed);
    expect(await owners.delete(OWNER, { ...CHANGE, keysFate: 'REVOKE' })).toEqual({
      keys: COUNTED,
      sampleIds: ['key_1'],
      revision: '0.5',
      effectiveTime: TIME,
    });
    expect(requests).toMatchObject([
      [
        'createOwner',
        {
          owner: { ...OWNER, displayName: 'Acme', metadata: new Map([['crm', '17']]) },
          requestId: REQUEST_ID,
        },
      ],
      ['getOwner', OWNER],
      [
        'updateOwner',
        {
          owner: { ...OWNER, displayName: 'A', limits: [{ name: 'rpm' }], etag: '7' },
          updateMask: ['display_name', 'limits'],
          requestId: REQUEST_ID,
          wait: false,
        },
      ],
      ['suspendOwner', { ...TARGET, reason: 'unpaid', note: 'third reminder', validateOnly: false }],
      ['resumeOwner', TARGET],
      ['deleteOwner', { ...TARGET, keysFate: KeysFate.KEYS_FATE_REVOKE, validateOnly: false }],
    ]);
  });

  it('shows what it would hit, and says that nothing took effect', async () => {
    const requests: [string, unknown][] = [];
    fake = await startFakeLatchkey(recording(requests));
    const { owners } = fake.client;
    expect(await owners.suspend(OWNER, { validateOnly: true })).toMatchObject({
      keys: COUNTED,
      effectiveTime: null,
    });
    expect(await owners.delete(OWNER, { validateOnly: true, keysFate: 'DETACH' })).toMatchObject({
      sampleIds: ['key_1'],
      effectiveTime: null,
    });
    expect(requests).toMatchObject([
      ['suspendOwner', { validateOnly: true }],
      ['deleteOwner', { validateOnly: true, keysFate: KeysFate.KEYS_FATE_DETACH }],
    ]);
  });

  it('refuses an answer that does not say when a change took effect', async () => {
    fake = await startFakeLatchkey({
      suspendOwner: () => Promise.resolve({ owner: ownerMessage(), keys: COUNTS }),
      updateOwner: () => Promise.resolve({ owner: ownerMessage() }),
    });
    const refused = { reason: 'UNEXPECTED_RESPONSE' };
    await expect(fake.client.owners.suspend(OWNER)).rejects.toMatchObject(refused);
    await expect(fake.client.owners.update(OWNER, { limits: [] })).rejects.toMatchObject(refused);
  });

  it('lists them in pages, or whole', async () => {
    const requests: ListOwnersRequest[] = [];
    fake = await startFakeLatchkey({
      listOwners(request) {
        requests.push(request);
        return Promise.resolve({
          owners: [ownerMessage({ id: `page-${request.pageToken}` })],
          nextPageToken: request.pageToken === '' ? 'next' : '',
        });
      },
    });
    const { owners } = fake.client;
    const query = { keyspaceId: 'ks_1', suspendedOnly: true };
    expect(await owners.list({ ...query, pageSize: 1 })).toMatchObject({
      owners: [{ id: 'page-' }],
      nextPageToken: 'next',
    });
    const ids: string[] = [];
    for await (const { id } of owners.listAll({ ...query, pageSize: undefined })) ids.push(id);
    expect(ids).toEqual(['page-', 'page-next']);
    expect(requests).toMatchObject([
      { ...query, pageSize: 1 },
      { ...query, pageSize: 250 },
      { ...query, pageSize: 250 },
    ]);
  });
});
