import { Status } from 'nice-grpc';
import { afterEach, describe, expect, it } from 'vitest';
import {
  ClientRefusal,
  Verdict,
  type BatchVerifyResult,
  type VerifyRequest,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { LatchkeyError } from '../../../sdk/src/index.ts';
import { fail, startFakeLatchkey, statusMessage, type FakeLatchkey } from './fake-latchkey.ts';

let fake: FakeLatchkey;
afterEach(() => fake.stop());

/** A verdict whose revision is the token, so that answers can be told apart. */
function echo({ token }: VerifyRequest): BatchVerifyResult {
  const value = {
    valid: false,
    verdict: Verdict.VERDICT_REVOKED,
    key: undefined,
    limits: [],
    missingScopes: [],
    retryAfter: undefined,
    clientRefusal: ClientRefusal.CLIENT_REFUSAL_UNSPECIFIED,
    revision: token,
  };
  return { result: { $case: 'response', value } };
}

const requestsOf = (count: number) => Array.from({ length: count }, (_, index) => ({ token: String(index) }));

describe('verifyBatch', () => {
  it.each([
    [0, []],
    [1, [1]],
    [256, [256]],
    [257, [256, 1]],
    [600, [256, 256, 88]],
  ])('asks for %i verifications in calls of %j, and answers in order', async (count, sizes) => {
    const calls: number[] = [];
    fake = await startFakeLatchkey({
      batchVerify({ requests }) {
        calls.push(requests.length);
        return Promise.resolve({ responses: requests.map(echo) });
      },
    });
    const results = await fake.client.verifyBatch(requestsOf(count));
    expect(calls.toSorted((a, b) => b - a)).toEqual(sizes);
    expect(results.map((result) => ('revision' in result ? result.revision : result))).toEqual(
      requestsOf(count).map(({ token }) => token),
    );
  });

  it('gives an entry that fails its own error, and the others their results', async () => {
    const status = statusMessage(Status.INVALID_ARGUMENT, 'resource: too long', {
      reason: 'INVALID_FIELD',
      violations: [{ field: 'resource', description: 'too long' }],
    });
    fake = await startFakeLatchkey({
      batchVerify: ({ requests }) =>
        Promise.resolve({
          responses: requests.map((request, index) =>
            index === 1 ? { result: { $case: 'status', value: status } } : echo(request),
          ),
        }),
    });
    const [first, second, third] = await fake.client.verifyBatch(requestsOf(3));
    expect(first).toMatchObject({ verdict: 'REVOKED' });
    expect(second).toBeInstanceOf(LatchkeyError);
    expect(second).toMatchObject({
      message: 'Verify: resource: too long [INVALID_ARGUMENT INVALID_FIELD]',
      violations: [{ field: 'resource', description: 'too long' }],
    });
    expect(third).toMatchObject({ verdict: 'REVOKED' });
  });

  it('gives the entries of a call that fails its error, and those of other calls their results', async () => {
    fake = await startFakeLatchkey({
      batchVerify({ requests }, context) {
        if (requests.length < 256) fail(context, Status.INTERNAL, 'broken', { reason: 'INTERNAL' });
        return Promise.resolve({ responses: requests.map(echo) });
      },
    });
    const results = await fake.client.verifyBatch(requestsOf(258));
    expect(results.slice(0, 256).every((result) => !(result instanceof LatchkeyError))).toBe(true);
    expect(results.slice(256)).toMatchObject([{ code: 'INTERNAL' }, { code: 'INTERNAL' }]);
  });

  it('takes no entry for another one where the server answers too few', async () => {
    fake = await startFakeLatchkey({
      batchVerify: ({ requests }) => Promise.resolve({ responses: requests.slice(1).map(echo) }),
    });
    const results = await fake.client.verifyBatch(requestsOf(2));
    expect(results).toMatchObject([{ reason: 'UNEXPECTED_RESPONSE' }, { reason: 'UNEXPECTED_RESPONSE' }]);
  });

  it('refuses an entry without an answer', async () => {
    fake = await startFakeLatchkey({ batchVerify: () => Promise.resolve({ responses: [{}] }) });
    expect(await fake.client.verifyBatch(requestsOf(1))).toMatchObject([{ reason: 'UNEXPECTED_RESPONSE' }]);
  });
});
