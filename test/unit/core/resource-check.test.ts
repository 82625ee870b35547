import { describe, expect, test } from 'vitest';
import { NO_REQUEST } from '../../../core/checks/check.ts';
import { checkResource } from '../../../core/checks/resource.ts';
import type { Operation } from '../../../core/patterns/operation.ts';
import type { Api, ResourceAccess } from '../../../core/rules.ts';
import { compileSnapshot, NO_CONTEXT } from '../../../core/snapshot.ts';
import { issueKey } from '../support/issue-key.ts';
import { policyOf } from '../support/policy-of.ts';

const APIS: readonly Api[] = [
  {
    name: 'shop',
    groups: [
      {
        name: 'account',
        methods: [
          { verb: 'GET', path: '/me', noResource: true },
          { verb: '', path: '/orders', noResource: false },
        ],
      },
    ],
  },
];
const ME: Operation = { api: 'shop', verb: 'get', path: '/me?x=1' };
const CONFINED: ResourceAccess = { type: 'LISTED', ids: ['shop-1'] };

/** Whether a key passes for a resource and an operation. */
function passes(
  access: ResourceAccess | null,
  resource: string,
  operation: Operation | undefined,
  { apis = APIS, policyAccess = null as ResourceAccess | null } = {},
): boolean {
  const snapshot = compileSnapshot(issueKey({ resourceAccess: access }).key, {
    ...NO_CONTEXT,
    policies: [policyOf({ resourceAccess: policyAccess })],
    apis,
  });
  const [secret] = snapshot.secrets;
  if (secret === undefined) throw new Error('the key has no secret');
  const refusal = checkResource({
    snapshot,
    secret,
    request: { ...NO_REQUEST, resource, operation },
    nowMs: 0,
  });
  expect(refusal).toEqual(refusal && { verdict: 'RESOURCE_NOT_ALLOWED' });
  return refusal === undefined;
}

describe('a confined key that names no resource', () => {
  test('passes for an operation that the catalogue marks as being about none', () => {
    expect(passes(CONFINED, '', ME)).toBe(true);
    expect(passes({ type: 'LISTED', ids: [] }, '', ME)).toBe(true);
  });

  test.each<[string, Operation | undefined]>([
    ['no operation', undefined],
    ['an operation that is not marked', { api: 'shop', verb: 'GET', path: '/orders' }],
    ['one that is not in the catalogue', { api: 'shop', verb: 'GET', path: '/you' }],
    ['another verb', { api: 'shop', verb: 'POST', path: '/me' }],
    ['no verb', { api: 'shop', verb: '', path: '/me' }],
    ['another API', { api: 'pay', verb: 'GET', path: '/me' }],
    ['a path without a normal form', { api: 'shop', verb: 'GET', path: '/me;x' }],
  ])('does not pass for %s', (_what, operation) => {
    expect(passes(CONFINED, '', operation)).toBe(false);
  });

  test('passes for nothing where there is no catalogue', () => {
    expect(passes(CONFINED, '', ME, { apis: [] })).toBe(false);
  });
});

test('a resource that is named is judged even if the operation is said to be about none', () => {
  expect(passes(CONFINED, 'shop-2', ME)).toBe(false);
  expect(passes(CONFINED, 'shop-1', ME)).toBe(true);
});

test('a key that says nothing of resources is confined as its policies say, or not at all', () => {
  expect(passes(null, 'shop-2', undefined)).toBe(true);
  expect(passes(null, '', undefined)).toBe(true);
  expect(passes(null, 'shop-2', undefined, { policyAccess: CONFINED })).toBe(false);
  expect(passes(null, 'shop-1', undefined, { policyAccess: CONFINED })).toBe(true);
  expect(passes({ type: 'ALL' }, 'shop-2', undefined, { policyAccess: CONFINED })).toBe(true);
});
