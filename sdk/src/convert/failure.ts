import { fromMap } from './metadata.ts';
import { ClientError, Status as StatusCode } from 'nice-grpc';
import { BadRequest, ErrorInfo, RetryInfo } from '../../../proto/gen/google/rpc/error_details.ts';
import type { Status } from '../../../proto/gen/google/rpc/status.ts';
import { FailedCall } from '../transport/failed-call.ts';
import type { ErrorCode, ErrorReason, LatchkeyErrorInit, LocalReason } from '../types/error.ts';
import { fromDuration } from './from-duration.ts';

/** What a LatchkeyError is made of. */
export interface Failure extends LatchkeyErrorInit {
  readonly message: string;
}

/** What any thrown value says, as far as it says anything. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof ClientError) {
    const status = error instanceof FailedCall ? error.status : undefined;
    const rpc = error.path.slice(error.path.lastIndexOf('/') + 1);
    return describeStatus(status ?? { code: error.code, message: error.details, details: [] }, rpc);
  }
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === 'AbortError') return failure('CANCELLED', 'CANCELLED', text);
  return failure('UNKNOWN', 'UNKNOWN', text);
}

/** What a status says that was sent for a call or for an entry of a batch. */
export function describeStatus(status: Status, rpc: string): Failure {
  const code = codeName(status.code);
  const { reason, metadata, ...rest } = readDetails(status);
  const known = reason ?? LOCAL_REASONS[code] ?? 'UNKNOWN';
  const text = status.message === '' ? 'no text was sent' : tidy(status.message);
  return { ...failure(code, known, `${rpc}: ${text}${HINTS[known] ?? ''}`), metadata, ...rest };
}

/** grpc-js tells of lost connections in several lines, the last of which is often empty. */
function tidy(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[. ]*(Resolution note: ?)?$/, '');
}

/** What to do, where the text of the status does not say it. */
const HINTS: Readonly<Record<string, string>> = {
  CALLER_UNKNOWN: '; check the `token` option of createLatchkey',
  UNREACHABLE:
    '; check that Latchkey runs, and that the `address` and `tls` options of createLatchkey fit its listener',
  DEADLINE_EXCEEDED: '; Latchkey is too slow or cannot be reached: look at it before you raise `deadlineMs`',
} satisfies Partial<Record<ErrorReason, string>>;

/** Reasons of statuses that are not Latchkey's own: they carry none. */
const LOCAL_REASONS: Partial<Readonly<Record<ErrorCode, LocalReason>>> = {
  UNAVAILABLE: 'UNREACHABLE',
  DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
  CANCELLED: 'CANCELLED',
};

function failure(code: ErrorCode, reason: ErrorReason, text: string): Failure {
  return { message: `${text} [${code} ${reason}]`, code, reason };
}

function codeName(code: number): ErrorCode {
  const name: string | undefined = StatusCode[code];
  return name === undefined || name === 'OK' ? 'UNKNOWN' : (name as ErrorCode);
}

/** The details that Latchkey sends; others are passed over. https://google.aip.dev/193 */
function readDetails({ details }: Status): Pick<
  LatchkeyErrorInit,
  'metadata' | 'violations' | 'retryAfterMs'
> & {
  readonly reason?: string;
} {
  const find = (name: string): Buffer | undefined =>
    details.find(({ typeUrl }) => typeUrl.endsWith(`/google.rpc.${name}`))?.value;
  const info = find('ErrorInfo');
  const badRequest = find('BadRequest');
  const retry = find('RetryInfo');
  const { reason, metadata } = info === undefined ? {} : ErrorInfo.decode(info);
  return {
    ...(reason === undefined || reason === '' ? {} : { reason }),
    ...(metadata === undefined ? {} : { metadata: fromMap(metadata) }),
    ...(badRequest === undefined ? {} : { violations: BadRequest.decode(badRequest).fieldViolations }),
    ...(retry === undefined ? {} : { retryAfterMs: fromDuration(RetryInfo.decode(retry).retryDelay) }),
  };
}
