import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileScopes, GRANTED_SCOPE_PATTERN, SCOPE_PATTERN } from '../../../core/patterns/scopes.ts';

/** The rule of the contract, a character at a time. */
function slowGrants(granted: readonly string[], required: string): boolean {
  for (const scope of granted) {
    const isWildcard = scope.charAt(scope.length - 1) === '*';
    const length = isWildcard ? scope.length - 1 : scope.length;
    if (isWildcard ? required.length < length : required.length !== length) continue;
    let same = true;
    for (let index = 0; index < length; index += 1) {
      if (scope.charCodeAt(index) !== required.charCodeAt(index)) same = false;
    }
    if (same) return true;
  }
  return false;
}

// Few letters and short texts, so that scopes meet often; in the second, all that is special to the matcher.
const small = fc.string({ unit: fc.constantFrom('a', 'b', ':'), maxLength: 4 });
const tricky = fc.string({ unit: fc.constantFrom('a', 'A', '*', ':', '/', '.', '\0', 'é'), maxLength: 3 });
const granted = fc.array(
  fc.oneof(
    small,
    tricky,
    fc.tuple(small, fc.constant('*')).map(([a, b]) => a + b),
  ),
  {
    maxLength: 6,
  },
);
const required = fc.array(fc.oneof(small, tricky), { minLength: 20, maxLength: 20 });

test('agrees with the slow matcher in 100,000 random cases', () => {
  let matches = 0;
  let cases = 0;
  fc.assert(
    fc.property(granted, required, (scopes, wanted) => {
      const grants = compileScopes(scopes);
      const wrong: string[] = [];
      for (const scope of wanted) {
        const expected = slowGrants(scopes, scope);
        if (grants(scope) !== expected) wrong.push(scope);
        cases += 1;
        if (expected) matches += 1;
      }
      expect(wrong).toEqual([]);
    }),
    { numRuns: 5000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  // Else the test would prove little.
  expect(matches).toBeGreaterThan(10_000);
  expect(cases - matches).toBeGreaterThan(10_000);
});

test('the order and the repetition of grants do not matter', () => {
  fc.assert(
    fc.property(granted, small, (scopes, scope) => {
      const expected = compileScopes(scopes)(scope);
      expect(compileScopes(scopes.toReversed())(scope)).toBe(expected);
      expect(compileScopes([...scopes, ...scopes])(scope)).toBe(expected);
    }),
  );
});

test('a grant more never takes away', () => {
  fc.assert(
    fc.property(granted, small, small, (scopes, more, scope) => {
      const isGranted = compileScopes([...scopes, more])(scope);
      expect(isGranted || !compileScopes(scopes)(scope)).toBe(true);
    }),
  );
});

describe('grants', () => {
  test.each([
    [['orders:read'], 'orders:read'],
    [['orders:*'], 'orders:read'],
    [['orders:*'], 'orders:read:own'],
    [['orders:*'], 'orders:'],
    [['orders*'], 'orders'],
    [['orders*'], 'orders-archive:read'],
    [['*'], 'anything'],
    [['a', 'b', 'orders:*'], 'orders:write'],
    [['a', '*'], 'orders:write'],
  ])('%j grants %j', (scopes, scope) => {
    expect(compileScopes(scopes)(scope)).toBe(true);
  });

  test.each([
    // Near, but not it.
    [['orders:'], 'orders'],
    [['orders'], 'orders:'],
    [['orders'], 'orders:read'],
    [['orders:read'], 'orders'],
    [['orders:read'], 'orders:read:own'],
    [['orders:read'], 'orders:rea'],
    [['orders:*'], 'orders'],
    [['orders:*'], 'order'],
    [['orders:*'], 'orders-archive:read'],
    [['orders:*'], 'xorders:read'],
    [['read'], 'orders:read'],
    // A wildcard is one on the granting side only.
    [['orders:read'], '*'],
    [['orders:read'], 'orders:*'],
    [['orders:read'], 'orders:rea*'],
    [['orders:read'], ''],
    [['orders:r'], 'orders:*'],
    // A wildcard stands last or is none.
    [['*:read'], 'orders:read'],
    [['orders:*:own'], 'orders:read:own'],
    [['*s'], 'orders'],
    // Case and lookalikes.
    [['orders:read'], 'Orders:read'],
    [['orders:read'], 'ORDERS:READ'],
    [['orders:*'], 'Orders:read'],
    [['orders:read'], 'оrders:read'],
    [['orders:read'], 'orders：read'],
    [['orders:read'], 'orders:read\u200b'],
    [['orders:read'], 'orders:read '],
    [['orders:read'], 'orders:read\0'],
    [['orders:read'], 'orders:read\n'],
    [['cafe'], 'cafe\u0301'],
    [['caf\u00e9'], 'cafe\u0301'],
    // Regular expressions are none.
    [['orders.read'], 'orders:read'],
    [['[a-z]+'], 'abc'],
    [['(orders)'], 'orders'],
    // Names that every object has.
    [['orders'], '__proto__'],
    [['orders'], 'constructor'],
    [['orders'], 'toString'],
    [['orders'], 'hasOwnProperty'],
    [['orders:*'], '__proto__'],
    [[], '__proto__'],
    [[], 'constructor'],
    // Nothing.
    [[], 'orders'],
    [[], ''],
    [[], '*'],
    [[''], 'orders'],
    [[''], '*'],
    [['orders:*'], ''],
  ] satisfies [string[], string][])('%j does not grant %j', (scopes, scope) => {
    expect(compileScopes(scopes)(scope)).toBe(false);
  });

  test('names that every object has are scopes like any other', () => {
    const grants = compileScopes(['__proto__', 'constructor']);
    expect(grants('__proto__')).toBe(true);
    expect(grants('constructor')).toBe(true);
    expect(grants('toString')).toBe(false);
  });

  test('a list that is changed afterwards changes nothing', () => {
    const scopes = ['orders:read'];
    const grants = compileScopes(scopes);
    scopes.push('*');
    expect(grants('orders:write')).toBe(false);
  });
});

describe('the shape of scopes', () => {
  test.each(['orders:read', 'a', 'A.b-c_d/e:f', '0'])('%j can be required and granted', (scope) => {
    expect(SCOPE_PATTERN.test(scope)).toBe(true);
    expect(GRANTED_SCOPE_PATTERN.test(scope)).toBe(true);
  });

  test.each(['*', 'orders:*', 'orders*'])('%j can be granted only', (scope) => {
    expect(SCOPE_PATTERN.test(scope)).toBe(false);
    expect(GRANTED_SCOPE_PATTERN.test(scope)).toBe(true);
  });

  test.each([
    '',
    ' ',
    'orders read',
    'orders:read\n',
    '\norders:read',
    '**',
    'orders:**',
    '*:read',
    'orders:*:own',
    'a,b',
    'é',
    'оrders',
    'orders\0',
  ])('%j can be neither', (scope) => {
    expect(SCOPE_PATTERN.test(scope)).toBe(false);
    expect(GRANTED_SCOPE_PATTERN.test(scope)).toBe(false);
  });
});
