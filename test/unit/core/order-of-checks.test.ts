import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_REQUEST, type CheckRequest, type Client } from '../../../core/checks/check.ts';
import { checkClient } from '../../../core/checks/client.ts';
import { checkOperation } from '../../../core/checks/operation.ts';
import { CHECKS, runChecks } from '../../../core/checks/order.ts';
import { checkResource } from '../../../core/checks/resource.ts';
import { checkScopes } from '../../../core/checks/scopes.ts';
import {
  checkDisabled,
  checkExpired,
  checkOwnerSuspended,
  checkRevoked,
  checkSecretRetired,
} from '../../../core/checks/state.ts';
import type { KeyRecord, KeySwitch } from '../../../core/key.ts';
import { parseScopeQuery, type ScopeQuery } from '../../../core/patterns/scope-query.ts';
import { NO_RESTRICTIONS, type Api, type ResourceAccess } from '../../../core/rules.ts';
import { compileSnapshot, NO_CONTEXT } from '../../../core/snapshot.ts';
import { VERDICTS, type Verdict } from '../../../core/verdict.ts';
import { Verdict as VerdictCode } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { issueKey, secretOf } from '../support/issue-key.ts';

const NOW_MS = Date.UTC(2025, 5, 1);

interface World {
  readonly switch: KeySwitch;
  readonly ownerSuspended: boolean;
  readonly keyExpireTimeMs: number | null;
  readonly secretExpireTimeMs: number | null;
  readonly allowedIps: readonly string[];
  readonly iosBundleIds: readonly string[];
  /** Paths of the API `shop`; empty: any operation. */
  readonly allowedPaths: readonly string[];
  readonly resourceAccess: ResourceAccess;
  readonly granted: readonly string[];
  readonly request: Omit<CheckRequest, 'scopeQuery'>;
  /** Scopes of which one suffices; empty: no query. */
  readonly anyOfScopes: readonly string[];
}

/** A catalogue of one operation that is about no resource. */
const APIS: readonly Api[] = [
  { name: 'shop', groups: [{ name: 'all', methods: [{ verb: '', path: '/ping', noResource: true }] }] },
];

const NOBODY: Client = { ip: '', referrer: '', androidPackage: '', androidCertSha1: '', iosBundleId: '' };

function queryOf(scopes: readonly string[]): ScopeQuery | undefined {
  if (scopes.length === 0) return undefined;
  const result = parseScopeQuery(scopes.join(' OR '));
  if (!result.ok) throw new Error(result.message);
  return result.query;
}

/** What the checks say of a world. */
function judge(world: World): ReturnType<typeof runChecks> {
  const { key, token } = issueKey();
  const { allowedIps, iosBundleIds, allowedPaths: paths } = world;
  const stored: KeyRecord = {
    ...key,
    switch: world.switch,
    expireTimeMs: world.keyExpireTimeMs,
    resourceAccess: world.resourceAccess,
    restrictions: {
      ...NO_RESTRICTIONS,
      allowedIps,
      iosBundleIds,
      apiTargets: paths.length === 0 ? [] : [{ api: 'shop', verbs: [], paths, groups: [] }],
    },
    scopes: world.granted,
    secrets: [secretOf(token, world.secretExpireTimeMs)],
  };
  const snapshot = compileSnapshot(stored, {
    ...NO_CONTEXT,
    ownerSuspended: world.ownerSuspended,
    apis: APIS,
  });
  const [secret] = snapshot.secrets;
  if (secret === undefined) throw new Error('the key has no secret');
  const request = { ...world.request, scopeQuery: queryOf(world.anyOfScopes) };
  return runChecks({ snapshot, secret, request, nowMs: NOW_MS });
}

/** The order of the contract, written down once more. */
const CONTRACT = [
  'REVOKED',
  'DISABLED',
  'OWNER_SUSPENDED',
  'EXPIRED',
  'SECRET_RETIRED',
  'CLIENT_NOT_ALLOWED',
  'OPERATION_NOT_ALLOWED',
  'RESOURCE_NOT_ALLOWED',
  'SCOPE_MISSING',
] as const satisfies readonly Verdict[];

const allows = (list: readonly string[], given: string): boolean => list.length === 0 || list.includes(given);

/** Each condition of the contract by itself, from what was stored and asked. */
const FAILS: Readonly<Record<(typeof CONTRACT)[number], (world: World) => boolean>> = {
  REVOKED: (world) => world.switch === 'REVOKED',
  DISABLED: (world) => world.switch === 'DISABLED',
  OWNER_SUSPENDED: (world) => world.ownerSuspended,
  EXPIRED: ({ keyExpireTimeMs }) => keyExpireTimeMs !== null && NOW_MS >= keyExpireTimeMs,
  SECRET_RETIRED: ({ secretExpireTimeMs }) => secretExpireTimeMs !== null && NOW_MS >= secretExpireTimeMs,
  CLIENT_NOT_ALLOWED: ({ allowedIps, iosBundleIds, request: { client = NOBODY } }) =>
    !allows(allowedIps, client.ip) || !allows(iosBundleIds, client.iosBundleId),
  OPERATION_NOT_ALLOWED: ({ allowedPaths, request: { operation } }) =>
    !allows(allowedPaths, operation?.api === 'shop' ? operation.path : ''),
  RESOURCE_NOT_ALLOWED: ({ resourceAccess, request: { operation, resource: named } }) => {
    if (resourceAccess.type === 'ALL') return false;
    const isAboutNone = named === '' && operation?.api === 'shop' && operation.path === '/ping';
    return !isAboutNone && !resourceAccess.ids.some((id) => id === named);
  },
  SCOPE_MISSING: (world) => lacking(world).length > 0,
};

/** The required scopes that nothing grants, and if none of the query's is granted, its first. */
function lacking({ granted, request, anyOfScopes }: World): string[] {
  const isGranted = (scope: string): boolean =>
    granted.some((one) => one === scope || (one.endsWith('*') && scope.startsWith(one.slice(0, -1))));
  const missing = request.scopes.filter((scope) => !isGranted(scope));
  const [first] = anyOfScopes;
  if (first !== undefined && !anyOfScopes.some(isGranted)) missing.push(first);
  return [...new Set(missing)];
}

const time = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: fc.constantFrom(NOW_MS + 1, NOW_MS + 1_000_000) },
  { weight: 2, arbitrary: fc.constantFrom(NOW_MS - 1, NOW_MS, 0) },
);
const resource = fc.constantFrom('', 'shop-1', 'shop-2', 'Shop-1');
const scope = fc.constantFrom('a:read', 'a:write', 'b:read');
const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
const world: fc.Arbitrary<World> = fc.record({
  // All is well more often than not, so that the later checks have their turn.
  switch: fc.constantFrom<KeySwitch>('ACTIVE', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'DISABLED', 'REVOKED'),
  ownerSuspended: mostly(false, true),
  keyExpireTimeMs: time,
  secretExpireTimeMs: time,
  allowedIps: mostly<readonly string[]>([], ['192.0.2.1'], ['192.0.2.1', '192.0.2.2']),
  iosBundleIds: mostly<readonly string[]>([], ['com.example.app']),
  allowedPaths: mostly<readonly string[]>([], ['/a'], ['/a', '/ping']),
  resourceAccess: fc.oneof(
    fc.constant<ResourceAccess>({ type: 'ALL' }),
    fc
      .uniqueArray(fc.constantFrom('shop-1', 'shop-2'), { minLength: 1 })
      .map((ids): ResourceAccess => ({ type: 'LISTED', ids })),
  ),
  granted: fc.array(fc.oneof(scope, fc.constantFrom('a:*', '*')), { maxLength: 3 }),
  request: fc.record({
    operation: fc.option(
      fc.record({
        api: mostly('shop', 'other'),
        verb: fc.constantFrom('', 'GET'),
        path: fc.constantFrom('/a', '/b', '/ping'),
      }),
      { nil: undefined },
    ),
    resource,
    scopes: fc.uniqueArray(scope, { maxLength: 2 }),
    client: fc.option(
      fc.record({
        ip: fc.constantFrom('', '192.0.2.1', '192.0.2.2'),
        referrer: fc.constant(''),
        androidPackage: fc.constant(''),
        androidCertSha1: fc.constant(''),
        iosBundleId: fc.constantFrom('', 'com.example.app', 'com.example.other'),
      }),
      { nil: undefined },
    ),
  }),
  anyOfScopes: mostly<readonly string[]>([], ['b:read'], ['b:read', 'a:write']),
});

test('the answer is the first condition of the contract that fails, whatever else fails', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(world, (one) => {
      const expected = CONTRACT.find((verdict) => FAILS[verdict](one));
      const refusal = judge(one);
      expect(refusal?.verdict).toBe(expected);
      expect(refusal?.missingScopes).toEqual(expected === 'SCOPE_MISSING' ? lacking(one) : undefined);
      seen.set(expected ?? 'VALID', (seen.get(expected ?? 'VALID') ?? 0) + 1);
    }),
    { numRuns: 10_000 },
  );
  // Else the test would not have met every answer.
  for (const verdict of [...CONTRACT, 'VALID']) expect(seen.get(verdict) ?? 0).toBeGreaterThan(100);
});

test('a key that fails in every way is told one reason after the other as each is remedied', () => {
  const one: World = {
    switch: 'REVOKED',
    ownerSuspended: true,
    keyExpireTimeMs: NOW_MS,
    secretExpireTimeMs: NOW_MS,
    allowedIps: ['192.0.2.1'],
    iosBundleIds: ['com.example.app'],
    allowedPaths: ['/a'],
    resourceAccess: { type: 'LISTED', ids: ['shop-1'] },
    granted: ['a:read'],
    request: { ...NO_REQUEST, resource: 'shop-2', scopes: ['a:read', 'b:read', 'a:write'] },
    anyOfScopes: ['c'],
  };
  const remedies: readonly Partial<World>[] = [
    { switch: 'DISABLED' },
    { switch: 'ACTIVE' },
    { ownerSuspended: false },
    { keyExpireTimeMs: NOW_MS + 1 },
    { secretExpireTimeMs: NOW_MS + 1 },
    { allowedIps: [], iosBundleIds: [] },
    { allowedPaths: [] },
    { resourceAccess: { type: 'ALL' } },
    { granted: ['*'] },
  ];
  const told = [judge(one)?.verdict];
  for (const remedy of remedies) {
    Object.assign(one, remedy);
    told.push(judge(one)?.verdict);
  }
  expect(told).toEqual([...CONTRACT, undefined]);
});

describe('the order', () => {
  test('of the checks is a part of the order of the verdicts', () => {
    expect(CHECKS).toHaveLength(CONTRACT.length);
    const positions = CONTRACT.map((verdict) => VERDICTS.indexOf(verdict));
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    expect(positions).not.toContain(-1);
  });

  test('of the list says itself what no key can show: REVOKED before DISABLED, of which a key is one', () => {
    expect(CHECKS).toEqual([
      checkRevoked,
      checkDisabled,
      checkOwnerSuspended,
      checkExpired,
      checkSecretRetired,
      checkClient,
      checkOperation,
      checkResource,
      checkScopes,
    ]);
  });

  test('of the verdicts is the order of the values in the contract, VALID last', () => {
    const inContract = Object.entries(VerdictCode)
      .filter(([, code]) => code > VerdictCode.VERDICT_VALID)
      .toSorted(([, one], [, other]) => one - other)
      .map(([name]) => name.replace('VERDICT_', ''));
    expect(VERDICTS).toEqual([...inContract, 'VALID']);
  });
});

describe('the checks one by one', () => {
  const plain: World = {
    switch: 'ACTIVE',
    ownerSuspended: false,
    keyExpireTimeMs: null,
    secretExpireTimeMs: null,
    allowedIps: [],
    iosBundleIds: [],
    allowedPaths: [],
    resourceAccess: { type: 'ALL' },
    granted: [],
    request: NO_REQUEST,
    anyOfScopes: [],
  };
  const naming = (name: string): Pick<World, 'request'> => ({ request: { ...NO_REQUEST, resource: name } });

  test('a plain key passes a plain request', () => {
    expect(judge(plain)).toBeUndefined();
  });

  test.each(['', 'shop-1', 'anything', '__proto__'])(
    'access to all resources holds for the resource %j',
    (name) => {
      expect(judge({ ...plain, ...naming(name) })).toBeUndefined();
    },
  );

  test.each([
    '',
    'shop',
    'shop-10',
    'shop-1 ',
    'SHOP-1',
    'shop-1\0',
    '*',
    '__proto__',
    'constructor',
    'has',
    'size',
    '0',
  ])('a key confined to shop-1 does not pass for the resource %j', (name) => {
    const confined: World = { ...plain, resourceAccess: { type: 'LISTED', ids: ['shop-1'] } };
    expect(judge({ ...confined, ...naming(name) })?.verdict).toBe('RESOURCE_NOT_ALLOWED');
    expect(judge({ ...confined, ...naming('shop-1') })).toBeUndefined();
  });

  test('a key confined to nothing passes for nothing', () => {
    const confined: World = { ...plain, resourceAccess: { type: 'LISTED', ids: [] } };
    expect(judge(confined)?.verdict).toBe('RESOURCE_NOT_ALLOWED');
    expect(judge({ ...confined, ...naming('shop-1') })?.verdict).toBe('RESOURCE_NOT_ALLOWED');
  });

  test('a wildcard among the listed resources is a name like any other', () => {
    const confined: World = { ...plain, resourceAccess: { type: 'LISTED', ids: ['*', 'shop-*'] } };
    expect(judge({ ...confined, ...naming('shop-1') })?.verdict).toBe('RESOURCE_NOT_ALLOWED');
  });

  test('all missing scopes are named in the order in which they were asked, granted ones are not', () => {
    const refusal = judge({
      ...plain,
      granted: ['a:*'],
      request: { ...NO_REQUEST, scopes: ['c:1', 'a:1', 'b:1', 'c:2'] },
    });
    expect(refusal).toEqual({ verdict: 'SCOPE_MISSING', missingScopes: ['c:1', 'b:1', 'c:2'] });
  });

  test.each([
    [NOW_MS + 1, undefined],
    [NOW_MS, 'EXPIRED'],
    [NOW_MS - 1, 'EXPIRED'],
    [0, 'EXPIRED'],
  ])('a key that expires at %d is told %j: the instant itself is too late', (keyExpireTimeMs, expected) => {
    expect(judge({ ...plain, keyExpireTimeMs })?.verdict).toBe(expected);
  });

  test.each([
    [NOW_MS + 1, undefined],
    [NOW_MS, 'SECRET_RETIRED'],
    [0, 'SECRET_RETIRED'],
  ])('a secret that retires at %d is told %j', (secretExpireTimeMs, expected) => {
    expect(judge({ ...plain, secretExpireTimeMs })?.verdict).toBe(expected);
  });
});
