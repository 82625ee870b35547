import { ClientError, Metadata, Status as StatusCode } from 'nice-grpc';
import { describe, expect, it } from 'vitest';
import { FAULT_CODES } from '../../../core/fault.ts';
import { Status } from '../../../proto/gen/google/rpc/status.ts';
import { LatchkeyError } from '../../../sdk/src/index.ts';
import { FailedCall } from '../../../sdk/src/transport/failed-call.ts';
import { statusMessage, type FaultDetails } from './fake-latchkey.ts';

const PATH = '/latchkey.v1.KeyService/CreateKey';

/** A failed call with the status of a fault in its trailer. */
function failedCall(
  code: StatusCode,
  message: string,
  details: FaultDetails,
  trailerCode = code,
): FailedCall {
  const trailer = Metadata();
  trailer.set(
    'grpc-status-details-bin',
    Status.encode(statusMessage(trailerCode, message, details)).finish(),
  );
  return new FailedCall(new ClientError(PATH, code, message), trailer);
}

describe('LatchkeyError.from', () => {
  it('returns a LatchkeyError as it is', () => {
    const error = new LatchkeyError('text', { code: 'INTERNAL', reason: 'INTERNAL' });
    expect(LatchkeyError.from(error)).toBe(error);
  });

  it('tells everything that a fault of the server says', () => {
    const call = failedCall(StatusCode.INVALID_ARGUMENT, 'key.scopes[3]: must not be empty', {
      reason: 'INVALID_FIELD',
      metadata: { a: 'b' },
      violations: [{ field: 'key.scopes[3]', description: 'must not be empty' }],
      retryAfterMs: 1250,
    });
    const error = LatchkeyError.from(call);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'LatchkeyError',
      message: 'CreateKey: key.scopes[3]: must not be empty [INVALID_ARGUMENT INVALID_FIELD]',
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_FIELD',
      violations: [{ field: 'key.scopes[3]', description: 'must not be empty' }],
      metadata: { a: 'b' },
      retryAfterMs: 1250,
    });
    expect(error.cause).toBe(call);
  });

  it('passes a reason on that this version does not know', () => {
    const error = LatchkeyError.from(failedCall(StatusCode.NOT_FOUND, 'gone', { reason: 'NEW_REASON' }));
    expect(error).toMatchObject({ code: 'NOT_FOUND', reason: 'NEW_REASON' });
  });

  it.each(Object.entries(FAULT_CODES))('knows the fault %s', (reason, code) => {
    expect(LatchkeyError.from(failedCall(StatusCode[code], 'text', { reason }))).toMatchObject({
      code,
      reason,
    });
  });

  it.each([
    [StatusCode.UNAVAILABLE, 'UNAVAILABLE', 'UNREACHABLE'],
    [StatusCode.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED'],
    [StatusCode.CANCELLED, 'UNAVAILABLE', 'UNREACHABLE'],
    [StatusCode.RESOURCE_EXHAUSTED, 'RESOURCE_EXHAUSTED', 'UNKNOWN'],
    [99 as StatusCode, 'UNKNOWN', 'UNKNOWN'],
  ])('gives status %i without details the code %s and the reason %s', (status, code, reason) => {
    const error = LatchkeyError.from(new FailedCall(new ClientError(PATH, status, 'text'), Metadata()));
    expect(error).toMatchObject({ code, reason, violations: [], metadata: {}, retryAfterMs: undefined });
  });

  it('says what to do about an address, a token and a deadline', () => {
    const of = (code: StatusCode, details = 'text') =>
      LatchkeyError.from(new ClientError(PATH, code, details)).message;
    expect(of(StatusCode.UNAVAILABLE)).toMatch(/`address` and `tls`/);
    expect(of(StatusCode.DEADLINE_EXCEEDED)).toMatch(/`deadlineMs`/);
    expect(
      LatchkeyError.from(failedCall(StatusCode.UNAUTHENTICATED, 'not valid', { reason: 'CALLER_UNKNOWN' }))
        .message,
    ).toMatch(/`token`/);
  });

  it('takes the line breaks and the empty note of grpc-js out of its texts', () => {
    const details = 'No connection established. Last error: a:\nb. Resolution note: ';
    const { message } = LatchkeyError.from(new ClientError(PATH, StatusCode.UNAVAILABLE, details));
    expect(message).toMatch(/^CreateKey: No connection established\. Last error: a: b; check/);
  });

  it('ignores a trailer that is unreadable or about another status', () => {
    const unreadable = Metadata();
    unreadable.set('grpc-status-details-bin', Uint8Array.of(0xff, 0xff));
    const calls = [
      new FailedCall(new ClientError(PATH, StatusCode.NOT_FOUND, 'text'), unreadable),
      failedCall(StatusCode.NOT_FOUND, 'text', { reason: 'KEY_NOT_FOUND' }, StatusCode.INTERNAL),
    ];
    for (const call of calls) {
      expect(LatchkeyError.from(call)).toMatchObject({ code: 'NOT_FOUND', reason: 'UNKNOWN' });
    }
  });

  it('takes an abort for CANCELLED', () => {
    const abort = new DOMException('stop', 'AbortError');
    expect(LatchkeyError.from(abort)).toMatchObject({ code: 'CANCELLED', reason: 'CANCELLED', cause: abort });
  });

  it.each([new TypeError('broken'), 'broken'])('keeps anything else as the cause: %s', (thrown) => {
    const error = LatchkeyError.from(thrown);
    expect(error).toMatchObject({ code: 'UNKNOWN', reason: 'UNKNOWN', cause: thrown });
    expect(error.message).toContain('broken');
  });
});
