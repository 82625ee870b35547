import type { ServiceImplementation } from 'nice-grpc';
import { invalidFields } from '../../core/fault.ts';
import type {
  BatchVerifyResult,
  VerifyRequest,
  VerifyResponse,
} from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Caller } from '../callers/caller.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { CallerContext } from './middleware.ts';
import { statusOf } from './status.ts';
import type { VerifyServiceCodec } from './verify-codec.ts';
import type { VerifyWay } from './verify-way.ts';

const BATCH_MAX = 256;

/** VerifyService. A Verify arrives here only if the express lane could not answer it. */
export function createVerifyService(options: {
  readonly way: VerifyWay;
  readonly logger: Logger;
}): ServiceImplementation<typeof VerifyServiceCodec, CallerContext> {
  const { way, logger } = options;

  /** An entry from memory at once, or from the database later. */
  function answerEntry(
    request: VerifyRequest,
    caller: Caller,
  ): BatchVerifyResult | Promise<BatchVerifyResult> {
    try {
      const response = way.tryAnswer(request, caller);
      return response === undefined
        ? way.answer(request, caller).then(resultOf, failureOf)
        : resultOf(response);
    } catch (error) {
      return failureOf(error);
    }
  }

  function failureOf(error: unknown): BatchVerifyResult {
    return { result: { $case: 'status', value: statusOf(error, logger) } };
  }

  return {
    verify: (request, { caller }) => way.answer(request, caller),

    async batchVerify({ requests }, { caller }) {
      if (requests.length === 0 || requests.length > BATCH_MAX) {
        const description = `must have 1 to ${BATCH_MAX} entries, has ${requests.length}`;
        throw invalidFields([{ field: 'requests', description }]);
      }
      // All are begun before the first is awaited; those that memory answers are never promises.
      const results = requests.map((request) => answerEntry(request, caller));
      const responses: BatchVerifyResult[] = [];
      for (const result of results) responses.push(result instanceof Promise ? await result : result);
      return { responses };
    },
  };
}

function resultOf(value: VerifyResponse): BatchVerifyResult {
  return { result: { $case: 'response', value } };
}
