import { ServerError, Status } from 'nice-grpc';
import { afterEach, describe, expect, it } from 'vitest';
import type { LatchkeyError } from '../../../sdk/src/index.ts';
import { fail, keyMessage, startFakeLatchkey, type Answers, type FakeLatchkey } from './fake-latchkey.ts';

const TIME = new Date('2030-01-01T00:00:00Z');
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let fake: FakeLatchkey;
afterEach(() => fake.stop());

/** Fails the first calls of CreateKey and RevokeKey with a status, then answers; collects the request ids. */
function failing(times: number, code: Status, requestIds: string[]): Answers {
  const answer = ({ requestId }: { readonly requestId: string }) => {
    requestIds.push(requestId);
    if (requestIds.length <= times) throw new ServerError(code, 'not now');
    return Promise.resolve({ key: keyMessage(), token: 't', revision: '0.1', effectiveTime: TIME });
  };
  return { createKey: answer, revokeKey: answer };
}

describe('a change', () => {
  it('keeps its request id through all its tries, and each call has its own', async () => {
    const ids: string[] = [];
    fake = await startFakeLatchkey(failing(2, Status.UNAVAILABLE, ids));
    await fake.client.keys.create({ keyspaceId: 'ks_1' });
    expect(ids).toHaveLength(3);
    expect(ids[0]).toMatch(UUID);
    expect(new Set(ids).size).toBe(1);

    await fake.client.keys.revoke('key_1');
    expect(ids[3]).toMatch(UUID);
    expect(ids[3]).not.toBe(ids[0]);
  });

  it('is sent with the request id that it was given', async () => {
    const ids: string[] = [];
    fake = await startFakeLatchkey(failing(1, Status.UNAVAILABLE, ids));
    const requestId = '123e4567-e89b-42d3-a456-426614174000';
    await fake.client.keys.create({ keyspaceId: 'ks_1' }, { requestId });
    expect(ids).toEqual([requestId, requestId]);
  });

  it.each([
    Status.ABORTED,
    Status.INTERNAL,
    Status.UNKNOWN,
    Status.RESOURCE_EXHAUSTED,
    Status.DEADLINE_EXCEEDED,
    Status.FAILED_PRECONDITION,
  ])('is not tried again after status %i', async (code) => {
    const ids: string[] = [];
    fake = await startFakeLatchkey(failing(1, code, ids));
    await expect(fake.client.keys.create({ keyspaceId: 'ks_1' })).rejects.toMatchObject({
      code: Status[code],
    });
    expect(ids).toHaveLength(1);
  });

  it('is tried again after the server reset it, which grpc-js calls CANCELLED', async () => {
    const ids: string[] = [];
    fake = await startFakeLatchkey(failing(1, Status.CANCELLED, ids));
    await fake.client.keys.create({ keyspaceId: 'ks_1' });
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });

  it.each([0, 1, 3])('that stays UNAVAILABLE fails after %i retries', async (retries) => {
    const ids: string[] = [];
    fake = await startFakeLatchkey(failing(99, Status.UNAVAILABLE, ids), { retries });
    await expect(fake.client.keys.create({ keyspaceId: 'ks_1' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'UNREACHABLE',
    });
    expect(ids).toHaveLength(retries + 1);
  });
});

describe('when Latchkey says when to come back', () => {
  const unavailable = (retryAfterMs: number) => ({ reason: 'DATABASE_UNAVAILABLE', retryAfterMs });

  it('a call waits so long before it is tried again', async () => {
    const times: number[] = [];
    fake = await startFakeLatchkey({
      getKey(_request, context) {
        times.push(performance.now());
        if (times.length === 1) fail(context, Status.UNAVAILABLE, 'no database', unavailable(400));
        return Promise.resolve({ key: keyMessage() });
      },
    });
    await fake.client.keys.get('key_1');
    expect(times).toHaveLength(2);
    // A timer may fire up to a millisecond early.
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(399);
  });

  it('a call whose deadline is before that fails at once, and tells when', async () => {
    let tries = 0;
    fake = await startFakeLatchkey({
      verify(_request, context) {
        tries += 1;
        return fail(context, Status.UNAVAILABLE, 'no database', unavailable(60_000));
      },
    });
    const error: unknown = await fake.client
      .verify({ token: 't' }, { deadlineMs: 30_000 })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'DATABASE_UNAVAILABLE',
      retryAfterMs: 60_000,
      message: 'Verify: no database [UNAVAILABLE DATABASE_UNAVAILABLE]',
    });
    expect(tries).toBe(1);
  });

  it('a call does not wait after its last try', async () => {
    fake = await startFakeLatchkey(
      {
        getKey: (_request, context) =>
          fail(context, Status.UNAVAILABLE, 'no database', unavailable(3_600_000)),
      },
      { retries: 0, deadlineMs: 2 ** 31 - 1 },
    );
    await expect(fake.client.keys.get('key_1')).rejects.toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
  });
});

describe('a deadline', () => {
  it('ends a call that is not answered, and says how long it waited', async () => {
    fake = await startFakeLatchkey({ verify: () => new Promise(() => {}) });
    const error: unknown = await fake.client
      .verify({ token: 't' }, { deadlineMs: 50 })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE_EXCEEDED' });
    expect((error as LatchkeyError).message).toMatch(/^Verify: no answer within 50 ms/);
  });

  it('ends the tries of a call, and the error tells how the last one failed', async () => {
    let tries = 0;
    fake = await startFakeLatchkey({
      getKey() {
        tries += 1;
        if (tries > 1) return new Promise(() => {});
        throw new ServerError(Status.UNAVAILABLE, 'not now');
      },
    });
    await expect(fake.client.keys.get('key_1', { deadlineMs: 400 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      cause: { code: 'UNAVAILABLE', reason: 'UNREACHABLE' },
    });
    expect(tries).toBe(2);
  });

  it('is the shorter one for verifications', async () => {
    fake = await startFakeLatchkey(
      { verify: () => new Promise(() => {}), batchVerify: () => new Promise(() => {}) },
      { verifyDeadlineMs: 50, deadlineMs: 2 ** 31 - 1 },
    );
    await expect(fake.client.verify({ token: 't' })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    const [entry] = await fake.client.verifyBatch([{ token: 't' }]);
    expect(entry).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('out of its bounds is refused before the call', async () => {
    fake = await startFakeLatchkey({});
    await expect(fake.client.verify({ token: 't' }, { deadlineMs: 0 })).rejects.toMatchObject({
      reason: 'INVALID_OPTION',
    });
  });
});
