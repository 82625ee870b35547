import * as zlib from 'node:zlib';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32 } from '../../../core/crc32.ts';

test('the check value of the catalogue of CRCs', () => {
  expect(crc32('123456789')).toBe(0xcbf4_3926);
  expect(crc32('')).toBe(0);
});

test('is what zlib says, of any ASCII text and of any beginning of it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 200 }), fc.nat(200), (text, length) => {
      expect(crc32(text)).toBe(zlib.crc32(text));
      expect(crc32(text, Math.min(length, text.length))).toBe(zlib.crc32(text.slice(0, length)));
    }),
    { numRuns: 5000 },
  );
});
