import {
  Metadata,
  ServerInterceptingCall,
  status as GrpcStatus,
  type ServerInterceptor,
  type ServerInterceptingCallInterface,
} from '@grpc/grpc-js';
import type { BatchVerifyRequest, VerifyRequest } from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Access, CallerScope } from '../callers/access.ts';
import type { Authenticator } from '../callers/authenticator.ts';
import { requireScope, type Caller } from '../callers/caller.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { BatchWay } from './batch-way.ts';
import { requireSmallMetadata } from './metadata-limit.ts';
import { statusOf, trailersOf } from './status.ts';
import type { VerifyWay } from './verify-way.ts';

/** A method that the lane knows. */
interface LaneMethod {
  /** Any of these scopes suffices. */
  readonly scopes: readonly CallerScope[];
  /** The response, if memory suffices. @throws Fault */
  tryAnswer(request: unknown, caller: Caller): unknown;
}

/**
 * The express lane: a verification that memory can answer is answered here, synchronously, before nice-grpc makes
 * promises, signals and contexts for it. Anything else goes on to the ordinary handler as if nothing had been here.
 *
 * It holds the metadata back until the message has come, because grpc-js starts the handler with the metadata.
 */
export function createVerifyLane(options: {
  readonly way: VerifyWay;
  readonly batchWay: BatchWay;
  readonly authenticator: Authenticator;
  readonly access: ReadonlyMap<string, Access>;
  readonly maxMetadataBytes: number;
  readonly logger: Logger;
}): ServerInterceptor {
  const { way, batchWay, access, authenticator, maxMetadataBytes, logger } = options;
  const methods = new Map<string, LaneMethod>();

  /** grpc-js decodes a message by the path, so each has the type that stands here. */
  function add(name: string, tryAnswerRequest: (request: never, caller: Caller) => unknown): void {
    const path = `/latchkey.v1.VerifyService/${name}`;
    const rule = access.get(path);
    methods.set(path, {
      scopes: rule === undefined || rule === 'open' ? [] : rule.anyOf,
      tryAnswer: (request, caller) => tryAnswerRequest(request as never, caller),
    });
  }
  add('Verify', (request: VerifyRequest, caller) => way.tryAnswer(request, caller));
  add('BatchVerify', (request: BatchVerifyRequest, caller) => batchWay.tryAnswer(request, caller));

  /** Answers the call, if that needs no I/O. */
  function tryAnswer(
    method: LaneMethod,
    call: ServerInterceptingCallInterface,
    metadata: Metadata,
    request: unknown,
  ): boolean {
    try {
      requireSmallMetadata(Object.entries(metadata.toJSON()), maxMetadataBytes);
      const [authorization] = metadata.get('authorization');
      const caller = authenticator.tryAuthenticate(authorization?.toString());
      if (caller === undefined) return false;
      requireScope(caller, method.scopes);
      const response = method.tryAnswer(request, caller);
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

  return ({ path }, call) => {
    const method = methods.get(path);
    return method === undefined ? new ServerInterceptingCall(call) : new LaneCall(call, method, tryAnswer);
  };
}

/** What hears of a call: the handler, and the lane in its place. */
type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];

/** Answers a call, if that needs no I/O; false: the handler has to. */
type TryAnswer = (
  method: LaneMethod,
  call: ServerInterceptingCallInterface,
  metadata: Metadata,
  request: unknown,
) => boolean;

/**
 * A call that the lane reads before the handler does. What it cannot answer, the handler is given as if it had just
 * come: the metadata, and the message at the handler's own first read.
 *
 * It listens itself, one object a call; with a responder, grpc-js would make a dozen.
 */
class LaneCall extends ServerInterceptingCall implements Listener {
  readonly #call: ServerInterceptingCallInterface;
  readonly #method: LaneMethod;
  readonly #tryAnswer: TryAnswer;
  #handler: Listener | undefined;
  /** Until the handler has it. */
  #metadata: Metadata | undefined;
  /** Until the handler reads it. */
  #message: unknown;
  #answered = false;

  constructor(call: ServerInterceptingCallInterface, method: LaneMethod, tryAnswer: TryAnswer) {
    super(call);
    this.#call = call;
    this.#method = method;
    this.#tryAnswer = tryAnswer;
  }

  override start(handler: Listener): void {
    this.#handler = handler;
    this.#call.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
    this.#call.startRead();
  }

  onReceiveMessage(message: unknown): void {
    if (this.#metadata === undefined) {
      this.#handler?.onReceiveMessage(message);
      return;
    }
    this.#answered = this.#tryAnswer(this.#method, this.#call, this.#metadata, message);
    if (this.#answered) return;
    this.#message = message;
    this.#handOver();
  }

  onReceiveHalfClose(): void {
    if (this.#answered) return;
    // A call without a message: the handler knows what to say.
    this.#handOver();
    this.#handler?.onReceiveHalfClose();
  }

  onCancel(): void {
    this.#handler?.onCancel();
  }

  override startRead(): void {
    const message = this.#message;
    this.#message = undefined;
    if (message === undefined) this.#call.startRead();
    else this.#handler?.onReceiveMessage(message);
  }

  #handOver(): void {
    const metadata = this.#metadata;
    this.#metadata = undefined;
    if (metadata !== undefined) this.#handler?.onReceiveMetadata(metadata);
  }
}

const ignore = (): void => {};
const NO_METADATA = new Metadata();

// With the words that grpc-js gives the ordinary handler: an answer does not tell which way it came.
const OK = { code: GrpcStatus.OK, details: 'OK', metadata: null };
