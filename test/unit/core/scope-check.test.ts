import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { NO_REQUEST, type Refusal } from '../../../core/checks/check.ts';
import { checkScopes } from '../../../core/checks/scopes.ts';
import { parseScopeQuery, type ScopeQuery } from '../../../core/patterns/scope-query.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { issueKey } from '../support/issue-key.ts';

function queryOf(text: string): ScopeQuery | undefined {
  if (text === '') return undefined;
  const result = parseScopeQuery(text);
  if (!result.ok) throw new Error(result.message);
  return result.query;
}

function check(granted: readonly string[], scopes: readonly string[], query: string): Refusal | undefined {
  const snapshot = compileSnapshot(issueKey({ scopes: granted }).key);
  const [secret] = snapshot.secrets;
  if (secret === undefined) throw new Error('the key has no secret');
  const request = { ...NO_REQUEST, scopes, scopeQuery: queryOf(query) };
  return checkScopes({ snapshot, secret, request, nowMs: 0 });
}

test.each<[string[], string[], string, string[] | undefined]>([
  [[], [], '', undefined],
  [['a'], ['a'], 'a', undefined],
  [['a', 'b'], ['a'], 'b OR c', undefined],
  [['*'], ['a'], 'b AND c', undefined],
  [['orders:*'], [], 'orders:read AND orders:write', undefined],
  // The list passes and the query does not, and the other way round: both must hold.
  [['a'], ['a'], 'b', ['b']],
  [['b'], ['a'], 'b', ['a']],
  [[], ['a'], 'b AND c', ['a', 'b', 'c']],
  // What lacks is named once, the list first.
  [[], ['b', 'a'], 'a AND b AND c', ['b', 'a', 'c']],
  [[], ['a', 'a'], 'a', ['a']],
  // Of alternatives, the one that lacks fewest.
  [['b'], [], '(a AND c) OR (b AND d)', ['d']],
  [['a'], ['a', 'x'], 'a OR b', ['x']],
])('granted %j, required %j and %j: missing %j', (granted, scopes, query, missing) => {
  expect(check(granted, scopes, query)).toEqual(
    missing && { verdict: 'SCOPE_MISSING', missingScopes: missing },
  );
});

test('to be granted what is said to be missing is enough, and nothing is said to be that is granted', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const { query } = fc.letrec<{ query: string }>((tie) => ({
    query: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      name,
      fc
        .tuple(tie('query'), fc.constantFrom('AND', 'OR'), tie('query'))
        .map(([one, word, other]) => `(${one} ${word} ${other})`),
    ),
  }));
  let refusals = 0;
  fc.assert(
    fc.property(
      fc.uniqueArray(name),
      fc.uniqueArray(name, { maxLength: 3 }),
      query.filter((text) => text.length < 200),
      (granted, scopes, text) => {
        const refusal = check(granted, scopes, text);
        if (refusal === undefined) return;
        refusals += 1;
        const { missingScopes = [] } = refusal;
        expect(missingScopes.length).toBeGreaterThan(0);
        expect(missingScopes.filter((scope) => granted.some((one) => one === scope))).toEqual([]);
        expect(new Set(missingScopes).size).toBe(missingScopes.length);
        expect(check([...granted, ...missingScopes], scopes, text)).toBeUndefined();
      },
    ),
    { numRuns: 3000 },
  );
  expect(refusals).toBeGreaterThan(500);
});
