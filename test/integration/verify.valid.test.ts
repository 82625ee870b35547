import { describe, expect, test } from 'vitest';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

describe('a token that passes', () => {
  test('is VALID, and tells its key as it was set, and nothing else', async () => {
    const { latchkey, keyspaceId } = served();
    const expireTime = new Date(Date.now() + 3_600_000);
    const { key, token, revision } = await latchkey.keys.create({
      keyspaceId,
      displayName: 'Checkout ☂',
      ownerId: 'team-7',
      scopes: ['orders:read', 'orders:*'],
      resourceAccess: { ids: ['store-1', 'store-2'] },
      metadata: { plan: 'gold', address: 'two\nlines' },
      tags: ['eu', 'beta'],
      expireTime,
    });
    expect(await latchkey.verify({ token, resource: 'store-2', scopes: ['orders:write'] })).toEqual({
      valid: true,
      verdict: 'VALID',
      key: {
        id: key.id,
        keyspaceId,
        ownerId: 'team-7',
        displayName: 'Checkout ☂',
        scopes: ['orders:read', 'orders:*'],
        metadata: { plan: 'gold', address: 'two\nlines' },
        tags: ['eu', 'beta'],
        policyIds: [],
        expireTime,
      },
      limits: [],
      revision,
    });
  });

  test('of a key without any attribute is VALID and tells of none', async () => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({ keyspaceId });
    expect(await latchkey.verify({ token })).toMatchObject({
      valid: true,
      key: {
        id: key.id,
        ownerId: null,
        displayName: '',
        scopes: [],
        metadata: {},
        tags: [],
        expireTime: null,
      },
    });
  });

  test('passes where its own keyspace is named', async () => {
    const { latchkey, keyspaceId, issue } = served();
    const { token } = await issue();
    expect(await latchkey.verify({ token, keyspaceId })).toMatchObject({ verdict: 'VALID' });
  });

  test('passes whatever is told of operation, client and tags while the key has no rule for them', async () => {
    const { latchkey, issue } = served();
    const { token } = await issue();
    const result = await latchkey.verify({
      token,
      operation: { api: 'orders', verb: 'GET', path: '/v1/orders/../7?x=%2e' },
      client: {
        ip: '2001:db8::1',
        referrer: 'https://shop.example.com/',
        androidPackage: 'com.example.shop',
        androidCertSha1: 'AA:BB',
        iosBundleId: 'com.example.shop',
      },
      resource: 'any',
      checkOnly: true,
      tags: ['checkout'],
    });
    expect(result).toMatchObject({ verdict: 'VALID', limits: [] });
  });

  test('goes on passing under the prefix that it was made with when its keyspace takes another one', async () => {
    const { latchkey, newKeyspace, issue } = served();
    const { id: keyspaceId } = await newKeyspace({ tokenPrefix: 'old_prefix' });
    const before = await issue({ keyspaceId });
    await latchkey.keyspaces.update(keyspaceId, { tokenPrefix: 'new9' });
    const after = await issue({ keyspaceId });
    expect(before.token).toMatch(/^old_prefix_[0-9A-Za-z]{54}$/);
    expect(after.token).toMatch(/^new9_[0-9A-Za-z]{54}$/);
    for (const { token } of [before, after]) {
      expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
    }
  });
});

describe('memory', () => {
  test('is filled by the first verification, and answers the next without the database', async () => {
    const { latchkey, issue, metric } = served();
    const { token } = await issue();
    const before = await metric('latchkey_key_loads');
    const first = await latchkey.verify({ token });
    expect(await metric('latchkey_key_loads')).toBe(before + 1);
    for (let again = 0; again < 3; again += 1) expect(await latchkey.verify({ token })).toEqual(first);
    expect(await metric('latchkey_key_loads')).toBe(before + 1);
  });

  test('answers for a revision that it has seen, and asks the database for one that it has not', async () => {
    const { latchkey, issue, metric } = served();
    const { token, revision } = await issue();
    await latchkey.verify({ token });
    const before = await metric('latchkey_key_loads');
    expect(await latchkey.verify({ token, minRevision: revision })).toMatchObject({ verdict: 'VALID' });
    expect(await metric('latchkey_key_loads')).toBe(before);
    // The token's key; the caller's own is not asked for with a revision.
    expect(await latchkey.verify({ token, minRevision: '0.999999999' })).toMatchObject({ verdict: 'VALID' });
    expect(await metric('latchkey_key_loads')).toBe(before + 1);
  });
});
