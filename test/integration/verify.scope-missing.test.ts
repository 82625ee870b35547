import { describe, expect, test } from 'vitest';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

describe('scopes', () => {
  test.each([
    [['orders:read'], ['orders:read'], []],
    [['orders:read'], [], []],
    [[], [], []],
    [[], ['orders:read'], ['orders:read']],
    [['orders:read'], ['orders:write'], ['orders:write']],
    [['orders:read', 'admin'], ['admin', 'orders:read'], []],
    [['orders:read'], ['orders:read', 'orders:write', 'admin'], ['orders:write', 'admin']],
    // A wildcard grants what begins so, with at least nothing more.
    [['orders:*'], ['orders:read', 'orders:', 'orders:a:b'], []],
    [['orders:*'], ['orders', 'order', 'reorders:read'], ['orders', 'order', 'reorders:read']],
    [['ord*'], ['orders:read', 'ord', 'or'], ['or']],
    [['*'], ['anything', 'a/b.c-d_e:f'], []],
    [['a:*', 'b:read'], ['a:x', 'b:read', 'b:write'], ['b:write']],
    // Exactly, and in its case.
    [
      ['orders:read'],
      ['Orders:read', 'orders:rea', 'orders:reads'],
      ['Orders:read', 'orders:rea', 'orders:reads'],
    ],
    [['constructor'], ['toString', '__proto__'], ['toString', '__proto__']],
    // Each time that it was asked for, in the order in which it was.
    [['x'], ['z', 'y', 'z'], ['z', 'y', 'z']],
  ])('of a key that was granted %j and is asked for %j lack %j', async (granted, scopes, missing) => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({ keyspaceId, scopes: granted });
    const verdict = missing.length === 0 ? 'VALID' : 'SCOPE_MISSING';
    for (let again = 0; again < 2; again += 1) {
      const result = await latchkey.verify({ token, scopes });
      expect(result).toMatchObject({
        valid: missing.length === 0,
        verdict,
        key: { id: key.id, scopes: granted },
      });
      expect(result.valid ? [] : result.missingScopes).toEqual(missing);
    }
  });

  test('that are granted or taken away count from the next verification on', async () => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({ keyspaceId });
    const verdict = async (): Promise<string> =>
      (await latchkey.verify({ token, scopes: ['orders:read'] })).verdict;
    expect(await verdict()).toBe('SCOPE_MISSING');
    await latchkey.keys.update(key.id, { scopes: ['orders:*'] });
    expect(await verdict()).toBe('VALID');
    await latchkey.keys.update(key.id, { scopes: ['orders:write'] });
    expect(await verdict()).toBe('SCOPE_MISSING');
    await latchkey.keys.update(key.id, { scopes: [] });
    expect(await verdict()).toBe('SCOPE_MISSING');
  });
});
