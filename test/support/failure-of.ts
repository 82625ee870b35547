import { ClientError, type CallOptions } from 'nice-grpc';
import { BadRequest, ErrorInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';

/** All that a failed call told its client. */
export interface CallFailure {
  /** The status code, by its number. */
  readonly code: number;
  readonly message: string;
  /** Of ErrorInfo; empty: none was sent. */
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of BadRequest: the fields that were refused. */
  readonly fields: readonly string[];
  /** Of RetryInfo, ms; undefined: none was sent. */
  readonly retryAfterMs: number | undefined;
}

/**
 * Makes a call that must fail and returns its failure: `await failureOf((options) => keys.getKey({ id }, options))`.
 * @throws Error if the call succeeds, or fails without a status
 */
export async function failureOf(call: (options: CallOptions) => Promise<unknown>): Promise<CallFailure> {
  let details: Uint8Array | undefined;
  let answer: unknown;
  try {
    answer = await call({
      onTrailer: (trailer) => {
        details = trailer.get('grpc-status-details-bin');
      },
    });
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { code: error.code, ...readDetails(details), message: error.details };
  }
  throw new Error(`the call did not fail; it answered ${JSON.stringify(answer)}`);
}

function readDetails(trailer: Uint8Array | undefined): Omit<CallFailure, 'code' | 'message'> {
  const { details } = trailer === undefined ? { details: [] } : Status.decode(trailer);
  const valueOf = (name: string): Uint8Array | undefined =>
    details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${name}`)?.value;
  const info = valueOf('ErrorInfo');
  const request = valueOf('BadRequest');
  const retry = valueOf('RetryInfo');
  const { reason, domain, metadata } =
    info === undefined
      ? { reason: '', domain: '', metadata: new Map<string, string>() }
      : ErrorInfo.decode(info);
  const delay = retry === undefined ? undefined : RetryInfo.decode(retry).retryDelay;
  return {
    reason,
    domain,
    metadata: Object.fromEntries(metadata),
    fields: request === undefined ? [] : BadRequest.decode(request).fieldViolations.map(({ field }) => field),
    retryAfterMs: delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6,
  };
}
