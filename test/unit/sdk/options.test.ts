import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createLatchkey, LatchkeyError } from '../../../sdk/src/index.ts';
import { resolveDeadline, resolveOptions } from '../../../sdk/src/options.ts';
import { CANARY } from './fake-latchkey.ts';

const GOOD = { address: 'latchkey.internal:50051', token: 'latchkey_token' };

function refusalOf(options: Record<string, unknown>): unknown {
  try {
    return resolveOptions({ ...GOOD, ...options });
  } catch (error) {
    return error;
  }
}

/** The options that are refused. */
function faultsOf(options: Record<string, unknown>): readonly string[] {
  const refusal = refusalOf(options);
  return refusal instanceof LatchkeyError ? refusal.violations.map(({ field }) => field) : [];
}

describe('options', () => {
  it('have the documented defaults, TLS among them', () => {
    expect(resolveOptions(GOOD)).toEqual({
      ...GOOD,
      tls: {},
      verifyDeadlineMs: 1000,
      deadlineMs: 10_000,
      retries: 3,
      keepaliveMs: 30_000,
    });
  });

  it('choose plaintext only by `tls: false`', () => {
    expect(resolveOptions({ ...GOOD, tls: false }).tls).toBeUndefined();
    expect(resolveOptions({ ...GOOD, tls: true }).tls).toEqual({});
    expect(resolveOptions({ ...GOOD, tls: undefined }).tls).toEqual({});
    expect(resolveOptions({ ...GOOD, tls: { ca: 'pem' } }).tls).toEqual({ ca: 'pem' });
  });

  it('drop the white space around a token that came from a file', () => {
    expect(resolveOptions({ ...GOOD, token: ' latchkey_token\n' }).token).toBe('latchkey_token');
  });

  it.each(['localhost:50051', '127.0.0.1:1', '[::1]:65535', 'a-b.example:443'])(
    'accept the address %s',
    (address) => {
      expect(faultsOf({ address })).toEqual([]);
    },
  );

  it.each([
    '',
    'localhost',
    'http://localhost:50051',
    'dns:///a:1',
    '::1:50051',
    'a:0',
    'a:65536',
    'a b:1',
    'a:x',
    undefined,
  ])('refuse the address %s', (address) => {
    expect(faultsOf({ address })).toEqual(['address']);
  });

  it.each([
    ['token', ''],
    ['token', ' \n'],
    ['token', undefined],
    ['token', 'two words'],
    ['token', 'line\nbreak'],
    ['token', 'clé'],
    ['tls', { cert: 'pem' }],
    ['tls', { key: 'pem' }],
    ['verifyDeadlineMs', 0],
    ['verifyDeadlineMs', 2 ** 31],
    ['deadlineMs', Number.NaN],
    ['deadlineMs', '10'],
    ['retries', -1],
    ['retries', 11],
    ['retries', 1.5],
    ['keepaliveMs', 999],
    ['keepaliveMs', Infinity],
  ])('refuse %s: %j', (name, value) => {
    expect(faultsOf({ [name]: value })).toEqual([name]);
  });

  it('are all refused at once', () => {
    expect(refusalOf({ address: '', token: '' })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_OPTION',
      message: expect.stringMatching(/^address: .*; token: .* \[INVALID_ARGUMENT INVALID_OPTION\]$/),
    });
    expect(faultsOf({ address: '', token: '', retries: 99, deadlineMs: 0 })).toEqual([
      'address',
      'token',
      'deadlineMs',
      'retries',
    ]);
  });

  it('refuse a deadline of a call that a timer cannot hold', () => {
    expect(resolveDeadline({}, 7)).toBe(7);
    expect(resolveDeadline({ deadlineMs: 2 ** 31 - 1 }, 7)).toBe(2 ** 31 - 1);
    for (const deadlineMs of [0, -1, 2 ** 31, Number.NaN]) {
      expect(() => resolveDeadline({ deadlineMs }, 7)).toThrow(/deadlineMs/);
    }
  });

  it('refuse certificates that cannot be read, naming the option', () => {
    expect(() => createLatchkey({ ...GOOD, tls: { cert: 'no pem', key: 'no pem' } })).toThrow(
      /^tls: cannot be used/,
    );
  });
});

describe('the token', () => {
  it('appears neither in an inspected client nor in the error that refuses it', () => {
    const client = createLatchkey({ ...GOOD, token: CANARY });
    try {
      expect(inspect(client, { depth: 20, showHidden: true })).not.toContain(CANARY);
      expect(JSON.stringify(client)).not.toContain(CANARY);
    } finally {
      client.close();
    }
    const refusal = refusalOf({ token: `${CANARY}é` });
    expect(refusal).toBeInstanceOf(LatchkeyError);
    expect(inspect(refusal, { depth: 20, showHidden: true })).not.toContain('CANARY');
  });
});
