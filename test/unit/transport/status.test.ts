import { status as grpcStatus } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Fault, FAULT_CODES, invalidFields, type FaultReason } from '../../../core/fault.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../../proto/gen/google/rpc/status.ts';
import { STATUS_DETAILS_TRAILER, statusOf, trailersOf } from '../../../server/transport/status.ts';
import { captureLogger } from '../../support/capture-logger.ts';

const TYPES = { ErrorInfo, BadRequest, RetryInfo } as const;

/** The details of a status as a client reads them: out of the trailer, by their type. */
function detailsOf(status: Status): Readonly<Record<string, unknown>> {
  const [bytes] = trailersOf(status).get(STATUS_DETAILS_TRAILER);
  if (!(bytes instanceof Buffer)) throw new Error('the trailer is not binary');
  const decoded = Status.decode(bytes);
  expect(decoded.code).toBe(status.code);
  expect(decoded.message).toBe(status.message);
  return Object.fromEntries(
    decoded.details.map(({ typeUrl, value }) => {
      const name = typeUrl.replace('type.googleapis.com/google.rpc.', '') as keyof typeof TYPES;
      return [name, TYPES[name].decode(value)];
    }),
  );
}

const { logger } = captureLogger();

describe('a fault', () => {
  test.each(Object.entries(FAULT_CODES) as [FaultReason, keyof typeof grpcStatus][])(
    '%s is sent as %s with its reason',
    (reason, code) => {
      const status = statusOf(new Fault(reason, 'a text', { metadata: { id: 'x' } }), logger);
      expect(status.code).toBe(grpcStatus[code]);
      expect(status.message).toBe('a text');
      expect(detailsOf(status)).toEqual({
        ErrorInfo: { reason, domain: 'latchkey', metadata: new Map([['id', 'x']]) },
      });
    },
  );

  test('names the fields that are wrong', () => {
    const violations = [
      { field: 'key.scopes[3]', description: 'must not be empty' },
      { field: 'ttl', description: 'é😀' },
    ];
    const details = detailsOf(statusOf(invalidFields(violations), logger));
    expect(details['BadRequest']).toEqual({ fieldViolations: violations });
    expect(details['ErrorInfo']).toMatchObject({ reason: 'INVALID_FIELD' });
  });

  test.each([
    [1000, 1n, 0],
    [1500, 1n, 500_000_000],
    [0, 0n, 0],
    [7, 0n, 7_000_000],
  ])('that is worth another try after %d ms says so', (retryAfterMs, seconds, nanos) => {
    const fault = new Fault('DATABASE_UNAVAILABLE', 'try again', { retryAfterMs });
    expect(detailsOf(statusOf(fault, logger))['RetryInfo']).toEqual({ retryDelay: { seconds, nanos } });
  });

  test('keeps its cause to itself: it is in the log and nowhere in the status', () => {
    const log = captureLogger();
    const cause = new Error('password authentication failed for user postgres');
    const status = statusOf(new Fault('DATABASE_UNAVAILABLE', 'no answer', { cause }), log.logger);
    expect(Buffer.from(Status.encode(status).finish()).includes('password')).toBe(false);
    expect(log.lines.join('')).toContain('password authentication failed');
  });

  test('that a caller made is not logged', () => {
    const log = captureLogger();
    statusOf(new Fault('KEY_NOT_FOUND', 'there is no key x'), log.logger);
    expect(log.lines).toEqual([]);
  });
});

describe('any other error', () => {
  const textOf = (thrown: unknown): unknown =>
    (thrown as { readonly message?: unknown } | null | undefined)?.message;

  test.each([
    new Error('relation "keys" does not exist'),
    new TypeError('Cannot read properties of undefined'),
    'a text that was thrown',
    undefined,
    null,
    { message: 'an object', reason: 'KEY_NOT_FOUND', code: 'NOT_FOUND' },
    Object.assign(new Error('looks like a fault'), {
      name: 'Fault',
      reason: 'KEY_NOT_FOUND',
      code: 'NOT_FOUND',
    }),
  ])('is INTERNAL without a word of it (%#)', (error) => {
    const log = captureLogger();
    const status = statusOf(error, log.logger);
    expect(status.code).toBe(grpcStatus.INTERNAL);
    expect(status.message).toBe('an internal error; it was logged');
    expect(detailsOf(status)).toEqual({
      ErrorInfo: { reason: 'INTERNAL', domain: 'latchkey', metadata: new Map() },
    });
    expect(log.records().map(({ level, msg }) => [level, msg])).toEqual([['error', 'call.failed']]);
    const [record] = log.records();
    expect(textOf(record?.['err'])).toBe(textOf(error));
  });
});

describe('a long text', () => {
  const messageOf = (text: string): string => statusOf(new Fault('KEY_NOT_FOUND', text), logger).message;

  test('of up to 1024 characters is sent whole', () => {
    for (const text of ['x'.repeat(1023), 'x'.repeat(1024), 'é'.repeat(1024)]) {
      expect(messageOf(text)).toBe(text);
    }
  });

  test('of more is cut, and ends in an ellipsis', () => {
    expect(messageOf('x'.repeat(1025))).toBe(`${'x'.repeat(1023)}…`);
    expect(messageOf('x'.repeat(1_000_000))).toBe(`${'x'.repeat(1023)}…`);
  });

  test('is never cut within a character', () => {
    for (const text of ['😀'.repeat(2000), `x${'😀'.repeat(2000)}`, `${'x'.repeat(1022)}😀😀`]) {
      const message = messageOf(text);
      // A lone surrogate would become a replacement character on its way through UTF-8.
      expect(Buffer.from(message).toString()).toBe(message);
      expect(Array.from(message).length).toBeLessThanOrEqual(1024);
    }
  });

  test('gets an ellipsis only if something was cut off', () => {
    const text = '😀'.repeat(600);
    expect(messageOf(text)).toBe(text);
  });
});
