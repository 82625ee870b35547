import { describe, expect, test } from 'vitest';
import { failureOf } from '../support/failure-of.ts';
import { judge, verdictOf } from './support/judge.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

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
    // Each once, in the order in which they were asked for.
    [['x'], ['z', 'y', 'z'], ['z', 'y']],
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

describe('a scope query', () => {
  test.each<[granted: string[], query: string, missing: string[]]>([
    [['a'], 'a', []],
    [[], 'a', ['a']],
    [['a', 'b'], 'a AND b', []],
    [['a'], 'a AND b', ['b']],
    [['b'], 'a OR b', []],
    // AND binds tighter than OR.
    [['a'], 'a OR b AND c', []],
    [['b'], 'a OR b AND c', ['a']],
    [['b', 'c'], 'a OR b AND c', []],
    [['a'], '(a OR b) AND c', ['c']],
    [['c'], '(a OR b) AND c', ['a']],
    [['b', 'c'], '(a OR b) AND c', []],
    [[], 'a AND b OR c AND d AND e', ['a', 'b']],
    [['c', 'd'], 'a AND b OR c AND d AND e', ['e']],
    [['x'], '((x)) AND (((y)))', ['y']],
    [['a'], 'a\tAND\r\n\tb', ['b']],
    [[], 'a AND a AND (a OR b)', ['a']],
    // Granted scopes have wildcards, and what is asked for never has.
    [['orders:*'], 'orders:read AND (orders:write OR admin)', []],
    [['orders:r*'], 'orders:read AND (orders:write OR admin)', ['orders:write']],
    [['*'], 'a AND b AND c', []],
    // These are scopes: operators are written in upper case.
    [['and', 'or'], 'and AND or', []],
    [['And'], 'and', ['and']],
    [['a', 'b'], 'AND-a OR a.AND.b', ['AND-a']],
  ])('of a key that was granted %j, %j lacks %j', async (granted, scopeQuery, missing) => {
    const { root, issue } = served();
    const { token } = await issue({ scopes: granted });
    expect(await judge(root, { token, scopeQuery })).toEqual({
      verdict: missing.length === 0 ? 'VALID' : 'SCOPE_MISSING',
      refusal: '',
      missingScopes: missing,
    });
  });

  test('and a list of scopes must both hold; each lacking scope is told once', async () => {
    const { root, issue } = served();
    const { token } = await issue({ scopes: ['a'] });
    const ask = (scopes: string[], scopeQuery: string) => judge(root, { token, scopes, scopeQuery });
    expect(await ask(['a'], 'a OR b')).toMatchObject({ verdict: 'VALID', missingScopes: [] });
    expect(await ask(['b'], 'a OR b')).toMatchObject({ verdict: 'SCOPE_MISSING', missingScopes: ['b'] });
    expect(await ask(['a'], 'b')).toMatchObject({ verdict: 'SCOPE_MISSING', missingScopes: ['b'] });
    expect(await ask(['c', 'a', 'b'], 'b AND d')).toMatchObject({ missingScopes: ['c', 'b', 'd'] });
  });

  test('would have been fulfilled by what is told to be missing', async () => {
    const { root, issue } = served();
    const queries = [
      'a',
      'a AND (b OR c AND d)',
      '(a OR b) AND (c OR d) AND (a OR d)',
      'a AND b OR c AND d OR e',
      '((a OR b AND c) AND d OR e AND f) AND (g OR h)',
    ];
    for (const granted of [[], ['a'], ['b', 'e'], ['c', 'g'], ['x']]) {
      const { id, token } = await issue({ scopes: granted });
      for (const scopeQuery of queries) {
        const { verdict, missingScopes } = await judge(root, { token, scopes: ['z'], scopeQuery });
        expect(verdict).toBe('SCOPE_MISSING');
        const scopes = [...granted, ...missingScopes];
        await root.keys.updateKey({ key: { id, scopes }, updateMask: ['scopes'] });
        expect(await verdictOf(root, { token, scopes: ['z'], scopeQuery }), scopeQuery).toBe('VALID');
        // And none of it is too much.
        for (const left of missingScopes) {
          await root.keys.updateKey({
            key: { id, scopes: scopes.filter((scope) => scope !== left) },
            updateMask: ['scopes'],
          });
          expect(await verdictOf(root, { token, scopes: ['z'], scopeQuery }), left).toBe('SCOPE_MISSING');
        }
        await root.keys.updateKey({ key: { id, scopes: granted }, updateMask: ['scopes'] });
      }
    }
  });

  test.each<[query: string, position: number]>([
    [' ', 2],
    ['a b', 3],
    ['a AND', 6],
    ['a AND OR b', 7],
    ['AND a', 1],
    ['()', 2],
    ['(a', 3],
    ['a)', 2],
    ['(a OR b)) AND c', 9],
    ['a AND orders:*', 14],
    ['a AND b, c', 8],
    ['a OR ä', 6],
    ['a && b', 3],
    [`${'('.repeat(17)}a${')'.repeat(17)}`, 17],
    [`${'a AND '.repeat(64)}a`, 385],
    [`a AND ${'x'.repeat(129)}`, 7],
    [`${'a OR '.repeat(300)}a`, 1025],
  ])('that is none (%j) is refused with the position of its fault, %i', async (scopeQuery, position) => {
    const { root, issue } = served();
    const { token } = await issue({ scopes: ['*'] });
    for (const ask of [token, 'no token']) {
      const failure = await failureOf((options) => root.verify.verify({ token: ask, scopeQuery }, options));
      expect(failure).toMatchObject({ code: 3, reason: 'INVALID_FIELD', fields: ['scope_query'] });
      expect(failure.message).toContain(`character ${position}:`);
    }
    const { responses } = await root.verify.batchVerify({ requests: [{ token, scopeQuery }, { token }] });
    expect(responses.map(({ result }) => result?.$case)).toEqual(['status', 'response']);
  });

  test('of as many different texts as there may be is answered right, also when memory has forgotten some', async () => {
    const { root, issue } = served();
    const { token } = await issue({ scopes: ['even'] });
    const requests = Array.from({ length: 256 }, (_, index) => index);
    for (let round = 0; round < 16; round += 1) {
      const { responses } = await root.verify.batchVerify({
        requests: requests.map((index) => ({
          token,
          scopeQuery: `${index % 2 === 0 ? 'even' : 'odd'} OR s${round}-${index}`,
        })),
      });
      const valid = responses.map(({ result }) => result?.$case === 'response' && result.value.valid);
      expect(valid).toEqual(requests.map((index) => index % 2 === 0));
    }
    expect(await verdictOf(root, { token, scopeQuery: 'even OR s0-0' })).toBe('VALID');
  });
});

describe('scopes of policies', () => {
  test('count for a key that has none of its own, all of them together', async () => {
    const { root, issue, keyspaceId } = served();
    const policy = async (displayName: string, scopes: string[]): Promise<string> =>
      present((await root.policies.createPolicy({ policy: { keyspaceId, displayName, scopes } })).policy).id;
    const readers = await policy('scopes: readers', ['orders:read']);
    const admins = await policy('scopes: admins', ['admin*']);
    const request = { scopes: ['orders:read'], scopeQuery: 'admin:x' };
    const missing = async (policyIds: string[], scopes: string[] = []): Promise<readonly string[]> => {
      const { token } = await issue({ policyIds, scopes });
      return (await judge(root, { token, ...request })).missingScopes;
    };
    expect(await missing([])).toEqual(['orders:read', 'admin:x']);
    expect(await missing([readers])).toEqual(['admin:x']);
    expect(await missing([admins])).toEqual(['orders:read']);
    expect(await missing([admins, readers])).toEqual([]);
    // The key's own take their place.
    expect(await missing([admins, readers], ['x'])).toEqual(['orders:read', 'admin:x']);
  });
});
