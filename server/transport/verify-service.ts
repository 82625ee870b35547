import type { ServiceImplementation } from 'nice-grpc';
import type { BatchWay } from './batch-way.ts';
import type { CallerContext } from './middleware.ts';
import type { VerifyServiceCodec } from './verify-codec.ts';
import type { VerifyWay } from './verify-way.ts';

/** VerifyService. What arrives here, the express lane could not answer from memory. */
export function createVerifyService({
  way,
  batchWay,
}: {
  readonly way: VerifyWay;
  readonly batchWay: BatchWay;
}): ServiceImplementation<typeof VerifyServiceCodec, CallerContext> {
  return {
    verify: (request, { caller }) => way.answer(request, caller),
    batchVerify: (request, { caller }) => batchWay.answer(request, caller),
  };
}
