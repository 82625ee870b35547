import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fault } from '../../../core/fault.ts';
import { decodePageToken, encodePageToken } from '../../../server/lifecycle/page-token.ts';
import { faultOf } from '../support/fault-of.ts';

const QUESTION = { filter: { tag: 'a', states: ['ACTIVE'] }, newestFirst: true };

/** Takes a position with a text `id`. */
function readId(position: object): string | undefined {
  const { id } = position as { readonly id?: unknown };
  return typeof id === 'string' ? id : undefined;
}

/** What a token is refused with, and for which fields. */
function refusalOf(
  token: string,
  question: unknown = QUESTION,
): Pick<Fault, 'reason' | 'message'> & {
  readonly fields: readonly string[];
} {
  const { reason, message, violations } = faultOf(() => decodePageToken(token, question, readId));
  return { reason, message, fields: violations.map(({ field }) => field) };
}

const REFUSED = { reason: 'INVALID_FIELD', fields: ['page_token'] };

/** A token of any content. */
const tokenOf = (content: unknown): string => Buffer.from(JSON.stringify(content)).toString('base64url');

test('a position is read back for the same question', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.jsonValue(), (id, question) => {
      expect(decodePageToken(encodePageToken(question, { id }), question, readId)).toBe(id);
    }),
  );
});

test('the same question may be written in another order', () => {
  const token = encodePageToken(QUESTION, { id: 'x' });
  const reordered = { newestFirst: true, filter: { states: ['ACTIVE'], tag: 'a' } };
  expect(decodePageToken(token, reordered, readId)).toBe('x');
});

test('an empty token is the first page', () => {
  expect(decodePageToken('', QUESTION, readId)).toBeUndefined();
});

test('a token can stand in an address as it is', () => {
  expect(encodePageToken(QUESTION, { id: '😀/+?=' })).toMatch(/^[A-Za-z0-9_-]+$/);
});

describe('a token of another question is refused, and says what to do', () => {
  const token = encodePageToken(QUESTION, { id: 'x' });

  test.each([
    { ...QUESTION, newestFirst: false },
    { ...QUESTION, filter: { ...QUESTION.filter, tag: 'b' } },
    { ...QUESTION, filter: { ...QUESTION.filter, states: [] } },
    { ...QUESTION, more: 1 },
    'keyspaces by slug',
    null,
  ])('%j', (question) => {
    const refusal = refusalOf(token, question);
    expect(refusal).toMatchObject(REFUSED);
    expect(refusal.message).toContain('start from the first page');
  });
});

describe('junk is refused', () => {
  const { q } = JSON.parse(Buffer.from(encodePageToken(QUESTION, { id: 'x' }), 'base64url').toString()) as {
    readonly q: string;
  };

  test('the sample itself is taken', () => {
    expect(decodePageToken(tokenOf({ q, p: { id: 'x' } }), QUESTION, readId)).toBe('x');
  });

  test.each([
    'x',
    '!!!!',
    ' ',
    '\0',
    'bm90IGpzb24',
    '😀',
    'A'.repeat(100_000),
    tokenOf(null),
    tokenOf(1),
    tokenOf('text'),
    tokenOf(true),
    tokenOf([]),
    tokenOf({}),
    tokenOf({ q }),
    tokenOf({ p: { id: 'x' } }),
    tokenOf({ q, p: null }),
    tokenOf({ q, p: 'x' }),
    tokenOf({ q, p: 1 }),
    tokenOf({ q, p: [] }),
    tokenOf({ q, p: {} }),
    tokenOf({ q, p: { id: 1 } }),
    tokenOf({ q, p: { id: null } }),
    tokenOf({ q: [q], p: { id: 'x' } }),
    tokenOf({ q: null, p: { id: 'x' } }),
    tokenOf({ q: q.slice(0, -1), p: { id: 'x' } }),
    tokenOf({ q: `${q}A`, p: { id: 'x' } }),
    tokenOf({ __proto__: null, q: '', p: { id: 'x' } }),
    `{"q":"${q}","p":{"id":"x"}}`,
    encodePageToken(QUESTION, { id: 'x' }).slice(0, -3),
  ])('%#', (token) => {
    expect(refusalOf(token)).toMatchObject(REFUSED);
  });

  test('whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        expect(refusalOf(text)).toMatchObject(REFUSED);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (content) => {
        expect(refusalOf(tokenOf(content))).toMatchObject(REFUSED);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (position) => {
        fc.pre(typeof (position as { id?: unknown } | null)?.id !== 'string');
        expect(refusalOf(tokenOf({ q, p: position }))).toMatchObject(REFUSED);
      }),
    );
  });
});
