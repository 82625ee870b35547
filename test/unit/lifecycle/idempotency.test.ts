import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  openAnswer,
  requestDigest,
  requestIdHash,
  sealAnswer,
} from '../../../server/lifecycle/idempotency.ts';
import { issueKey } from '../support/issue-key.ts';

const REQUEST_ID = '3f0f7f44-2c1e-4f9c-9a0b-7d1a6c1f2e3d';
/** What node:crypto says of a tag that does not fit, or is not even one. */
const REFUSED = /unable to authenticate data|Invalid (?:authentication tag|initialization vector)/;
const OTHER_ID = '3f0f7f44-2c1e-4f9c-9a0b-7d1a6c1f2e3e';

describe('a sealed answer', () => {
  test('opens under its request id as what it was', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.jsonValue(), (requestId, answer) => {
        const plain: unknown = JSON.parse(JSON.stringify(answer));
        expect(openAnswer(requestId, sealAnswer(requestId, answer))).toEqual(plain);
      }),
    );
  });

  test('opens whatever the case in which the UUID is written', () => {
    const sealed = sealAnswer(REQUEST_ID.toUpperCase(), { a: 1 });
    expect(openAnswer(REQUEST_ID, sealed)).toEqual({ a: 1 });
  });

  test('does not open under another request id', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), (one, other) => {
        fc.pre(one !== other);
        const sealed = sealAnswer(one, { token: 'x' });
        expect(() => openAnswer(other, sealed)).toThrow(REFUSED);
      }),
    );
    expect(() => openAnswer(OTHER_ID, sealAnswer(REQUEST_ID, {}))).toThrow(REFUSED);
    expect(() => openAnswer('', sealAnswer(REQUEST_ID, {}))).toThrow(REFUSED);
  });

  test('does not open with any bit changed, or cut, or longer', () => {
    const sealed = sealAnswer(REQUEST_ID, { token: 'x' });
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => openAnswer(REQUEST_ID, changed)).toThrow(REFUSED);
    }
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => openAnswer(REQUEST_ID, sealed.subarray(0, length))).toThrow(REFUSED);
    }
    expect(() => openAnswer(REQUEST_ID, Buffer.concat([sealed, Buffer.alloc(1)]))).toThrow(REFUSED);
  });

  test('shows neither the token nor the request id, and is never the same twice', () => {
    const { key, token } = issueKey();
    const one = sealAnswer(REQUEST_ID, { key, token });
    const other = sealAnswer(REQUEST_ID, { key, token });
    for (const text of [token, token.slice(-10), key.id, REQUEST_ID]) expect(one.includes(text)).toBe(false);
    expect(one.equals(other)).toBe(false);
    // Not even the nonce may repeat under one key.
    expect(one.subarray(0, 12).equals(other.subarray(0, 12))).toBe(false);
  });
});

describe('the digest of a request', () => {
  test('does not depend on the order of names, at any depth', () => {
    expect(requestDigest('A', { a: 1, b: { c: [1, { d: 2, e: 3 }], f: null } })).toBe(
      requestDigest('A', { b: { f: null, c: [1, { e: 3, d: 2 }] }, a: 1 }),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (request) => {
        const reversed = Object.fromEntries(Object.entries(request).toReversed());
        expect(requestDigest('A', reversed)).toBe(requestDigest('A', request));
      }),
    );
  });

  test('takes a field that is not set for one that is not there', () => {
    expect(requestDigest('A', { a: 1, b: undefined })).toBe(requestDigest('A', { a: 1 }));
  });

  test.each([
    ['another RPC', requestDigest('B', { a: 1 })],
    ['another value', requestDigest('A', { a: 2 })],
    ['another type', requestDigest('A', { a: '1' })],
    ['null', requestDigest('A', { a: null })],
    ['another name', requestDigest('A', { b: 1 })],
    ['one field more', requestDigest('A', { a: 1, b: 1 })],
    ['a list', requestDigest('A', { a: [1] })],
    ['nothing', requestDigest('A', {})],
  ])('differs for %s', (_what, digest) => {
    expect(digest).not.toBe(requestDigest('A', { a: 1 }));
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  test('depends on the order of a list, which may matter', () => {
    expect(requestDigest('A', { a: [1, 2] })).not.toBe(requestDigest('A', { a: [2, 1] }));
  });
});

describe('the hash of a request id', () => {
  test('differs by caller, so that none meets the answer of another', () => {
    expect(requestIdHash('key_a', REQUEST_ID)).not.toBe(requestIdHash('key_b', REQUEST_ID));
  });

  test('differs by request id, and not by its case', () => {
    expect(requestIdHash('key_a', REQUEST_ID)).not.toBe(requestIdHash('key_a', OTHER_ID));
    expect(requestIdHash('key_a', REQUEST_ID)).toBe(requestIdHash('key_a', REQUEST_ID.toUpperCase()));
  });

  test('is SHA-256 in hex and does not show the request id', () => {
    const hash = requestIdHash('key_a', REQUEST_ID);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hash).not.toContain(REQUEST_ID.slice(0, 8));
  });

  test('cannot be led across its parts', () => {
    expect(requestIdHash('key_a', `b${REQUEST_ID}`)).not.toBe(requestIdHash('key_ab', REQUEST_ID));
  });
});
