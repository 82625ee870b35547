import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BASE62, decodeBase62, encodeBase62, randomBase62, type RandomBytes } from '../../../core/base62.ts';
import { seededBytes } from '../support/seeded-bytes.ts';

/** How often each character of the alphabet stands in a text. */
function countCharacters(text: string): number[] {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  expect([...counts.keys()].every((character) => BASE62.includes(character))).toBe(true);
  return Array.from(BASE62).map((character) => counts.get(character) ?? 0);
}

/** A source that hands out a list of bytes over and over. */
function cyclicBytes(bytes: readonly number[]): RandomBytes {
  let position = 0;
  return (size) => Uint8Array.from({ length: size }, () => bytes[position++ % bytes.length] ?? 0);
}

describe('the alphabet', () => {
  test('is the 62 digits and letters in the order of ASCII', () => {
    expect(BASE62).toHaveLength(62);
    expect(Array.from(BASE62).toSorted().join('')).toBe(BASE62);
    expect(new Set(BASE62).size).toBe(62);
    expect(BASE62).toMatch(/^[0-9A-Za-z]+$/);
  });
});

describe('random text', () => {
  test('is uniform: chi-square over 620,000 characters of a seeded source', () => {
    const length = 620_000;
    const expected = length / 62;
    const counts = countCharacters(randomBase62(length, seededBytes(20_250_101)));
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 61 degrees of freedom: 129 is passed once in a million fair sources. `byte % 62` alone gives about 13,000.
    expect(chiSquare).toBeLessThan(129);
    // Too even would be no chance either.
    expect(chiSquare).toBeGreaterThan(20);
  });

  test('takes each character for exactly four bytes and throws the bytes from 248 on away', () => {
    const everyByte = Array.from({ length: 256 }, (_, byte) => byte);
    expect(countCharacters(randomBase62(248, cyclicBytes(everyByte)))).toEqual(
      Array.from({ length: 62 }, () => 4),
    );
  });

  test('asks for more bytes for as long as all are thrown away', () => {
    const rejected = [248, 249, 250, 251, 252, 253, 254, 255];
    let calls = 0;
    const source: RandomBytes = (size) => {
      calls += 1;
      return cyclicBytes(calls < 50 ? rejected : [61])(size);
    };
    expect(randomBase62(5, source)).toBe('zzzzz');
    expect(calls).toBe(50);
  });

  test.each([0, 1, 2, 16, 32, 1000])('has exactly %i characters', (length) => {
    expect(randomBase62(length)).toHaveLength(length);
    expect(randomBase62(length, seededBytes(length))).toHaveLength(length);
  });

  test('of the real source does not repeat', () => {
    const texts = Array.from({ length: 10_000 }, () => randomBase62(16));
    expect(new Set(texts).size).toBe(texts.length);
  });
});

describe('numbers', () => {
  test('are written as the slow way writes them, padded with zeros', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (value) => {
        let slow = '';
        for (let rest = BigInt(value); rest > 0n; rest /= 62n)
          slow = BASE62.charAt(Number(rest % 62n)) + slow;
        expect(encodeBase62(value, 6)).toBe(slow.padStart(6, '0'));
      }),
      { numRuns: 5000 },
    );
  });

  test('are read as they were written, from anywhere in a text', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.string({ maxLength: 5 }), (value, before) => {
        expect(decodeBase62(before + encodeBase62(value, 6), before.length)).toBe(value);
      }),
    );
  });

  test.each(['00-000', ' 00000', '00000é', '😀0000', '00000\0', '@00000', '[00000', '`00000', '{00000'])(
    'are not read out of %j',
    (text) => {
      expect(decodeBase62(text)).toBeNaN();
    },
  );

  test('above 32 bits are not wrapped', () => {
    expect(decodeBase62('zzzzzz')).toBe(62 ** 6 - 1);
  });

  test('keep their order as text', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (one, other) => {
        expect(encodeBase62(one, 6) < encodeBase62(other, 6)).toBe(one < other);
      }),
    );
  });

  test('at both ends', () => {
    expect(encodeBase62(0, 6)).toBe('000000');
    expect(encodeBase62(61, 1)).toBe('z');
    expect(encodeBase62(62, 2)).toBe('10');
    expect(encodeBase62(0xffff_ffff, 6)).toBe('4gfFC3');
  });
});
