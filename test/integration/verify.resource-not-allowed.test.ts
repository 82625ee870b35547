import { describe, expect, test } from 'vitest';
import type { ResourceAccess } from '../../proto/gen/latchkey/v1/key.ts';
import { verdictOf } from './support/judge.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

const ALL: ResourceAccess = { access: { $case: 'all', value: {} } };
const listed = (...ids: string[]): ResourceAccess => ({ access: { $case: 'listed', value: { ids } } });

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

describe('an operation that is about no resource', () => {
  const LIST = { api: 'stores', verb: 'GET', path: '/stores' };
  const READ = { api: 'stores', verb: 'GET', path: '/stores/1' };
  const PING = { api: 'stores', verb: '', path: '/acme.Stores/Ping' };

  test('passes for a confined key without one, and no other operation does', async () => {
    const { root, issue, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace({
      apis: [
        {
          name: 'stores',
          groups: [
            {
              name: 'read',
              methods: [
                { verb: 'GET', path: '/stores', noResource: true },
                { verb: 'GET', path: '/stores/*' },
                { path: '/acme.Stores/Ping', noResource: true },
              ],
            },
          ],
        },
        // Of the same path, and about a resource.
        { name: 'orders', groups: [{ name: 'read', methods: [{ verb: 'GET', path: '/stores' }] }] },
      ],
    });
    const { token } = await issue({ keyspaceId, resourceAccess: listed('store-1') });
    for (const operation of [LIST, PING, { ...LIST, verb: 'get' }, { ...LIST, path: '/stores/?page=2' }]) {
      expect(await verdictOf(root, { token, operation }), operation.path).toBe('VALID');
    }
    for (const operation of [
      READ,
      { ...LIST, verb: 'POST' },
      { ...LIST, verb: '' },
      { ...LIST, api: 'orders' },
      { ...LIST, path: '/stores/../stores/1' },
      { ...LIST, path: '/' },
      undefined,
    ]) {
      const request = operation === undefined ? { token } : { token, operation };
      expect(await verdictOf(root, request), operation?.path ?? 'none').toBe('RESOURCE_NOT_ALLOWED');
    }
    // One that is named all the same must be listed.
    expect(await verdictOf(root, { token, operation: LIST, resource: 'store-1' })).toBe('VALID');
    expect(await verdictOf(root, { token, operation: LIST, resource: 'store-2' })).toBe(
      'RESOURCE_NOT_ALLOWED',
    );
    expect(await verdictOf(root, { token, operation: READ, resource: 'store-1' })).toBe('VALID');
  });

  test('is so from the next verification on after the catalogue says so, and not in another keyspace', async () => {
    const { root, issue, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const { token } = await issue({ keyspaceId, resourceAccess: listed('store-1') });
    const { token: elsewhere } = await issue({ resourceAccess: listed('store-1') });
    const mark = (noResource: boolean) =>
      root.keyspaces.updateKeyspace({
        keyspace: {
          id: keyspaceId,
          apis: [
            { name: 'stores', groups: [{ name: 'all', methods: [{ path: '/stores/**', noResource }] }] },
          ],
        },
        updateMask: ['apis'],
      });
    expect(await verdictOf(root, { token, operation: LIST })).toBe('RESOURCE_NOT_ALLOWED');
    await mark(true);
    expect(await verdictOf(root, { token, operation: LIST })).toBe('VALID');
    expect(await verdictOf(root, { token: elsewhere, operation: LIST })).toBe('RESOURCE_NOT_ALLOWED');
    await mark(false);
    expect(await verdictOf(root, { token, operation: LIST })).toBe('RESOURCE_NOT_ALLOWED');
  });
});

describe('access by policy', () => {
  test('is that of the policies, unless the key says something itself', async () => {
    const { root, issue, keyspaceId } = served();
    let policies = 0;
    const policy = async (resourceAccess?: ResourceAccess): Promise<string> => {
      const displayName = `access ${(policies += 1)}`;
      const answer = await root.policies.createPolicy({
        policy: { keyspaceId, displayName, ...(resourceAccess === undefined ? {} : { resourceAccess }) },
      });
      return present(answer.policy).id;
    };
    const [one, two, everything, silent] = [
      await policy(listed('store-1')),
      await policy(listed('store-2')),
      await policy(ALL),
      await policy(),
    ];
    const passing = async (policyIds: string[], resourceAccess?: ResourceAccess): Promise<string> => {
      const { token } = await issue({
        policyIds,
        ...(resourceAccess === undefined ? {} : { resourceAccess }),
      });
      const passed: string[] = [];
      for (const resource of ['store-1', 'store-2', 'store-3', '']) {
        const verdict = await verdictOf(root, { token, resource });
        if (verdict === 'VALID') passed.push(resource === '' ? 'none' : resource);
        else expect(verdict).toBe('RESOURCE_NOT_ALLOWED');
      }
      return passed.join(' ');
    };
    const anything = 'store-1 store-2 store-3 none';
    expect(await passing([])).toBe(anything);
    expect(await passing([silent])).toBe(anything);
    expect(await passing([one])).toBe('store-1');
    expect(await passing([silent, one])).toBe('store-1');
    expect(await passing([one, two])).toBe('store-1 store-2');
    expect(await passing([one, everything])).toBe(anything);
    expect(await passing([one, two], listed('store-3'))).toBe('store-3');
    expect(await passing([everything], listed('store-3'))).toBe('store-3');
    expect(await passing([one], ALL)).toBe(anything);
  });
});
