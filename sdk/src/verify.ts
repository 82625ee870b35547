import { describeStatus } from './convert/failure.ts';
import { toVerifyRequest, toVerifyResult } from './convert/verify.ts';
import type { BatchVerifyResult } from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Connection } from './transport/connection.ts';
import { LatchkeyError, unexpectedResponse } from './errors.ts';
import type { CallOptions } from './types/call.ts';
import type { VerifyRequest, VerifyResult } from './types/verify.ts';

/** The most verifications in one call of BatchVerify. */
const BATCH_MAX = 256;

/** Is this token good, for this, now? Needs a root token with the scope `verify`. */
export interface Verify {
  /**
   * Judges one token. A refused token is a result with `valid: false`; a rejection means that Latchkey could not decide,
   * and then nobody may pass.
   *
   * @throws LatchkeyError INVALID_ARGUMENT for a field out of bounds; PERMISSION_DENIED if `keyspaceId` names a keyspace
   * that the root token may not touch; UNAVAILABLE and DEADLINE_EXCEEDED if there was no answer in time
   */
  verify(request: VerifyRequest, options?: CallOptions): Promise<VerifyResult>;

  /**
   * Judges many tokens, 256 a call, the calls at the same time. The answers come in the order of the requests, each a
   * result or the error that `verify` would have been rejected with; if a whole call fails, each of its entries has that
   * error. The promise itself is never rejected.
   */
  verifyBatch(
    requests: readonly VerifyRequest[],
    options?: CallOptions,
  ): Promise<readonly (VerifyResult | LatchkeyError)[]>;
}

/** @internal */
export function createVerify({ verify, call }: Connection, deadlineMs: number): Verify {
  async function verifyChunk(
    requests: readonly VerifyRequest[],
    options: CallOptions,
  ): Promise<readonly (VerifyResult | LatchkeyError)[]> {
    try {
      const message = { requests: requests.map(toVerifyRequest) };
      const { responses } = await call(verify.batchVerify, message, options, deadlineMs);
      if (responses.length !== requests.length) {
        throw unexpectedResponse(`${responses.length} results for ${requests.length} requests`);
      }
      return responses.map(toEntry);
    } catch (error) {
      const failure = LatchkeyError.from(error);
      return requests.map(() => failure);
    }
  }

  return {
    async verify(request, options = {}) {
      return toVerifyResult(await call(verify.verify, toVerifyRequest(request), options, deadlineMs));
    },

    async verifyBatch(requests, options = {}) {
      const chunks: Promise<readonly (VerifyResult | LatchkeyError)[]>[] = [];
      for (let start = 0; start < requests.length; start += BATCH_MAX) {
        chunks.push(verifyChunk(requests.slice(start, start + BATCH_MAX), options));
      }
      return (await Promise.all(chunks)).flat();
    },
  };
}

function toEntry({ result }: BatchVerifyResult): VerifyResult | LatchkeyError {
  try {
    if (result?.$case === 'response') return toVerifyResult(result.value);
    if (result === undefined) throw unexpectedResponse('neither a response nor a status');
    const { message, ...init } = describeStatus(result.value, 'Verify');
    return new LatchkeyError(message, init);
  } catch (error) {
    return LatchkeyError.from(error);
  }
}
