import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BASE62 } from '../../../core/base62.ts';
import { isId, keyIdOf, newId } from '../../../core/ids.ts';
import {
  digestOfRef,
  digestRef,
  digestToken,
  FOREIGN_TOKEN_LENGTH_MAX,
  newToken,
  parseToken,
  readToken,
  secretHint,
  TOKEN_LENGTH_MAX,
  TOKEN_PREFIX_PATTERN,
  tokenHint,
} from '../../../core/token.ts';
import { seededBytes } from '../support/seeded-bytes.ts';

const LOWER = Array.from('abcdefghijklmnopqrstuvwxyz');
const LOWER_OR_DIGIT = [...LOWER, ...Array.from('0123456789')];

/** Prefixes by the rule of the contract, built from its parts: `[a-z][a-z0-9_]{0,23}`, no underscore last. */
const prefix = fc.oneof(
  fc.constantFrom(...LOWER),
  fc
    .tuple(
      fc.constantFrom(...LOWER),
      fc.string({ unit: fc.constantFrom(...LOWER_OR_DIGIT, '_'), maxLength: 22 }),
      fc.constantFrom(...LOWER_OR_DIGIT),
    )
    .map((parts) => parts.join('')),
);
const base62 = fc.constantFrom(...Array.from(BASE62));
const keyId = fc.string({ unit: base62, minLength: 16, maxLength: 16 }).map(keyIdOf);
const token = fc
  .tuple(prefix, keyId, fc.nat())
  .map(([tokenPrefix, id, seed]) => newToken(tokenPrefix, id, seededBytes(seed)));

/** CRC-32 (IEEE 802.3) a bit at a time. */
function slowCrc32(text: string): bigint {
  let crc = 0xffff_ffff;
  for (const byte of Buffer.from(text, 'utf8')) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  }
  return BigInt((crc ^ 0xffff_ffff) >>> 0);
}

/** The checksum of the contract: six base62 digits of the CRC. */
function slowChecksum(text: string): string {
  let rest = slowCrc32(text);
  let digits = '';
  while (digits.length < 6) {
    digits = BASE62.charAt(Number(rest % 62n)) + digits;
    rest /= 62n;
  }
  return digits;
}

const SAMPLE = newToken('acme_live', 'key_0123456789ABCDEf', seededBytes(1));

describe('a new token', () => {
  test('is read back as the prefix and the key that it was made for', () => {
    fc.assert(
      fc.property(prefix, keyId, (tokenPrefix, id) => {
        expect(parseToken(newToken(tokenPrefix, id))).toEqual({ prefix: tokenPrefix, keyId: id });
      }),
      { numRuns: 2000 },
    );
  });

  test('holds prefix, key id, 32 characters of secret and the checksum of all before it', () => {
    fc.assert(
      fc.property(prefix, keyId, fc.nat(), (tokenPrefix, id, seed) => {
        const text = newToken(tokenPrefix, id, seededBytes(seed));
        const bare = id.slice('key_'.length);
        expect(text.startsWith(`${tokenPrefix}_${bare}`)).toBe(true);
        const rest = text.slice(tokenPrefix.length + 1 + bare.length);
        expect(rest).toMatch(/^[0-9A-Za-z]{38}$/);
        expect(rest.slice(32)).toBe(slowChecksum(text.slice(0, -6)));
        expect(text.length).toBeLessThanOrEqual(TOKEN_LENGTH_MAX);
      }),
      { numRuns: 1000 },
    );
  });

  test('never has a secret twice', () => {
    const id = newId('key');
    const tokens = Array.from({ length: 5000 }, () => newToken('acme', id));
    expect(new Set(tokens.map((text) => text.slice('acme_'.length + 16, -6))).size).toBe(tokens.length);
  });

  test('is at least 32 characters long, also with the shortest prefix', () => {
    expect(newToken('a', newId('key')).length).toBe(1 + 1 + 16 + 32 + 6);
  });
});

test('the checksum is the CRC-32 that everybody means', () => {
  expect(slowCrc32('123456789')).toBe(0xcbf4_3926n);
});

describe('what is no token', () => {
  test.each([
    '',
    '_',
    'acme',
    'acme_',
    'Bearer',
    '\0',
    SAMPLE.slice('acme_live_'.length),
    SAMPLE.slice('acme_live'.length),
    `${SAMPLE} `,
    ` ${SAMPLE}`,
    `${SAMPLE}\n`,
    `\n${SAMPLE}`,
    `${SAMPLE}\r\n`,
    `${SAMPLE}\0`,
    `"${SAMPLE}"`,
    `Bearer ${SAMPLE}`,
    `${SAMPLE}${SAMPLE}`,
    SAMPLE.toUpperCase(),
    SAMPLE.toLowerCase(),
    encodeURIComponent(`${SAMPLE}=`),
    Buffer.from(SAMPLE).toString('base64'),
    '__proto__',
    'constructor',
  ])('%j', (text) => {
    expect(parseToken(text)).toBeUndefined();
  });

  test('a token with any one character changed', () => {
    const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));
    const lookalikes = [
      'é',
      'а',
      'Ａ',
      '０',
      '٠',
      'K',
      'ſ',
      'ı',
      '\u200b',
      '\u00a0',
      '\u2028',
      '😀',
      '\ud800',
    ];
    const taken: string[] = [];
    for (let index = 0; index < SAMPLE.length; index += 1) {
      for (const other of [...ascii, ...lookalikes]) {
        if (other === SAMPLE[index]) continue;
        const changed = SAMPLE.slice(0, index) + other + SAMPLE.slice(index + 1);
        if (parseToken(changed) !== undefined) taken.push(changed);
      }
    }
    expect(taken).toEqual([]);
  });

  test('a token with a character more or less, or cut', () => {
    const inserted = Array.from('0aZz_ -.\n\r\t\0\u200bé');
    const taken: string[] = [];
    for (let index = 0; index <= SAMPLE.length; index += 1) {
      const before = SAMPLE.slice(0, index);
      const after = SAMPLE.slice(index);
      const damaged = inserted.map((other) => before + other + after);
      if (index < SAMPLE.length) damaged.push(before, before + SAMPLE.slice(index + 1));
      if (index > 0) damaged.push(after);
      taken.push(...damaged.filter((text) => parseToken(text) !== undefined));
    }
    expect(taken).toEqual([]);
  });

  test('a token with two neighbours swapped', () => {
    for (let index = 0; index + 1 < SAMPLE.length; index += 1) {
      const [one, other] = [SAMPLE.charAt(index), SAMPLE.charAt(index + 1)];
      if (one === other) continue;
      expect(parseToken(SAMPLE.slice(0, index) + other + one + SAMPLE.slice(index + 2))).toBeUndefined();
    }
  });

  test('a token with another checksum', () => {
    fc.assert(
      fc.property(token, fc.string({ unit: base62, minLength: 6, maxLength: 6 }), (text, checksum) => {
        fc.pre(checksum !== text.slice(-6));
        expect(parseToken(text.slice(0, -6) + checksum)).toBeUndefined();
      }),
    );
  });

  test.each([
    ['an upper-case letter', 'Acme'],
    ['a digit first', '1acme'],
    ['an underscore first', '_acme'],
    ['an underscore last', 'acme_'],
    ['a hyphen', 'ac-me'],
    ['nothing', ''],
    ['25 characters', 'a'.repeat(25)],
    ['a letter of another alphabet', 'аcme'],
  ])('a token whose prefix is or has %s, with a checksum that fits', (_what, wrongPrefix) => {
    const unsigned = `${wrongPrefix}_${'0'.repeat(16)}${'a'.repeat(32)}`;
    expect(TOKEN_PREFIX_PATTERN.test(wrongPrefix)).toBe(false);
    expect(parseToken(unsigned + slowChecksum(unsigned))).toBeUndefined();
  });

  test('a token of another length or alphabet, with a checksum that fits', () => {
    const bodies = ['a'.repeat(47), 'a'.repeat(49), `${'a'.repeat(47)}-`, `${'a'.repeat(47)}é`, ''];
    for (const body of bodies) {
      const unsigned = `acme_${body}`;
      expect(parseToken(unsigned + slowChecksum(unsigned))).toBeUndefined();
    }
  });

  test('any other text; and none makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        expect(parseToken(text)).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  test('a megabyte of anything, at no cost', () => {
    const huge = ['a', '_', '0', 'a_', '😀', `${SAMPLE}\n`].map((unit) =>
      unit.repeat(1_000_000 / unit.length),
    );
    const startMs = performance.now();
    let taken = 0;
    for (let round = 0; round < 2000; round += 1) {
      for (const text of huge) if (parseToken(text) !== undefined) taken += 1;
    }
    expect(taken).toBe(0);
    // 12,000 of them: reading each through once would take some ten seconds.
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});

test('the digest is SHA-256 of the whole token', () => {
  expect(digestToken('abc').toString('hex')).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
  fc.assert(
    fc.property(fc.oneof(token, fc.string({ unit: 'grapheme' })), (text) => {
      expect(digestToken(text)).toEqual(createHash('sha256').update(text, 'utf8').digest());
    }),
  );
});

describe('a token that is read for verification', () => {
  test('of ours has the key id for a reference, and is not foreign', () => {
    fc.assert(
      fc.property(prefix, keyId, (tokenPrefix, id) => {
        const text = newToken(tokenPrefix, id);
        expect(readToken(text)).toEqual({ ref: id, foreign: false, digest: digestToken(text) });
      }),
    );
  });

  test('of another make is foreign, and its digest is its reference', () => {
    const foreign = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
      fc.constantFrom('x', ' ', '\0', 'sk_live_4eC39HqLyjWDarjtT1zdp7dc', `Bearer ${SAMPLE}`, `${SAMPLE} `),
      // One that names a digest itself.
      fc.constant(digestRef('ab'.repeat(32))),
    );
    fc.assert(
      fc.property(foreign, (text) => {
        const digest = createHash('sha256').update(text, 'utf8').digest();
        expect(readToken(text)).toEqual({ ref: digestRef(digest.toString('hex')), foreign: true, digest });
      }),
    );
  });

  test('of our shape with a checksum that does not fit is none, neither ours nor foreign', () => {
    fc.assert(
      fc.property(token, fc.nat(53), base62, (text, place, other) => {
        const at = text.length - 1 - place;
        fc.pre(text[at] !== other);
        expect(readToken(text.slice(0, at) + other + text.slice(at + 1))).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  test('is none if it is empty or longer than 512 characters', () => {
    expect(readToken('')).toBeUndefined();
    expect(readToken('x'.repeat(FOREIGN_TOKEN_LENGTH_MAX))).toMatchObject({ foreign: true });
    expect(readToken('x'.repeat(FOREIGN_TOKEN_LENGTH_MAX + 1))).toBeUndefined();
    expect(FOREIGN_TOKEN_LENGTH_MAX).toBe(512);
  });
});

describe('a reference', () => {
  test('by digest gives the digest back, and is never taken for a key id', () => {
    const digestHex = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('hex'));
    fc.assert(
      fc.property(digestHex, (hex) => {
        expect(digestOfRef(digestRef(hex))).toBe(hex);
        expect(isId('key', digestRef(hex))).toBe(false);
      }),
    );
  });

  test('by key id has no digest', () => {
    fc.assert(
      fc.property(keyId, (id) => {
        expect(digestOfRef(id)).toBeUndefined();
      }),
    );
  });
});

describe('what may be shown', () => {
  test('is the prefix, the key id and the last four characters, and nothing of the secret', () => {
    fc.assert(
      fc.property(prefix, keyId, fc.nat(), (tokenPrefix, id, seed) => {
        const text = newToken(tokenPrefix, id, seededBytes(seed));
        const hint = tokenHint(tokenPrefix, id, secretHint(text));
        const bare = id.slice('key_'.length);
        expect(hint).toBe(`${tokenPrefix}_${bare}…${text.slice(-4)}`);
        const secret = text.slice(tokenPrefix.length + 1 + 16, -6);
        expect(secret).toHaveLength(32);
        const shownAfterId = hint.slice(`${tokenPrefix}_${bare}`.length);
        expect(shownAfterId).toHaveLength(5);
        // The last four are of the checksum, which ends the token; the secret ends before it.
        expect(text.indexOf(secret) + secret.length).toBeLessThanOrEqual(
          text.length - secretHint(text).length,
        );
      }),
    );
  });

  test('is no token', () => {
    expect(parseToken(tokenHint('acme', 'key_0123456789ABCDEf', secretHint(SAMPLE)))).toBeUndefined();
  });
});
