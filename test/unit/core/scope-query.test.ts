import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  parseScopeQuery,
  SCOPE_QUERY_DEPTH_MAX,
  SCOPE_QUERY_LENGTH_MAX,
  SCOPE_QUERY_SCOPES_MAX,
  type ScopeQuery,
} from '../../../core/patterns/scope-query.ts';
import { compileScopes } from '../../../core/patterns/scopes.ts';

function parsed(text: string): ScopeQuery {
  const result = parseScopeQuery(text);
  if (!result.ok) throw new Error(`${text}: ${result.position}: ${result.message}`);
  return result.query;
}

/** An expression as it was meant; a text is written from it, so that it need not be read to be judged. */
type Meant =
  | { readonly kind: 'scope'; readonly scope: string }
  | { readonly kind: 'AND' | 'OR'; readonly left: Meant; readonly right: Meant };

/** Whether the granted scopes suffice, by the meaning of the words. */
function suffices(meant: Meant, granted: ReadonlySet<string>): boolean {
  if (meant.kind === 'scope') return granted.has(meant.scope);
  const left = suffices(meant.left, granted);
  const right = suffices(meant.right, granted);
  return meant.kind === 'AND' ? left && right : left || right;
}

/** All ways to satisfy an expression, each a set of scopes: its disjunctive normal form. */
function ways(meant: Meant): ReadonlySet<string>[] {
  if (meant.kind === 'scope') return [new Set([meant.scope])];
  const left = ways(meant.left);
  const right = ways(meant.right);
  if (meant.kind === 'OR') return [...left, ...right];
  return left.flatMap((one) => right.map((other) => new Set([...one, ...other])));
}

function scopesOf(meant: Meant): string[] {
  return meant.kind === 'scope' ? [meant.scope] : [...scopesOf(meant.left), ...scopesOf(meant.right)];
}

/** Writes an expression with the parentheses that it needs and some that it does not, and with any white space. */
function write(meant: Meant, pick: (below: number) => number): string {
  const space = (atLeast: number): string => {
    let text = '';
    for (let count = atLeast + pick(2); count > 0; count -= 1)
      text += [' ', '\t', '\n', '\r\n'][pick(4)] ?? ' ';
    return text;
  };
  const wrap = (text: string): string => `(${space(0)}${text}${space(0)})`;
  const operand = (part: Meant, isNeeded: boolean): string => {
    const text = write(part, pick);
    return isNeeded || pick(4) === 0 ? wrap(text) : text;
  };
  if (meant.kind === 'scope') return meant.scope;
  // Only an OR within an AND needs them.
  const inParentheses = (part: Meant): boolean => meant.kind === 'AND' && part.kind === 'OR';
  const left = operand(meant.left, inParentheses(meant.left));
  const right = operand(meant.right, inParentheses(meant.right));
  const before = space(left.endsWith(')') ? 0 : 1);
  const after = space(right.startsWith('(') ? 0 : 1);
  return `${left}${before}${meant.kind}${after}${right}`;
}

const NAMES = ['a', 'b', 'c:read', 'and', 'or', 'ANDy', 'x/OR', '0'] as const;
const { meant } = fc.letrec<{ meant: Meant; leaf: Meant; pair: Meant }>((tie) => ({
  meant: fc.oneof({ maxDepth: 5, withCrossShrink: true }, tie('leaf'), tie('pair'), tie('pair')),
  leaf: fc.constantFrom(...NAMES).map((scope) => ({ kind: 'scope', scope })),
  pair: fc.record({ kind: fc.constantFrom('AND', 'OR'), left: tie('meant'), right: tie('meant') }),
}));
// White space and parentheses come from numbers of their own, so that a failure shrinks to few of both.
const written = fc
  .tuple(meant, fc.array(fc.nat(11), { minLength: 1, maxLength: 50 }))
  .map(([expression, numbers]) => {
    let next = 0;
    const pick = (below: number): number => {
      next += 1;
      return (numbers[next % numbers.length] ?? 0) % below;
    };
    return { expression, text: write(expression, pick) };
  });
const grants = fc.subarray([...NAMES]);

describe('a scope query', () => {
  test('is as true as what was meant, and what is missing makes it true, in 100,000 random cases', () => {
    let satisfied = 0;
    let cases = 0;
    const sets = fc.array(grants, { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(written, sets, ({ expression, text }, grantedSets) => {
        fc.pre(text.length <= SCOPE_QUERY_LENGTH_MAX);
        const query = parsed(text);
        const named = new Set(scopesOf(expression));
        const wrong: unknown[] = [];
        for (const granted of grantedSets) {
          const matcher = compileScopes(granted);
          const expected = suffices(expression, new Set(granted));
          const missing = query.missing(matcher);
          const isRight =
            query.satisfiedBy(matcher) === expected &&
            (missing.length === 0) === expected &&
            new Set(missing).size === missing.length &&
            missing.every(
              (scope) => named.has(scope) && !granted.includes(scope as (typeof NAMES)[number]),
            ) &&
            query.satisfiedBy(compileScopes([...granted, ...missing]));
          if (!isRight) wrong.push({ text, granted, expected, missing });
          cases += 1;
          if (expected) satisfied += 1;
        }
        expect(wrong).toEqual([]);
      }),
      { numRuns: 5000 },
    );
    expect(cases).toBeGreaterThanOrEqual(100_000);
    // Else the test would prove little.
    expect(satisfied).toBeGreaterThan(10_000);
    expect(cases - satisfied).toBeGreaterThan(10_000);
  });

  test('names the fewest scopes that would have sufficed, where no scope stands in it twice', () => {
    let unsatisfied = 0;
    fc.assert(
      fc.property(
        written,
        fc.array(fc.boolean(), { minLength: 32, maxLength: 32 }),
        ({ expression }, flags) => {
          let count = 0;
          const rename = (part: Meant): Meant => {
            if (part.kind !== 'scope') return { ...part, left: rename(part.left), right: rename(part.right) };
            count += 1;
            return { kind: 'scope', scope: `s${count}` };
          };
          const distinct = rename(expression);
          const granted = scopesOf(distinct).filter((_scope, index) => flags[index] === true);
          const missing = parsed(write(distinct, () => 0)).missing(compileScopes(granted));
          const costs = ways(distinct).map(
            (way) => [...way].filter((scope) => !granted.includes(scope)).length,
          );
          expect(missing.length).toBe(Math.min(...costs));
          if (missing.length > 0) unsatisfied += 1;
        },
      ),
      { numRuns: 3000 },
    );
    expect(unsatisfied).toBeGreaterThan(500);
  });

  test.each([
    ['a', [], ['a']],
    ['a', ['a'], []],
    ['a AND b AND c', ['b'], ['a', 'c']],
    ['a OR b', [], ['a']],
    ['b OR a', [], ['b']],
    ['a AND b OR c', [], ['c']],
    ['a AND b OR c AND d', [], ['a', 'b']],
    ['a AND b OR c AND d', ['d'], ['c']],
    ['a AND b OR c AND d', ['b', 'd'], ['a']],
    ['a AND a', [], ['a']],
    ['(b OR c) AND (b OR d) AND a', [], ['b', 'a']],
    ['orders:read AND (orders:write OR admin)', ['orders:*'], []],
    ['orders:read AND (orders:write OR admin)', ['admin'], ['orders:read']],
    ['orders:read AND (orders:write OR admin)', ['*'], []],
    // Where scopes are shared, not always the fewest: `c` alone would do for both.
    ['(a OR c) AND (b OR c)', [], ['a', 'b']],
  ])('%j with %j granted lacks %j', (text, granted, missing) => {
    const query = parsed(text);
    expect(query.missing(compileScopes(granted))).toEqual(missing);
    expect(query.satisfiedBy(compileScopes(granted))).toBe(missing.length === 0);
  });

  test.each([
    ['a OR b AND c', 'a', true],
    ['a OR b AND c', 'b', false],
    ['b AND c OR a', 'a', true],
    ['(a OR b) AND c', 'a', false],
    ['a AND b OR c', 'c', true],
  ])('AND binds tighter than OR: %j with %j is %j', (text, granted, expected) => {
    expect(parsed(text).satisfiedBy(compileScopes([granted]))).toBe(expected);
  });

  test.each([
    'a',
    '  a\t\r\n',
    '((a))',
    '(a)AND(b)',
    'and AND or',
    'And OR oR',
    'ANDROID OR ORDERS',
    '__proto__ AND constructor',
    'a-b_c.d/e:f',
    's'.repeat(128),
    `${'('.repeat(SCOPE_QUERY_DEPTH_MAX)}a${')'.repeat(SCOPE_QUERY_DEPTH_MAX)}`,
    Array.from({ length: SCOPE_QUERY_SCOPES_MAX }, () => 'a').join(' AND '),
    'a'.padEnd(SCOPE_QUERY_LENGTH_MAX),
    '(a) AND '.repeat(SCOPE_QUERY_DEPTH_MAX + 1) + 'a',
  ])('%j can be read', (text) => {
    expect(parseScopeQuery(text).ok).toBe(true);
  });

  test.each([
    ['', 1, 'expected a scope, found the end'],
    ['  ', 3, 'expected a scope, found the end'],
    ['()', 2, 'expected a scope, found ")"'],
    [')', 1, 'expected a scope, found ")"'],
    ['AND', 1, 'expected a scope, found "AND"'],
    ['OR a', 1, 'expected a scope, found "OR"'],
    ['a AND', 6, 'expected a scope, found the end'],
    ['a OR ', 6, 'expected a scope, found the end'],
    ['a AND OR b', 7, 'expected a scope, found "OR"'],
    ['a OR OR b', 6, 'expected a scope, found "OR"'],
    ['a AND )', 7, 'expected a scope, found ")"'],
    ['(a OR)', 6, 'expected a scope, found ")"'],
    ['a b', 3, 'expected AND, OR or the end, found "b"'],
    ['a and b', 3, 'expected AND, OR or the end, found "and"'],
    ['a (b)', 3, 'expected AND, OR or the end, found "("'],
    ['a(b)', 2, 'expected AND, OR or the end, found "("'],
    ['(a)b', 4, 'expected AND, OR or the end, found "b"'],
    ['(a)(b)', 4, 'expected AND, OR or the end, found "("'],
    ['a)', 2, 'expected AND, OR or the end, found ")"'],
    ['(a))', 4, 'expected AND, OR or the end, found ")"'],
    ['(a b)', 4, 'expected AND, OR or ")", found "b"'],
    ['(a', 3, 'expected AND, OR or ")", found the end'],
    ['((a)', 5, 'expected AND, OR or ")", found the end'],
    ['(', 2, 'expected a scope, found the end'],
    ['a AND orders:*', 14, 'expected a scope without "*"'],
    ['*', 1, 'expected a scope without "*"'],
    ['a,b', 2, 'expected a scope without ","'],
    ['a && b', 3, 'expected AND, OR or the end, found "&&"'],
    ['NOT a', 5, 'expected AND, OR or the end, found "a"'],
    ['!a', 1, 'expected a scope without "!"'],
    ['a\u00a0AND b', 2, 'expected a scope without "\u00a0"'],
    ['a\0', 2, 'expected a scope without "\\u0000"'],
    ['ab\u{1f600}c', 3, 'expected a scope without "\u{1f600}"'],
    ['\u{1f600}', 1, 'expected a scope without "\u{1f600}"'],
    ['a OR \ud800', 6, 'expected a scope without "\\ud800"'],
    [`a OR ${'s'.repeat(129)}`, 6, 'expected a scope of at most 128 characters'],
    [`a ${'s'.repeat(129)}`, 3, `expected AND, OR or the end, found "${'s'.repeat(40)}…"`],
    [`${'('.repeat(17)}a${')'.repeat(17)}`, 17, 'expected at most 16 parentheses in one another'],
    [`a OR ${'('.repeat(17)}`, 22, 'expected at most 16 parentheses in one another'],
    [Array.from({ length: 65 }, () => 'a').join(' OR '), 321, 'expected at most 64 scopes'],
    ['a'.padEnd(1025), 1025, 'expected at most 1024 characters'],
    ['('.repeat(1024), 17, 'expected at most 16 parentheses in one another'],
  ])('%j is refused at %j: %s', (text, position, message) => {
    expect(parseScopeQuery(text)).toEqual({ ok: false, position, message });
  });

  test.each(['(', 'a OR ', ' ', 'a'])('a megabyte of %j is refused without being read', (unit) => {
    const text = unit.repeat(1_000_000 / unit.length);
    const message = 'expected at most 1024 characters';
    expect(parseScopeQuery(text)).toEqual({ ok: false, position: 1025, message });
  });

  test('any text is read or refused at a place in it', () => {
    const word = fc.constantFrom('a', 'AND', 'OR', '(', ')', ' ', '*', 'é', '\n');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const text = words.join('');
        const result = parseScopeQuery(text);
        if (result.ok) return;
        expect(result.position).toBeGreaterThanOrEqual(1);
        expect(result.position).toBeLessThanOrEqual(text.length + 1);
        // What stands before the place is not at fault: some text goes on from there, or ends there.
        const before = text.slice(0, result.position - 1);
        const closing = ')'.repeat(Math.max(0, before.split('(').length - before.split(')').length));
        const goesOn = [`${before}${closing}`, `${before} a${closing}`, `${before}a${closing}`];
        expect(goesOn.some((attempt) => parseScopeQuery(attempt).ok)).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });
});
