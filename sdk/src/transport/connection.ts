import {
  ChannelCredentials,
  ClientError,
  createChannel,
  createClientFactory,
  Metadata,
  Status,
  type CallOptions as RpcOptions,
  type Client,
} from 'nice-grpc';
import { deadlineMiddleware, type DeadlineOptions } from 'nice-grpc-client-middleware-deadline';
import { retryMiddleware, type RetryOptions } from 'nice-grpc-client-middleware-retry';
import { HealthDefinition } from '../../../proto/gen/grpc/health/v1/health.ts';
import { KeyServiceDefinition } from '../../../proto/gen/latchkey/v1/key_service.ts';
import { KeyspaceServiceDefinition } from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import { LimitServiceDefinition } from '../../../proto/gen/latchkey/v1/limit_service.ts';
import { OwnerServiceDefinition } from '../../../proto/gen/latchkey/v1/owner_service.ts';
import { PolicyServiceDefinition } from '../../../proto/gen/latchkey/v1/policy_service.ts';
import { ReplicaServiceDefinition } from '../../../proto/gen/latchkey/v1/replica_service.ts';
import { VerifyServiceDefinition } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { attemptMiddleware, type Attempts } from './attempts.ts';
import { invalidArgument, LatchkeyError } from '../errors.ts';
import { resolveDeadline, type ResolvedOptions, type TlsOptions } from '../options.ts';
import type { CallOptions } from '../types/call.ts';

/** The first pause before a try is repeated, ms; it doubles with each, and half of it is random. */
const RETRY_DELAY_MS = 50;

/** After this time without an answer to a keepalive ping the connection is given up, ms. */
const KEEPALIVE_TIMEOUT_MS = 5000;

/**
 * The first and the longest pause before a lost connection is tried again, ms. Those of grpc-js, 1 s and 2 min, would
 * outlast a restart by far.
 */
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 5000;

/** The largest answer, bytes: a page of 1000 keys of the usual size has about 1 MB, of the largest far more. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

type Options = DeadlineOptions & RetryOptions & { attempts: Attempts };
type Rpc<Request, Response> = (request: Request, options?: RpcOptions & Options) => Promise<Response>;

/** A channel to Latchkey with the clients of its services, and the one way in which every call is made. */
export interface Connection {
  readonly verify: Client<VerifyServiceDefinition, Options>;
  readonly keys: Client<KeyServiceDefinition, Options>;
  readonly keyspaces: Client<KeyspaceServiceDefinition, Options>;
  readonly policies: Client<PolicyServiceDefinition, Options>;
  readonly owners: Client<OwnerServiceDefinition, Options>;
  readonly limits: Client<LimitServiceDefinition, Options>;
  readonly replicas: Client<ReplicaServiceDefinition, Options>;
  readonly health: Client<HealthDefinition, Options>;
  /**
   * Makes a call: with the token, a deadline, retries.
   *
   * @param fallbackMs the deadline if the options have none; default: the client's `deadlineMs`
   * @throws LatchkeyError, and nothing else
   */
  call<Request, Response>(
    rpc: Rpc<Request, Response>,
    request: Request,
    options: CallOptions,
    fallbackMs?: number,
  ): Promise<Response>;
  close(): void;
}

/**
 * Makes a channel; it connects with the first call, and again whenever it has to.
 *
 * @throws LatchkeyError INVALID_OPTION if the certificates cannot be used
 */
export function createConnection(options: ResolvedOptions): Connection {
  const { address, token, tls, retries, keepaliveMs } = options;
  const channel = createChannel(address, credentialsOf(tls), {
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MIN_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
    'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
  });
  const metadata = Metadata({ authorization: `Bearer ${token}` });
  let closed = false;

  // The last is the outermost: one deadline over all the tries.
  const factory = createClientFactory().use(attemptMiddleware).use(retryMiddleware).use(deadlineMiddleware);

  return {
    verify: factory.create(VerifyServiceDefinition, channel),
    keys: factory.create(KeyServiceDefinition, channel),
    keyspaces: factory.create(KeyspaceServiceDefinition, channel),
    policies: factory.create(PolicyServiceDefinition, channel),
    owners: factory.create(OwnerServiceDefinition, channel),
    limits: factory.create(LimitServiceDefinition, channel),
    replicas: factory.create(ReplicaServiceDefinition, channel),
    health: factory.create(HealthDefinition, channel),

    async call(rpc, request, callOptions, fallbackMs = options.deadlineMs) {
      if (closed) throw closedError();
      const deadlineMs = resolveDeadline(callOptions, fallbackMs);
      const attempts: Attempts = {
        retriesLeft: retries,
        endMs: performance.now() + deadlineMs,
        lastFailure: undefined,
      };
      try {
        return await rpc(request, {
          metadata,
          attempts,
          deadline: deadlineMs,
          retry: true,
          retryableStatuses: [Status.UNAVAILABLE],
          retryMaxAttempts: retries,
          retryBaseDelayMs: RETRY_DELAY_MS,
          ...(callOptions.signal === undefined ? {} : { signal: callOptions.signal }),
        });
      } catch (error) {
        throw errorOf(error, { signal: callOptions.signal, deadlineMs, attempts });
      }
    },

    close() {
      closed = true;
      channel.close();
    },
  };
}

function errorOf(
  error: unknown,
  call: {
    readonly signal: AbortSignal | undefined;
    readonly deadlineMs: number;
    readonly attempts: Attempts;
  },
): LatchkeyError {
  const { signal, deadlineMs, attempts } = call;
  if (!(error instanceof ClientError)) {
    // What a call that is given up is rejected with depends on who noticed first.
    return signal?.aborted === true ? cancelledError(signal) : LatchkeyError.from(error);
  }
  if (error.code !== Status.DEADLINE_EXCEEDED) return LatchkeyError.from(error);
  const { lastFailure } = attempts;
  const { message, code, reason } = LatchkeyError.from(
    new ClientError(error.path, error.code, `no answer within ${deadlineMs} ms`),
  );
  return new LatchkeyError(message, { code, reason, cause: lastFailure ?? error });
}

function cancelledError({ reason: cause }: AbortSignal): LatchkeyError {
  return new LatchkeyError('the call was given up by its signal [CANCELLED CANCELLED]', {
    code: 'CANCELLED',
    reason: 'CANCELLED',
    cause,
  });
}

function closedError(): LatchkeyError {
  return new LatchkeyError(
    'this client was closed; make another with createLatchkey [FAILED_PRECONDITION CLIENT_CLOSED]',
    { code: 'FAILED_PRECONDITION', reason: 'CLIENT_CLOSED' },
  );
}

function credentialsOf(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure();
  try {
    return ChannelCredentials.createSsl(bytesOf(tls.ca), bytesOf(tls.key), bytesOf(tls.cert));
  } catch (cause) {
    const description = `cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw invalidArgument('INVALID_OPTION', [{ field: 'tls', description }]);
  }
}

function bytesOf(pem: string | Uint8Array | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}
