import { setTimeout as delay } from 'node:timers/promises';
import { ClientError, Status, type ClientMiddleware, type Metadata } from 'nice-grpc';
import { LatchkeyError } from '../errors.ts';
import { FailedCall } from './failed-call.ts';

/** What is known of the tries of one call. */
export interface Attempts {
  /** How many tries may still fail without failing the call. */
  retriesLeft: number;
  /** When the call must be over, on the clock of `performance.now()`. */
  readonly endMs: number;
  /** How the last try failed. */
  lastFailure: LatchkeyError | undefined;
}

/**
 * One try of a call: completes its error with what came in the trailer. Where Latchkey says when to come back
 * (google.rpc.RetryInfo), it waits so long, or gives the call up at once if that is after its end; the retry
 * middleware around it knows nothing of that.
 */
export const attemptMiddleware: ClientMiddleware<{ attempts: Attempts }> = async function* attempt(
  call,
  { attempts, ...options },
) {
  let trailer: Metadata | undefined;
  try {
    return yield* call.next(call.request, {
      ...options,
      onTrailer(metadata) {
        trailer = metadata;
      },
    });
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const failedCall = new FailedCall(error, trailer);
    if (attempts === undefined) throw failedCall;

    const failure = LatchkeyError.from(failedCall);
    attempts.lastFailure = failure;
    attempts.retriesLeft -= 1;
    const { retryAfterMs } = failure;
    if (error.code === Status.UNAVAILABLE && attempts.retriesLeft >= 0 && retryAfterMs !== undefined) {
      // The retry middleware tries only ClientErrors again.
      if (performance.now() + retryAfterMs >= attempts.endMs) throw failure;
      await delay(retryAfterMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
    throw failedCall;
  }
};
