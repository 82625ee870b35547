import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseScopeQuery, type ScopeQuery } from '../../../core/patterns/scope-query.ts';
import { createScopeQueries, type ScopeQueries } from '../../../server/transport/convert/scope-queries.ts';

function queryOf(queries: ScopeQueries, text: string): ScopeQuery {
  const result = queries.get(text);
  if (!result.ok) throw new Error(result.message);
  return result.query;
}

describe('a scope query', () => {
  test('is parsed once: the same text is the same object', () => {
    const queries = createScopeQueries({ max: 10 });
    const first = queryOf(queries, 'a AND b');
    queryOf(queries, 'a OR b');
    expect(queryOf(queries, 'a AND b')).toBe(first);
    // Another spelling is another text.
    expect(queryOf(queries, 'a  AND b')).not.toBe(first);
  });

  test('means the same from the cache as anew, whatever was asked before', () => {
    const queries = createScopeQueries({ max: 3 });
    const text = fc.constantFrom('a', 'b', 'a AND b', 'a OR b', '(a OR b) AND c', 'a AND', 'b)', '');
    fc.assert(
      fc.property(fc.array(text), fc.subarray(['a', 'b', 'c']), (texts, granted) => {
        for (const one of texts) {
          const [cached, fresh] = [queries.get(one), parseScopeQuery(one)];
          if (!cached.ok || !fresh.ok) expect(cached).toEqual(fresh);
          else
            expect(cached.query.satisfiedBy((scope) => granted.includes(scope))).toBe(
              fresh.query.satisfiedBy((scope) => granted.includes(scope)),
            );
        }
      }),
    );
  });

  test('that is wrong is refused each time, and takes no place', () => {
    const queries = createScopeQueries({ max: 2 });
    const good = [queryOf(queries, 'a'), queryOf(queries, 'b')];
    for (let index = 0; index < 100; index += 1)
      expect(queries.get(`${'a '.repeat(index)}AND`).ok).toBe(false);
    expect([queryOf(queries, 'a'), queryOf(queries, 'b')]).toEqual(good);
    expect(queryOf(queries, 'a')).toBe(good[0]);
  });
});

test('the cache holds no more than its bound: then it begins anew', () => {
  const max = 50;
  const queries = createScopeQueries({ max });
  const texts = Array.from({ length: 300 }, (_, index) => `scope:${index}`);
  const parsed = texts.map((text) => queryOf(queries, text));
  const held = texts.filter((text, index) => {
    // Asking puts what was lost in again, so each is asked of a cache of the same history.
    const again = createScopeQueries({ max });
    const before = texts.map((one) => queryOf(again, one));
    return queryOf(again, text) === before[index];
  }).length;
  expect(held).toBeLessThanOrEqual(max);
  expect(held).toBeGreaterThan(0);
  // The newest is there.
  expect(queryOf(queries, texts.at(-1) ?? '')).toBe(parsed.at(-1));
});
