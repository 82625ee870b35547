import type { ServiceImplementation } from 'nice-grpc';
import { invalidFields } from '../../core/fault.ts';
import type {
  BatchVerifyResult,
  VerifyRequest,
  VerifyServiceDefinition,
} from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Caller } from '../callers/caller.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { CallerContext } from './middleware.ts';
import { statusOf } from './status.ts';
import type { VerifyWay } from './verify-way.ts';

const BATCH_MAX = 256;

/** VerifyService. A Verify arrives here only if the express lane could not answer it. */
export function createVerifyService(options: {
  readonly way: VerifyWay;
  readonly logger: Logger;
}): ServiceImplementation<VerifyServiceDefinition, CallerContext> {
  const { way, logger } = options;

  async function answerEntry(request: VerifyRequest, caller: Caller): Promise<BatchVerifyResult> {
    try {
      return { result: { $case: 'response', value: await way.answer(request, caller) } };
    } catch (error) {
      return { result: { $case: 'status', value: statusOf(error, logger) } };
    }
  }

  /** An entry from memory, without a promise for each. */
  function answerEntryNow(
    request: VerifyRequest,
    caller: Caller,
  ): BatchVerifyResult | Promise<BatchVerifyResult> {
    try {
      const value = way.tryAnswer(request, caller);
      return value === undefined ? answerEntry(request, caller) : { result: { $case: 'response', value } };
    } catch (error) {
      return { result: { $case: 'status', value: statusOf(error, logger) } };
    }
  }

  return {
    verify: (request, { caller }) => way.answer(request, caller),

    async batchVerify({ requests }, { caller }) {
      if (requests.length === 0 || requests.length > BATCH_MAX) {
        const description = `must have 1 to ${BATCH_MAX} entries, has ${requests.length}`;
        throw invalidFields([{ field: 'requests', description }]);
      }
      return { responses: await Promise.all(requests.map((request) => answerEntryNow(request, caller))) };
    },
  };
}
