import { afterEach, describe, expect, it } from 'vitest';
import { KeyState } from '../../../proto/gen/latchkey/v1/key.ts';
import type { ListKeysRequest } from '../../../proto/gen/latchkey/v1/key_service.ts';
import type { ListKeyspacesRequest } from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import {
  keyMessage,
  keyspaceMessage,
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

/** Answers every change of a key, and keeps the request. */
function recording(requests: [name: string, request: unknown][]): Answers {
  const record = (name: string) => (request: unknown) => {
    requests.push([name, request]);
    return Promise.resolve({
      key: keyMessage({ state: KeyState.KEY_STATE_DISABLED }),
      keyspace: keyspaceMessage(),
      token: 'the token',
      revision: '0.5',
      effectiveTime: TIME,
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
    expect(await keyspaces.update('ks_1', { maxTtlMs: null, requireExpiry: false }, CHANGE)).toMatchObject(
      changed,
    );
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
