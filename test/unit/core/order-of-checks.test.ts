import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CheckRequest } from '../../../core/checks/check.ts';
import { CHECKS, runChecks } from '../../../core/checks/order.ts';
import { checkResource } from '../../../core/checks/resource.ts';
import { checkScopes } from '../../../core/checks/scopes.ts';
import { checkDisabled, checkExpired, checkRevoked, checkSecretRetired } from '../../../core/checks/state.ts';
import type { KeyRecord, KeySwitch, ResourceAccess } from '../../../core/key.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { VERDICTS, type Verdict } from '../../../core/verdict.ts';
import { Verdict as VerdictCode } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { issueKey, secretOf } from '../support/issue-key.ts';

const NOW_MS = Date.UTC(2025, 5, 1);

interface World {
  readonly switch: KeySwitch;
  readonly keyExpireTimeMs: number | null;
  readonly secretExpireTimeMs: number | null;
  readonly resourceAccess: ResourceAccess;
  readonly granted: readonly string[];
  readonly request: CheckRequest;
}

/** What the checks say of a world. */
function judge(world: World): ReturnType<typeof runChecks> {
  const { key, token } = issueKey();
  const stored: KeyRecord = {
    ...key,
    switch: world.switch,
    expireTimeMs: world.keyExpireTimeMs,
    resourceAccess: world.resourceAccess,
    scopes: world.granted,
    secrets: [secretOf(token, world.secretExpireTimeMs)],
  };
  const snapshot = compileSnapshot(stored);
  const [secret] = snapshot.secrets;
  if (secret === undefined) throw new Error('the key has no secret');
  return runChecks({ snapshot, secret, request: world.request, nowMs: NOW_MS });
}

/** The order of the contract, written down once more. */
const CONTRACT = [
  'REVOKED',
  'DISABLED',
  'EXPIRED',
  'SECRET_RETIRED',
  'RESOURCE_NOT_ALLOWED',
  'SCOPE_MISSING',
] as const satisfies readonly Verdict[];

/** Each condition of the contract by itself, from what was stored and asked. */
const FAILS: Readonly<Record<(typeof CONTRACT)[number], (world: World) => boolean>> = {
  REVOKED: (world) => world.switch === 'REVOKED',
  DISABLED: (world) => world.switch === 'DISABLED',
  EXPIRED: ({ keyExpireTimeMs }) => keyExpireTimeMs !== null && NOW_MS >= keyExpireTimeMs,
  SECRET_RETIRED: ({ secretExpireTimeMs }) => secretExpireTimeMs !== null && NOW_MS >= secretExpireTimeMs,
  RESOURCE_NOT_ALLOWED: ({ resourceAccess, request }) =>
    resourceAccess.type === 'LISTED' && !resourceAccess.ids.some((id) => id === request.resource),
  SCOPE_MISSING: (world) => lacking(world).length > 0,
};

/** The required scopes that nothing grants. */
function lacking({ granted, request }: World): string[] {
  const isGranted = (scope: string): boolean =>
    granted.some((one) => one === scope || (one.endsWith('*') && scope.startsWith(one.slice(0, -1))));
  return request.scopes.filter((scope) => !isGranted(scope));
}

const time = fc.oneof(
  fc.constant(null),
  fc.constantFrom(NOW_MS - 1, NOW_MS, NOW_MS + 1, 0, NOW_MS + 1_000_000),
);
const resource = fc.constantFrom('', 'shop-1', 'shop-2', 'Shop-1');
const scope = fc.constantFrom('a:read', 'a:write', 'b:read');
const world: fc.Arbitrary<World> = fc.record({
  // Active more often than not, so that the later checks have their turn.
  switch: fc.constantFrom<KeySwitch>('ACTIVE', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'DISABLED', 'REVOKED'),
  keyExpireTimeMs: time,
  secretExpireTimeMs: time,
  resourceAccess: fc.oneof(
    fc.constant<ResourceAccess>({ type: 'ALL' }),
    fc
      .uniqueArray(fc.constantFrom('shop-1', 'shop-2'), { minLength: 1 })
      .map((ids): ResourceAccess => ({ type: 'LISTED', ids })),
  ),
  granted: fc.array(fc.oneof(scope, fc.constantFrom('a:*', '*')), { maxLength: 3 }),
  request: fc.record({ resource, scopes: fc.array(scope, { maxLength: 3 }) }),
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
    keyExpireTimeMs: NOW_MS,
    secretExpireTimeMs: NOW_MS,
    resourceAccess: { type: 'LISTED', ids: ['shop-1'] },
    granted: ['a:read'],
    request: { resource: 'shop-2', scopes: ['a:read', 'b:read', 'a:write'] },
  };
  const remedies: readonly Partial<World>[] = [
    { switch: 'DISABLED' },
    { switch: 'ACTIVE' },
    { keyExpireTimeMs: NOW_MS + 1 },
    { secretExpireTimeMs: NOW_MS + 1 },
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
      checkExpired,
      checkSecretRetired,
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
    keyExpireTimeMs: null,
    secretExpireTimeMs: null,
    resourceAccess: { type: 'ALL' },
    granted: [],
    request: { resource: '', scopes: [] },
  };

  test('a plain key passes a plain request', () => {
    expect(judge(plain)).toBeUndefined();
  });

  test.each(['', 'shop-1', 'anything', '__proto__'])(
    'access to all resources holds for the resource %j',
    (name) => {
      expect(judge({ ...plain, request: { resource: name, scopes: [] } })).toBeUndefined();
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
    expect(judge({ ...confined, request: { resource: name, scopes: [] } })?.verdict).toBe(
      'RESOURCE_NOT_ALLOWED',
    );
    expect(judge({ ...confined, request: { resource: 'shop-1', scopes: [] } })).toBeUndefined();
  });

  test('a key confined to nothing passes for nothing', () => {
    const confined: World = { ...plain, resourceAccess: { type: 'LISTED', ids: [] } };
    expect(judge(confined)?.verdict).toBe('RESOURCE_NOT_ALLOWED');
    expect(judge({ ...confined, request: { resource: 'shop-1', scopes: [] } })?.verdict).toBe(
      'RESOURCE_NOT_ALLOWED',
    );
  });

  test('a wildcard among the listed resources is a name like any other', () => {
    const confined: World = { ...plain, resourceAccess: { type: 'LISTED', ids: ['*', 'shop-*'] } };
    expect(judge({ ...confined, request: { resource: 'shop-1', scopes: [] } })?.verdict).toBe(
      'RESOURCE_NOT_ALLOWED',
    );
  });

  test('all missing scopes are named in the order in which they were asked, granted ones are not', () => {
    const refusal = judge({
      ...plain,
      granted: ['a:*'],
      request: { resource: '', scopes: ['c:1', 'a:1', 'b:1', 'c:2'] },
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
