import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatRevision, parseRevision } from '../../../core/revision.ts';

test('a revision is read back as it was written', () => {
  fc.assert(
    fc.property(fc.nat(9999), fc.nat(999_999_999_999_999), (shard, seq) => {
      expect(parseRevision(formatRevision({ shard, seq }))).toEqual({ shard, seq });
    }),
  );
});

test('the largest sequence number keeps all its digits', () => {
  expect(parseRevision('0.999999999999999')).toEqual({ shard: 0, seq: 999_999_999_999_999 });
});

test.each([
  '',
  '.',
  '0',
  '0.',
  '.0',
  '0.0.0',
  '-1.0',
  '0.-1',
  '+0.1',
  '0,1',
  '0.1 ',
  ' 0.1',
  '0.1\n',
  '0.1\0',
  '0.1e3',
  '0x1.1',
  '0.0x1',
  '00000.1',
  '0.1000000000000000',
  '0.NaN',
  'Infinity.0',
  '0.٣',
  '０.１',
  'latest',
  '0.1'.repeat(1000),
])('%j is no revision', (text) => {
  expect(parseRevision(text)).toBeUndefined();
});

test('any text is a revision of whole numbers or none, and none makes it throw', () => {
  const junk = fc.string({ unit: fc.constantFrom('0', '9', '.', '-', '\n', 'e', ' '), maxLength: 20 });
  fc.assert(
    fc.property(junk, (text) => {
      const revision = parseRevision(text);
      if (revision === undefined) return;
      expect(Number.isSafeInteger(revision.shard) && revision.shard >= 0).toBe(true);
      expect(Number.isSafeInteger(revision.seq) && revision.seq >= 0).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
