import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileSegment, endOfSegments } from '../../../core/patterns/segment.ts';

/** Whether a whole text is matched. */
const matches = (pattern: string, text: string): boolean => compileSegment(pattern)(text, 0, text.length);

/** The rule of a pattern by recursion: exponential, and obvious. */
function slowMatches(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern.startsWith('*')) {
    return slowMatches(pattern.slice(1), text) || (text !== '' && slowMatches(pattern, text.slice(1)));
  }
  return pattern[0] === text[0] && slowMatches(pattern.slice(1), text.slice(1));
}

// Few letters, so that parts repeat and overlap; a star in a text is a letter like any other.
const globs = fc.string({ unit: fc.constantFrom('a', 'a', 'b', '*', '*'), maxLength: 9 });
const texts = fc.string({ unit: fc.constantFrom('a', 'a', 'b', '*'), maxLength: 9 });
const around = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 3 });

describe('a segment', () => {
  test('agrees with the slow matcher in 100,000 random cases, whatever stands around it', () => {
    let matched = 0;
    let cases = 0;
    fc.assert(
      fc.property(
        globs,
        fc.array(fc.tuple(around, texts, around), { minLength: 20, maxLength: 20 }),
        (pattern, places) => {
          const matcher = compileSegment(pattern);
          const wrong: unknown[] = [];
          for (const [before, text, after] of places) {
            const path = before + text + after;
            const expected = slowMatches(pattern, text);
            if (matcher(path, before.length, before.length + text.length) !== expected) {
              wrong.push({ pattern, before, text, after, expected });
            }
            cases += 1;
            if (expected) matched += 1;
          }
          expect(wrong).toEqual([]);
        },
      ),
      { numRuns: 6000 },
    );
    expect(cases).toBeGreaterThanOrEqual(100_000);
    // Else the test would prove little.
    expect(matched).toBeGreaterThan(10_000);
    expect(cases - matched).toBeGreaterThan(10_000);
  });

  test('finds long parts one after the other, however they repeat themselves', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 9 });
    const gap = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 9 });
    let matched = 0;
    fc.assert(
      fc.property(part, part, gap, gap, gap, fc.boolean(), (one, two, before, mid, after, hasBoth) => {
        const text = before + one + mid + (hasBoth ? two : '') + after;
        const at = text.indexOf(one);
        const expected = text.includes(two, at + one.length);
        expect(matches(`*${one}*${two}*`, text)).toBe(expected);
        if (expected) matched += 1;
      }),
      { numRuns: 20_000 },
    );
    expect(matched).toBeGreaterThan(5_000);
    expect(20_000 - matched).toBeGreaterThan(5_000);
  });

  test.each([
    ['*', ''],
    ['*', 'a'],
    ['**', ''],
    ['', ''],
    ['a*a', 'aa'],
    ['a*b*c', 'abc'],
    ['*\u65e5*', 'x\u65e5x'],
    ['*aab*', 'aaab'],
    ['*abab*abb*', 'ababababb'],
  ])('%j matches %j', (pattern, text) => {
    expect(matches(pattern, text)).toBe(true);
  });

  test.each([
    ['', 'a'],
    ['a', 'A'],
    ['a*a', 'a'],
    ['a*b*c', 'acb'],
    ['*a*a*', 'a'],
    ['*ab*b', 'ab'],
    ['*b*', '*'],
  ])('%j does not match %j', (pattern, text) => {
    expect(matches(pattern, text)).toBe(false);
  });

  test.each(['', 'a', '*', '*a*'])('%j does not match where a path has no more segments', (pattern) => {
    expect(compileSegment(pattern)('/a', 3, 2)).toBe(false);
  });
});

describe('the end of the first segments', () => {
  const endOf = (patterns: readonly string[], path: string): number =>
    endOfSegments(patterns.map(compileSegment), path);

  test.each([
    [[], '/a', 0],
    [['a'], '/a', 2],
    [['a'], '/a/b', 2],
    [['*', 'b'], '/a/b/c', 4],
    [['a', ''], '/a/', 3],
    [[''], '/', 1],
    [['*'], '/', 1],
    [['a'], '/b', -1],
    [['a', ''], '/a', -1],
    [['a', '*'], '/a', -1],
    [['*'], '', -1],
  ])('%j in %j: %j', (patterns, path, end) => {
    expect(endOf(patterns, path)).toBe(end);
  });
});

// With `indexOf`, or a matcher that comes back to try another place, these would take 10^10 steps and more.
describe('a segment of a megabyte costs no more than its length and that of the pattern', () => {
  const MEGABYTE = 1_000_000;
  const LONG = 50_000;

  test.each([
    ['a part whose end is not found', `*${'a'.repeat(LONG)}b*`],
    // The engine searches from the end of a part once its beginning was found in vain a few times.
    ['a part whose beginning is not found', `*ab${'a'.repeat(LONG)}*`],
    ['parts of which only the last is not found', `${`*${'a'.repeat(LONG / 2)}`.repeat(4)}*ab*`],
    ['many parts', `${'*a'.repeat(LONG)}*b*`],
  ])('for %s', (_name, pattern) => {
    const matcher = compileSegment(pattern);
    const text = 'a'.repeat(MEGABYTE);
    expect(matcher(text, 0, text.length)).toBe(false);
    const found = `${text}b${text}b`;
    expect(matcher(found, 0, found.length)).toBe(true);
  });
});
