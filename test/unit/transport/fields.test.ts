import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { newId } from '../../../core/ids.ts';
import { ROOT_KEYSPACE_ID } from '../../../core/key.ts';
import { newToken } from '../../../core/token.ts';
import {
  isLongerThan,
  readFields,
  textFault,
  type Fields,
} from '../../../server/transport/convert/fields.ts';

/** The fault of a reading, or undefined if nothing is refused. */
function faultOf(read: (fields: Fields) => unknown): Fault | undefined {
  const fields = readFields();
  read(fields);
  try {
    fields.finish();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

/** What a reading refuses, in order. */
function refusals(read: (fields: Fields) => unknown): string[] {
  return (faultOf(read)?.violations ?? []).map(({ field, description }) => `${field}: ${description}`);
}

const token = newToken('acme', newId('key'));

describe('the length of a text', () => {
  test('is counted in code points: at the bound it passes, one over it does not', () => {
    for (const unit of ['a', 'é', '漢', '😀']) {
      expect(isLongerThan(unit.repeat(128), 128)).toBe(false);
      expect(isLongerThan(unit.repeat(129), 128)).toBe(true);
    }
  });

  test('agrees with the slow count', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat(40), (text, max) => {
        expect(isLongerThan(text, max)).toBe(Array.from(text).length > max);
      }),
      { numRuns: 500 },
    );
  });

  test('of a megabyte is told without counting', () => {
    const huge = '😀'.repeat(500_000);
    const startMs = performance.now();
    for (let round = 0; round < 1000; round += 1) expect(isLongerThan(huge, 128)).toBe(true);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});

describe('a text', () => {
  test.each([
    ['', { max: 5 }, undefined],
    ['', { max: 5, required: true }, 'must not be empty'],
    ['abcde', { max: 5 }, undefined],
    ['abcdef', { max: 5 }, 'must have at most 5 characters'],
    ['😀😀😀😀😀', { max: 5 }, undefined],
    ['😀😀😀😀😀😀', { max: 5 }, 'must have at most 5 characters'],
    ['a b', { max: 5 }, undefined],
    ['abc', { max: 5, pattern: /^[a-z]+$/ }, undefined],
    ['ab1', { max: 5, pattern: /^[a-z]+$/, shape: 'made of letters' }, 'must be made of letters'],
    // An empty text is the lack of one: its shape is not asked for.
    ['', { max: 5, pattern: /^[a-z]+$/ }, undefined],
  ])('%j within %j: %j', (value, bounds, expected) => {
    expect(textFault(value, bounds)).toBe(expected);
  });

  test('must not hold control characters, unless it may have lines', () => {
    for (let code = 0; code < 128; code += 1) {
      const text = `a${String.fromCharCode(code)}b`;
      const isControl = code < 32 || code === 127;
      expect(textFault(text, { max: 5 })).toBe(isControl ? 'must not hold control characters' : undefined);
      // The database cannot store NUL at all.
      expect(textFault(text, { max: 5, multiline: true })).toBe(
        code === 0 ? 'must not hold control characters' : undefined,
      );
    }
  });
});

describe('a text that holds a token', () => {
  const refused = 'must not hold a token';
  const bounds = { max: 1000, multiline: true };

  test.each([
    token,
    `see ${token}`,
    `${token}.`,
    `(${token})`,
    `"${token}"`,
    `x\n${token}\ny`,
    `https://example.com/?key=${token}&x=1`,
    `Bearer ${token}`,
    `${token}${token}`,
    `😀${token}😀`,
    newToken('a', newId('key')),
    newToken(`a${'b'.repeat(22)}c`, newId('key')),
    newToken('acme_live_eu', newId('key')),
  ])('is refused (%#)', (text) => {
    expect(textFault(text, bounds)).toBe(refused);
  });

  // Nobody separates a pasted token from what stands before and after it.
  test.each([
    `x${token}`,
    `key_${token}`,
    `my_key_is_${token}`,
    `1${token}`,
    `_${token}`,
    `KEY${token}`,
    `KEY_${token}`,
    `${token}x`,
    `${token}_x`,
    `a_long_name_that_stands_before_it_${token}`,
    `${'a'.repeat(200)}${token}`,
    `acme_${'A'.repeat(53)}${token}`,
    `acme_${'A'.repeat(54)}${token}`,
    `a_${'A'.repeat(54)}_${token}`,
  ])('is refused also with letters right beside it (%#)', (text) => {
    expect(textFault(text, bounds)).toBe(refused);
  });

  test('is refused wherever it stands', () => {
    const around = fc.string({
      unit: fc.constantFrom('a', 'Z', '0', '_', ' ', '.', '\n', 'é'),
      maxLength: 30,
    });
    fc.assert(
      fc.property(around, around, (before, after) => {
        expect(textFault(before + token + after, bounds)).toBe(refused);
      }),
      { numRuns: 2000 },
    );
  });

  test('is told before its shape, and never told back', () => {
    const fault = textFault(token, { ...bounds, pattern: /^[a-z]+$/ });
    expect(fault).toBe(refused);
    expect(fault).not.toContain(token);
  });

  test.each([
    `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`,
    token.slice(0, -1),
    token.toUpperCase(),
    `acme_${'a'.repeat(54)}`,
    'key_0123456789ABCDEf',
    'acme_0123456789ABCDEf…abcd',
    '0123456789abcdef'.repeat(4),
    `sha_${'0123456789abcdef'.repeat(4)}`,
  ])('is not found in what only looks like one (%#)', (text) => {
    expect(textFault(text, bounds)).toBeUndefined();
  });

  test('is looked for in time that grows with the text only', () => {
    const hostile = [`a`.repeat(4096), 'a_'.repeat(2048), `a_${'A'.repeat(53)}`.repeat(75), '_'.repeat(4096)];
    const startMs = performance.now();
    for (let round = 0; round < 20; round += 1) {
      for (const text of hostile) expect(textFault(text, { max: 5000 })).toBeUndefined();
    }
    expect(performance.now() - startMs).toBeLessThan(2000);
  });
});

describe('a list of texts', () => {
  const bounds = { countMax: 3, max: 2 };

  test('loses its duplicates and keeps its order', () => {
    expect(readFields().texts('tags', ['b', 'a', 'b', 'c', 'a'], bounds)).toEqual(['b', 'a', 'c']);
  });

  test('passes at the bound and is refused one over it, duplicates not counted', () => {
    expect(refusals((fields) => fields.texts('tags', ['a', 'b', 'c', 'a', 'b'], bounds))).toEqual([]);
    expect(refusals((fields) => fields.texts('tags', ['a', 'b', 'c', 'd'], bounds))).toEqual([
      'tags: must have at most 3 entries, has 4',
    ]);
  });

  test('has no empty entry, and each that is wrong is named by its place', () => {
    expect(refusals((fields) => fields.texts('tags', ['a', '', 'abc', 'a'], bounds))).toEqual([
      'tags[1]: must not be empty',
      'tags[2]: must have at most 2 characters',
    ]);
  });

  test('may be empty', () => {
    expect(refusals((fields) => expect(fields.texts('tags', [], bounds)).toEqual([]))).toEqual([]);
  });
});

describe('ids', () => {
  test('of keys and keyspaces pass', () => {
    const id = newId('keyspace');
    expect(
      refusals((fields) => {
        expect(fields.keyId('id', 'key_0123456789ABCDEf')).toBe('key_0123456789ABCDEf');
        expect(fields.keyspaceId('keyspace_id', id)).toBe(id);
        expect(fields.keyspaceId('keyspace_id', ROOT_KEYSPACE_ID)).toBe(ROOT_KEYSPACE_ID);
      }),
    ).toEqual([]);
  });

  test.each(['', 'x', 'key_', 'key_0123456789ABCDEf0', newId('event'), token, '\0', 'x'.repeat(100_000)])(
    '%# is none, and is not told back',
    (text) => {
      const told = refusals((fields) => {
        fields.keyId('id', text);
        fields.keyspaceId('keyspace_id', text);
      });
      expect(told).toEqual([
        'id: must be a key id: `key_` and 16 letters and digits',
        'keyspace_id: must be a keyspace id: `ks_` and 16 letters and digits',
      ]);
    },
  );

  test('of requests are UUIDs or empty', () => {
    const good = ['', '3f0f7f44-2c1e-4f9c-9a0b-7d1a6c1f2e3d', '3F0F7F44-2C1E-4F9C-9A0B-7D1A6C1F2E3D'];
    for (const value of good) expect(refusals((fields) => fields.requestId(value))).toEqual([]);
    const bad = [
      'x',
      ' ',
      '3f0f7f442c1e4f9c9a0b7d1a6c1f2e3d',
      '{3f0f7f44-2c1e-4f9c-9a0b-7d1a6c1f2e3d}',
      '3f0f7f44-2c1e-4f9c-9a0b-7d1a6c1f2e3d\n',
      '3f0f7f44-2c1e-4f9c-9a0b-7d1a6c1f2e3g',
      token,
    ];
    for (const value of bad) {
      expect(refusals((fields) => fields.requestId(value))).toEqual(['request_id: must be a UUID, or empty']);
    }
  });
});

describe('a time', () => {
  const last = Date.UTC(10_000, 0) - 1;

  test.each([0, 1, Date.UTC(2025, 0), last])('of %d ms passes', (ms) => {
    expect(refusals((fields) => expect(fields.time('t', new Date(ms))).toBe(ms))).toEqual([]);
  });

  test.each([-1, last + 1, 8.64e15, -8.64e15, Number.NaN])('of %d ms is refused', (ms) => {
    expect(refusals((fields) => expect(fields.time('t', new Date(ms))).toBeUndefined())).toEqual([
      't: must be a time from 1970 to the year 9999',
    ]);
  });

  test('may be absent', () => {
    expect(refusals((fields) => expect(fields.time('t', undefined)).toBeUndefined())).toEqual([]);
  });
});

describe('a lifetime', () => {
  const hundredYears = 3_153_600_000n;

  test.each([
    [1n, 0, 1000],
    [1n, 999_999, 1000],
    [1n, 1_000_000, 1001],
    [60n, 500_000_000, 60_500],
    [hundredYears, 0, Number(hundredYears) * 1000],
  ])('of %d s and %d ns passes as %d ms', (seconds, nanos, expected) => {
    expect(refusals((fields) => expect(fields.ttl('ttl', { seconds, nanos })).toBe(expected))).toEqual([]);
  });

  test.each([
    [0n, 0],
    [0n, 999_999_999],
    [-1n, 0],
    [-1n, 999_999_999],
    [hundredYears, 1_000_000],
    [hundredYears + 1n, 0],
    [2n ** 53n, 0],
    [2n ** 63n - 1n, 999_999_999],
    [-(2n ** 63n), 0],
  ])('of %d s and %d ns is refused', (seconds, nanos) => {
    expect(refusals((fields) => expect(fields.ttl('ttl', { seconds, nanos })).toBeUndefined())).toEqual([
      'ttl: must be from 1 second to 100 years (3153600000 s)',
    ]);
  });

  test('may be absent', () => {
    expect(refusals((fields) => expect(fields.ttl('ttl', undefined)).toBeUndefined())).toEqual([]);
  });
});

describe('a page size', () => {
  test.each([
    [0, 50],
    [1, 1],
    [1000, 1000],
    [1001, 1000],
    [2 ** 31 - 1, 1000],
  ])('of %d stands for %d', (value, expected) => {
    expect(refusals((fields) => expect(fields.pageSize(value)).toBe(expected))).toEqual([]);
  });

  test.each([-1, -(2 ** 31)])('of %d is refused', (value) => {
    expect(refusals((fields) => fields.pageSize(value))).toEqual(['page_size: must not be negative']);
  });
});

describe('all that is wrong', () => {
  test('is told at once, in order', () => {
    const fault = faultOf((fields) => {
      fields.text('a', 'xx', { max: 1 });
      fields.keyId('b', 'x');
      fields.pageSize(-1);
    });
    expect(fault?.reason).toBe('INVALID_FIELD');
    expect(fault?.violations.map(({ field }) => field)).toEqual(['a', 'b', 'page_size']);
  });

  test('is told up to twenty times', () => {
    const fault = faultOf((fields) => {
      for (let index = 0; index < 100; index += 1) fields.refuse(`f${index}`, 'is wrong');
    });
    expect(fault?.violations).toHaveLength(20);
    expect(fault?.violations[19]?.field).toBe('f19');
  });

  test('is nothing for a request in order', () => {
    expect(refusals((fields) => fields.text('a', 'x', { max: 1 }))).toEqual([]);
  });
});
