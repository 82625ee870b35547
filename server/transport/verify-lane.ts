import {
  Metadata,
  ServerInterceptingCall,
  status as GrpcStatus,
  type ServerInterceptor,
  type ServerInterceptingCallInterface,
} from '@grpc/grpc-js';
import type { VerifyRequest } from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Access } from '../callers/access.ts';
import type { Authenticator } from '../callers/authenticator.ts';
import { requireScope } from '../callers/caller.ts';
import type { Logger } from '../telemetry/logger.ts';
import { statusOf, trailersOf } from './status.ts';
import type { VerifyWay } from './verify-way.ts';

export const VERIFY_PATH = '/latchkey.v1.VerifyService/Verify';

/**
 * The express lane: a Verify that memory can answer is answered here, synchronously, before nice-grpc makes promises,
 * signals and contexts for it. Anything else goes on to the ordinary handler as if nothing had been here.
 *
 * It holds the metadata back until the message has come, because grpc-js starts the handler with the metadata.
 */
export function createVerifyLane(options: {
  readonly way: VerifyWay;
  readonly authenticator: Authenticator;
  readonly access: ReadonlyMap<string, Access>;
  readonly logger: Logger;
}): ServerInterceptor {
  const { way, authenticator, logger } = options;
  const rule = options.access.get(VERIFY_PATH);
  const scopes = rule === undefined || rule === 'open' ? [] : rule.anyOf;

  /** Answers the call, if that needs no I/O. */
  function tryAnswer(
    call: ServerInterceptingCallInterface,
    metadata: Metadata,
    request: VerifyRequest,
  ): boolean {
    try {
      const [authorization] = metadata.get('authorization');
      const caller = authenticator.tryAuthenticate(authorization?.toString());
      if (caller === undefined) return false;
      requireScope(caller, scopes);
      const response = way.tryAnswer(request, caller);
      if (response === undefined) return false;
      call.sendMetadata(NO_METADATA);
      // The status need not wait until the message has left: the stream keeps their order.
      call.sendMessage(response, ignore);
      call.sendStatus(OK);
      return true;
    } catch (error) {
      const status = statusOf(error, logger);
      call.sendStatus({
        code: status.code,
        details: status.message,
        metadata: trailersOf(status),
      });
      return true;
    }
  }

  return (method, call) => {
    if (method.path !== VERIFY_PATH) return new ServerInterceptingCall(call);
    let held: { readonly metadata: Metadata; readonly goOn: (metadata: Metadata) => void } | undefined;
    let answered = false;
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, goOn) {
            held = { metadata, goOn };
            call.startRead();
          },
          onReceiveMessage(message: VerifyRequest, goOn) {
            if (held === undefined) return goOn(message);
            const { metadata, goOn: goOnWithMetadata } = held;
            held = undefined;
            answered = tryAnswer(call, metadata, message);
            if (answered) return;
            goOnWithMetadata(metadata);
            goOn(message);
          },
          onReceiveHalfClose(goOn) {
            if (answered) return;
            // A call without a message: the ordinary handler knows what to say.
            held?.goOn(held.metadata);
            held = undefined;
            goOn();
          },
        });
      },
    });
  };
}

const ignore = (): void => {};
const NO_METADATA = new Metadata();
// With the words that grpc-js gives the ordinary handler: an answer does not tell which way it came.
const OK = { code: GrpcStatus.OK, details: 'OK', metadata: null };
