import { status as grpcStatus } from '@grpc/grpc-js';
import { isAbortError } from 'abort-controller-x';
import { ServerError, type Server, type ServerMiddleware } from 'nice-grpc';
import type { Access } from '../callers/access.ts';
import type { Authenticator } from '../callers/authenticator.ts';
import { requireScope, type Caller } from '../callers/caller.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { CallMetrics } from '../telemetry/metrics.ts';
import { requireSmallMetadata } from './metadata-limit.ts';
import { STATUS_DETAILS_TRAILER, statusOf } from './status.ts';

/** What a handler knows of its call, beside what nice-grpc tells. */
export interface CallerContext {
  readonly caller: Caller;
}

/** What the middleware needs. */
export interface MiddlewareOptions {
  readonly authenticator: Authenticator;
  readonly access: ReadonlyMap<string, Access>;
  readonly maxMetadataBytes: number;
  readonly metrics: CallMetrics;
  readonly logger: Logger;
}

/**
 * What every call goes through, outermost first. (A Verify that memory can answer takes the express lane instead,
 * which does the same in one synchronous step: `verify-lane.ts`.)
 *
 * 1. counting: the time and the code of each call
 * 2. errors: whatever is thrown becomes a status; the only place where that happens
 * 3. cancellation: a call whose client is gone is not begun
 * 4. callers: who asks, with no more words than are read, and may they
 */
export function withMiddleware(server: Server, options: MiddlewareOptions): Server<CallerContext> {
  return server.use(countCalls(options)).use(answerErrors(options)).use(identifyCaller(options));
}

function countCalls({ metrics }: MiddlewareOptions): ServerMiddleware {
  return async function* (call, context) {
    const startMs = performance.now();
    let code: number = grpcStatus.OK;
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      code = error instanceof ServerError ? error.code : grpcStatus.CANCELLED;
      throw error;
    } finally {
      metrics.countCall(
        call.method.path,
        grpcStatus[code] ?? String(code),
        (performance.now() - startMs) / 1000,
      );
    }
  };
}

function answerErrors({ logger }: MiddlewareOptions): ServerMiddleware {
  return async function* (call, context) {
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      // Health and reflection throw statuses of their own; a cancelled call has nobody to tell.
      if (error instanceof ServerError || isAbortError(error)) throw error;
      const status = statusOf(error, logger.child({ rpc: call.method.path }));
      context.trailer.set(STATUS_DETAILS_TRAILER, Status.encode(status).finish());
      throw new ServerError(status.code, status.message);
    }
  };
}

function identifyCaller({
  authenticator,
  access,
  maxMetadataBytes,
}: MiddlewareOptions): ServerMiddleware<CallerContext> {
  return async function* (call, context) {
    requireSmallMetadata(context.metadata, maxMetadataBytes);
    const rule = access.get(call.method.path);
    if (rule === 'open') return yield* call.next(call.request, { ...context, caller: NOBODY });
    const caller = await authenticator.authenticate(context.metadata.get('authorization'));
    // The start has made sure that there is a rule; without one, nobody may.
    requireScope(caller, rule?.anyOf ?? []);
    context.signal.throwIfAborted();
    return yield* call.next(call.request, { ...context, caller });
  };
}

/** Who calls an open method: health and reflection do not ask. */
const NOBODY: Caller = {
  keyId: '',
  holds: () => false,
  reaches: () => false,
  confinedTo: [],
  managesRootKeys: false,
};
