import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bareKeyId, ID_LENGTH, isId, keyIdOf, newId, type IdKind } from '../../../core/ids.ts';
import { ROOT_KEYSPACE_ID } from '../../../core/key.ts';

const PREFIXES: Readonly<Record<IdKind, string>> = {
  key: 'key_',
  keyspace: 'ks_',
  policy: 'pol_',
  secret: 'sec_',
  event: 'evt_',
  replica: 'rep_',
};
const KINDS = Object.keys(PREFIXES) as IdKind[];
const kind = fc.constantFrom(...KINDS);

test('a new id has the prefix of its kind and 16 letters and digits', () => {
  for (const one of KINDS) expect(newId(one)).toMatch(new RegExp(`^${PREFIXES[one]}[0-9A-Za-z]{16}$`));
});

test('an id is of its own kind and of no other', () => {
  fc.assert(
    fc.property(kind, kind, (one, other) => {
      expect(isId(other, newId(one))).toBe(one === other);
    }),
  );
});

test('a key id and the part of it that tokens carry belong together', () => {
  const id = newId('key');
  expect(bareKeyId(id)).toHaveLength(ID_LENGTH);
  expect(keyIdOf(bareKeyId(id))).toBe(id);
});

describe('what is no id', () => {
  const id = 'key_0123456789ABCDEf';

  test('the sample itself is one', () => {
    expect(isId('key', id)).toBe(true);
  });

  test.each([
    '',
    'key_',
    '0123456789ABCDEf',
    id.slice(0, -1),
    `${id}0`,
    `${id}\n`,
    ` ${id}`,
    id.toUpperCase(),
    'key-0123456789ABCDEf',
    'key_0123456789ABCDE_',
    'key_0123456789ABCDE\n',
    'key_0123456789ABCDE\0',
    'key_0123456789ABCDE٠',
    'key_0123456789ABCDEé',
    'key_0123456789ABCD😀',
    'key_../../etc/passwd',
    `key_' OR 1=1 --     `,
    'kéy_0123456789ABCDEf',
    '__proto__',
  ])('%j', (text) => {
    for (const one of KINDS) expect(isId(one, text)).toBe(false);
  });

  test('the built-in keyspace, whose id is a name of its own', () => {
    expect(isId('keyspace', ROOT_KEYSPACE_ID)).toBe(false);
  });

  test('any text but the prefix and 16 letters and digits', () => {
    fc.assert(
      fc.property(kind, fc.string({ unit: 'binary', maxLength: 30 }), fc.boolean(), (one, text, prefixed) => {
        const candidate = prefixed ? PREFIXES[one] + text : text;
        const rest = candidate.startsWith(PREFIXES[one]) ? candidate.slice(PREFIXES[one].length) : '';
        const expected = rest.length === 16 && Array.from(rest).every((one62) => /[0-9A-Za-z]/.test(one62));
        expect(isId(one, candidate)).toBe(expected);
      }),
    );
  });
});
