import { setImmediate as nextTurn } from 'node:timers/promises';
import { ClientError, Metadata, Status, type CallOptions } from 'nice-grpc';
import { describe, expect, it } from 'vitest';
import { Status as StatusMessage } from '../../../proto/gen/google/rpc/status.ts';
import { attemptMiddleware, type Attempts } from '../../../sdk/src/transport/attempts.ts';
import { statusMessage } from './fake-latchkey.ts';

const PATH = '/latchkey.v1.KeyService/GetKey';

/** One try that fails: UNAVAILABLE, come back in an hour. */
function tryOnce(attempts: Attempts, signal: AbortSignal): Promise<unknown> {
  const call = {
    method: { path: PATH, requestStream: false, responseStream: false, options: {} },
    requestStream: false,
    request: {},
    responseStream: false,
    // eslint-disable-next-line require-yield -- a unary call yields nothing
    async *next(_request: unknown, { onTrailer }: CallOptions): AsyncGenerator<never, never, undefined> {
      const status = statusMessage(Status.UNAVAILABLE, 'no database', {
        reason: 'DATABASE_UNAVAILABLE',
        retryAfterMs: 3_600_000,
      });
      onTrailer?.(Metadata({ 'grpc-status-details-bin': StatusMessage.encode(status).finish() }));
      throw new ClientError(PATH, Status.UNAVAILABLE, 'no database');
    },
  } as const;
  return attemptMiddleware(call, { attempts, signal }).next();
}

describe('the wait that Latchkey asks for', () => {
  it('ends when the call is given up', async () => {
    const controller = new AbortController();
    const attempts = { retriesLeft: 3, endMs: Infinity, lastFailure: undefined };
    const outcome = tryOnce(attempts, controller.signal).catch((error: unknown) => error);
    await nextTurn();
    expect(attempts).toMatchObject({ retriesLeft: 2, lastFailure: { retryAfterMs: 3_600_000 } });
    controller.abort();
    expect(await outcome).toMatchObject({ name: 'AbortError' });
  });

  it('is not begun where no retry is left', async () => {
    const attempts = { retriesLeft: 0, endMs: Infinity, lastFailure: undefined };
    await expect(tryOnce(attempts, new AbortController().signal)).rejects.toBeInstanceOf(ClientError);
  });
});
