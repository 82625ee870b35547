import { describe, expect, test } from 'vitest';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

describe('a key that is confined to listed resources', () => {
  test.each([
    ['a resource that it lists', 'store-1', 'VALID'],
    ['another one that it lists', 'Läden/2', 'VALID'],
    ['a resource that it does not list', 'store-2', 'RESOURCE_NOT_ALLOWED'],
    ['no resource', '', 'RESOURCE_NOT_ALLOWED'],
    ['a resource that begins like a listed one', 'store-11', 'RESOURCE_NOT_ALLOWED'],
    ['the beginning of a listed one', 'store-', 'RESOURCE_NOT_ALLOWED'],
    ['a listed one in another case', 'STORE-1', 'RESOURCE_NOT_ALLOWED'],
    ['a listed one with a blank', 'store-1 ', 'RESOURCE_NOT_ALLOWED'],
    ['a listed one in another composition of its letters', 'La\u0308den/2', 'RESOURCE_NOT_ALLOWED'],
    ['a wildcard', '*', 'RESOURCE_NOT_ALLOWED'],
    ['a name that every object has', 'constructor', 'RESOURCE_NOT_ALLOWED'],
  ])('asked for %s (%j) is %s', async (_name, resource, verdict) => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({
      keyspaceId,
      resourceAccess: { ids: ['store-1', 'Läden/2'] },
    });
    // Cold and warm.
    for (let again = 0; again < 2; again += 1) {
      expect(await latchkey.verify({ token, resource })).toMatchObject({ verdict, key: { id: key.id } });
    }
  });

  test('a wildcard in its list is a name like any other', async () => {
    const { latchkey, keyspaceId } = served();
    const { token } = await latchkey.keys.create({ keyspaceId, resourceAccess: { ids: ['store-*'] } });
    expect(await latchkey.verify({ token, resource: 'store-1' })).toMatchObject({
      verdict: 'RESOURCE_NOT_ALLOWED',
    });
    expect(await latchkey.verify({ token, resource: 'store-*' })).toMatchObject({ verdict: 'VALID' });
  });

  test('passes for any resource and for none once it has access to all, and not before', async () => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({ keyspaceId, resourceAccess: { ids: ['store-1'] } });
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'RESOURCE_NOT_ALLOWED' });
    await latchkey.keys.update(key.id, { resourceAccess: 'ALL' });
    for (const resource of ['', 'store-2']) {
      expect(await latchkey.verify({ token, resource })).toMatchObject({ verdict: 'VALID' });
    }
    await latchkey.keys.update(key.id, { resourceAccess: { ids: ['store-3'] } });
    expect(await latchkey.verify({ token, resource: 'store-2' })).toMatchObject({
      verdict: 'RESOURCE_NOT_ALLOWED',
    });
  });

  test('is told before the scopes that it lacks', async () => {
    const { latchkey, keyspaceId } = served();
    const { token } = await latchkey.keys.create({ keyspaceId, resourceAccess: { ids: ['store-1'] } });
    expect(await latchkey.verify({ token, resource: 'store-2', scopes: ['orders:read'] })).toMatchObject({
      verdict: 'RESOURCE_NOT_ALLOWED',
      missingScopes: [],
    });
  });

  test('finds each of a thousand resources', async () => {
    const { latchkey, keyspaceId } = served();
    const ids = Array.from({ length: 1000 }, (_, index) => `store-${index}`);
    const { token } = await latchkey.keys.create({ keyspaceId, resourceAccess: { ids } });
    const results = await latchkey.verifyBatch(
      [...ids, 'store-1000'].map((resource) => ({ token, resource })),
    );
    expect(results.slice(0, 1000).every((result) => 'valid' in result && result.valid)).toBe(true);
    expect(results[1000]).toMatchObject({ verdict: 'RESOURCE_NOT_ALLOWED' });
  });
});
