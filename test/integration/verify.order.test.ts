import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import type { DeepPartial, VerifyRequest } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { createTestClock } from '../support/test-clock.ts';
import { judge } from './support/judge.ts';
import { present, serveLatchkey, type IssuedKey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const RULES = {
  scopes: ['orders:read'],
  resourceAccess: { access: { $case: 'listed' as const, value: { ids: ['store-1'] } } },
  restrictions: { allowedIps: ['203.0.113.0/24'], apiTargets: [{ api: 'orders', paths: ['/orders'] }] },
};

/** A request that fails every check on the request; each fault can be taken away by itself. */
const FAULTY: DeepPartial<VerifyRequest> = {
  client: { ip: '10.0.0.1' },
  operation: { api: 'stores', verb: 'GET', path: '/' },
  resource: 'store-2',
  scopes: ['orders:write'],
};

/** The checks on the key in their order, and what ends each. */
const KEY_FAULTS = ['REVOKED', 'DISABLED', 'OWNER_SUSPENDED', 'EXPIRED'] as const;
/** The checks on the request in their order, and what fulfils each. */
const REQUEST_FAULTS: readonly [verdict: string, remedy: DeepPartial<VerifyRequest>][] = [
  ['CLIENT_NOT_ALLOWED', { client: { ip: '203.0.113.7' } }],
  ['OPERATION_NOT_ALLOWED', { operation: { api: 'orders', verb: 'GET', path: '/orders' } }],
  ['RESOURCE_NOT_ALLOWED', { resource: 'store-1' }],
  ['SCOPE_MISSING', { scopes: ['orders:read'] }],
];

let owners = 0;

/** A key with these faults, and with rules that the faulty request breaks, its own or those of a policy. */
async function faultyKey(faults: readonly string[], byPolicy: boolean): Promise<IssuedKey> {
  const { root, issue, keyspaceId } = served();
  const ownerId = `owner-${(owners += 1)}`;
  const expires = faults.includes('EXPIRED') ? { expireTime: new Date(clock.nowMs() + 1000) } : {};
  const policy = byPolicy
    ? await root.policies.createPolicy({ policy: { keyspaceId, displayName: ownerId, ...RULES } })
    : undefined;
  const rules = policy === undefined ? RULES : { policyIds: [present(policy.policy).id] };
  const key = await issue({ ownerId, ...rules, ...expires });
  if (faults.includes('DISABLED')) await root.keys.disableKey({ id: key.id });
  if (faults.includes('OWNER_SUSPENDED')) await root.owners.suspendOwner({ keyspaceId, id: ownerId });
  if (faults.includes('REVOKED')) await root.keys.revokeKey({ id: key.id });
  clock.advance(1000);
  return key;
}

/** All ways to have some of the faults. */
function subsets<T>(faults: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: 2 ** faults.length }, (_, bits) =>
    faults.filter((_fault, index) => (bits & (1 << index)) !== 0),
  );
}

// A revoked key is not disabled any more: there is one switch.
const KEY_CASES = subsets(KEY_FAULTS).filter(
  (faults) => !(faults.includes('REVOKED') && faults.includes('DISABLED')),
);

describe.each([
  ['of its own', false],
  ['of a policy', true],
])('a key with rules %s that fails several checks is told of the first', (_name, byPolicy) => {
  test.each(KEY_CASES.map((faults) => [faults.join(', ') || 'nothing', faults] as const))(
    'of the key itself: %s',
    async (_faults, faults) => {
      const { root } = served();
      const { token } = await faultyKey(faults, byPolicy);
      const first = KEY_FAULTS.find((fault) => faults.includes(fault)) ?? 'CLIENT_NOT_ALLOWED';
      expect(await judge(root, { token, ...FAULTY })).toEqual({
        verdict: first,
        refusal: first === 'CLIENT_NOT_ALLOWED' ? 'IP_NOT_ALLOWED' : '',
        missingScopes: [],
      });
      // Not even a request that asks for nothing wrong gets past what is wrong with the key.
      const good = Object.assign({ token }, ...REQUEST_FAULTS.map(([, remedy]) => remedy)) as object;
      expect((await judge(root, good)).verdict).toBe(faults.length === 0 ? 'VALID' : first);
    },
  );

  test('of the request: every combination', async () => {
    const { root } = served();
    const { token } = await faultyKey([], byPolicy);
    for (const remedied of subsets(REQUEST_FAULTS)) {
      const request = Object.assign({ token }, FAULTY, ...remedied.map(([, remedy]) => remedy)) as object;
      const left = REQUEST_FAULTS.filter((fault) => !remedied.includes(fault)).map(([verdict]) => verdict);
      expect(await judge(root, request), left.join(', ')).toEqual({
        verdict: left[0] ?? 'VALID',
        refusal: left[0] === 'CLIENT_NOT_ALLOWED' ? 'IP_NOT_ALLOWED' : '',
        missingScopes: left[0] === 'SCOPE_MISSING' ? ['orders:write'] : [],
      });
    }
  });
});

describe('before all of that', () => {
  test('comes whether there is a key, in reach and with this secret; nothing else is told then', async () => {
    const { root, clients, issueRoot, newKeyspace } = served();
    const { id: elsewhere } = await newKeyspace();
    const confined = clients((await issueRoot(['verify'], [elsewhere])).token);
    const key = await faultyKey(['DISABLED', 'OWNER_SUSPENDED', 'EXPIRED'], false);
    const nothing = { verdict: 'NOT_FOUND', refusal: '', missingScopes: [] };
    expect(await judge(root, { ...FAULTY, token: newToken('acme', key.id) })).toEqual(nothing);
    expect(await judge(root, { ...FAULTY, token: newToken('acme', newId('key')) })).toEqual(nothing);
    expect(await judge(root, { ...FAULTY, token: key.token, keyspaceId: elsewhere })).toEqual(nothing);
    expect(await judge(confined, { ...FAULTY, token: key.token })).toEqual(nothing);
    await root.keys.deleteKey({ id: key.id });
    expect(await judge(root, { ...FAULTY, token: key.token })).toEqual(nothing);
    expect(await judge(root, { ...FAULTY, token: `${key.token}x` })).toEqual({
      ...nothing,
      verdict: 'MALFORMED',
    });
  });
});

describe('after all of that', () => {
  test.each([
    ['RATE_LIMITED', { $case: 'rate' as const, value: { limit: 1n, window: { seconds: 3600n, nanos: 0 } } }],
    ['CREDITS_EXHAUSTED', { $case: 'credits' as const, value: { initial: 1n } }],
  ])(
    'comes %s: of a limit that is used up, only who passes everything else is told',
    async (verdict, kind) => {
      const { root, issue } = served();
      const { id, token } = await issue({ ...RULES, limits: [{ name: 'one', kind }] });
      const good = Object.assign({ token }, ...REQUEST_FAULTS.map(([, remedy]) => remedy)) as object;
      expect((await root.verify.verify(good)).valid).toBe(true);
      for (const remedied of subsets(REQUEST_FAULTS)) {
        const request = Object.assign({ token }, FAULTY, ...remedied.map(([, remedy]) => remedy)) as object;
        const left = REQUEST_FAULTS.find((fault) => !remedied.includes(fault));
        expect((await judge(root, request)).verdict).toBe(left?.[0] ?? verdict);
      }
      await root.keys.disableKey({ id });
      expect((await judge(root, good)).verdict).toBe('DISABLED');
    },
  );
});

// Last: from here on there are imported keys.
test('a key that was imported is judged in the same order', async () => {
  const { root, keyspaceId } = served();
  const token = 'sk_live_51Hx0000000000000000000000';
  const sha256 = createHash('sha256').update(token).digest('hex');
  const { results } = await root.keys.importKeys({ keyspaceId, keys: [{ key: RULES, sha256 }] });
  const id = results[0]?.id ?? '';
  for (const remedied of subsets(REQUEST_FAULTS)) {
    const request = Object.assign({ token }, FAULTY, ...remedied.map(([, remedy]) => remedy)) as object;
    const left = REQUEST_FAULTS.find((fault) => !remedied.includes(fault));
    expect((await judge(root, request)).verdict).toBe(left?.[0] ?? 'VALID');
  }
  await root.keys.disableKey({ id });
  expect((await judge(root, { token, ...FAULTY })).verdict).toBe('DISABLED');
  await root.keys.revokeKey({ id });
  expect((await judge(root, { token, ...FAULTY })).verdict).toBe('REVOKED');
});
