import { Metadata, status as grpcStatus } from '@grpc/grpc-js';
import { Fault } from '../../core/fault.ts';
import type { Any } from '../../proto/gen/google/protobuf/any.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import type { Logger } from '../telemetry/logger.ts';
import { toDuration } from './convert/times.ts';

/** The trailer in which a call's status is sent whole. https://grpc.io/docs/guides/error/#richer-error-model */
export const STATUS_DETAILS_TRAILER = 'grpc-status-details-bin';

/** A header block has to hold the text, percent-encoded, and the details. */
const MESSAGE_MAX = 1024;

/**
 * The status that an error is answered with: the public half of a fault, and nothing of any other error but that it
 * happened. The whole error goes to the log where it is a defect or the database's.
 */
export function statusOf(error: unknown, logger: Logger): Status {
  if (!(error instanceof Fault)) {
    logger.error({ err: error }, 'call.failed');
    return {
      code: grpcStatus.INTERNAL,
      message: 'an internal error; it was logged',
      details: [errorInfo('INTERNAL', {})],
    };
  }
  if (error.code === 'UNAVAILABLE')
    logger.debug({ err: error.cause, reason: error.reason }, 'call.unavailable');
  return {
    code: grpcStatus[error.code],
    message: cut(error.message),
    details: [errorInfo(error.reason, error.metadata), ...violationsOf(error), ...retryOf(error)],
  };
}

/** At most MESSAGE_MAX characters (code points), without breaking one. */
function cut(message: string): string {
  if (message.length <= MESSAGE_MAX) return message;
  const characters = Array.from(message.slice(0, 2 * MESSAGE_MAX + 1));
  return characters.length <= MESSAGE_MAX ? message : `${characters.slice(0, MESSAGE_MAX - 1).join('')}…`;
}

/** The trailers of a failed call. */
export function trailersOf(status: Status): Metadata {
  const trailers = new Metadata();
  trailers.set(STATUS_DETAILS_TRAILER, Buffer.from(Status.encode(status).finish()));
  return trailers;
}

function errorInfo(reason: string, metadata: Readonly<Record<string, string>>): Any {
  return pack(
    'ErrorInfo',
    ErrorInfo.encode({ reason, domain: 'latchkey', metadata: new Map(Object.entries(metadata)) }).finish(),
  );
}

function violationsOf({ violations }: Fault): Any[] {
  if (violations.length === 0) return [];
  return [pack('BadRequest', BadRequest.encode({ fieldViolations: [...violations] }).finish())];
}

function retryOf({ retryAfterMs }: Fault): Any[] {
  if (retryAfterMs === undefined) return [];
  return [pack('RetryInfo', RetryInfo.encode({ retryDelay: toDuration(retryAfterMs) }).finish())];
}

function pack(name: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${name}`, value: Buffer.from(value) };
}
