import { invalidFields } from '../../core/fault.ts';
import type {
  BatchVerifyRequest,
  BatchVerifyResponse,
  BatchVerifyResult,
  VerifyRequest,
  VerifyResponse,
} from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Caller } from '../callers/caller.ts';
import type { Logger } from '../telemetry/logger.ts';
import { statusOf } from './status.ts';
import type { VerifyWay } from './verify-way.ts';

const BATCH_MAX = 256;

/** From a batch to its answers: each entry takes the way of a Verify, and one that fails takes no other with it. */
export interface BatchWay {
  /** The answers, if memory suffices for all. @throws Fault INVALID_FIELD */
  tryAnswer(request: BatchVerifyRequest, caller: Caller): BatchVerifyResponse | undefined;
  /** The answers. What `tryAnswer` knew of the same request is not asked again. @throws Fault INVALID_FIELD */
  answer(request: BatchVerifyRequest, caller: Caller): Promise<BatchVerifyResponse>;
}

/** An entry, and its answer if memory had it. */
interface Entry {
  readonly request: VerifyRequest;
  readonly result: BatchVerifyResult | undefined;
}

export function createBatchWay(options: { readonly way: VerifyWay; readonly logger: Logger }): BatchWay {
  const { way, logger } = options;
  /** Requests of which memory could not answer every entry: the lane began them, the handler finishes them. */
  const begun = new WeakMap<BatchVerifyRequest, readonly Entry[]>();

  function begin({ requests }: BatchVerifyRequest, caller: Caller): readonly Entry[] {
    if (requests.length === 0 || requests.length > BATCH_MAX) {
      const description = `must have 1 to ${BATCH_MAX} entries, has ${requests.length}`;
      throw invalidFields([{ field: 'requests', description }]);
    }
    // They are taken out of the message, which grpc-js holds until the stream is closed: the garbage collector would
    // carry along those of every batch that is still being sent.
    return requests.splice(0).map((request) => ({ request, result: tryEntry(request, caller) }));
  }

  function tryEntry(request: VerifyRequest, caller: Caller): BatchVerifyResult | undefined {
    try {
      const response = way.tryAnswer(request, caller);
      return response === undefined ? undefined : resultOf(response);
    } catch (error) {
      return failureOf(error);
    }
  }

  function failureOf(error: unknown): BatchVerifyResult {
    return { result: { $case: 'status', value: statusOf(error, logger) } };
  }

  return {
    tryAnswer(request, caller) {
      const entries = begin(request, caller);
      const responses: BatchVerifyResult[] = [];
      for (const { result } of entries) {
        if (result !== undefined) responses.push(result);
      }
      if (responses.length === entries.length) return { responses };
      begun.set(request, entries);
      return undefined;
    },

    async answer(request, caller) {
      const entries = begun.get(request) ?? begin(request, caller);
      const responses = await Promise.all(
        entries.map(
          async ({ request: one, result }) =>
            result ?? (await way.answer(one, caller).then(resultOf, failureOf)),
        ),
      );
      return { responses };
    },
  };
}

function resultOf(value: VerifyResponse): BatchVerifyResult {
  return { result: { $case: 'response', value } };
}
