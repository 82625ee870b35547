import { ClientError, Status as StatusCode, type Metadata } from 'nice-grpc';
import { Status } from '../../../proto/gen/google/rpc/status.ts';

/** Where Latchkey sends the whole status of a failed call. https://grpc.io/docs/guides/error/#richer-error-model */
const STATUS_DETAILS_TRAILER = 'grpc-status-details-bin';

/** nice-grpc's error of a call, with the status that came in the trailer: nice-grpc drops it. */
export class FailedCall extends ClientError {
  readonly status: Status | undefined;

  constructor({ path, code, details }: ClientError, trailer: Metadata | undefined) {
    // A server that ends resets its streams, and grpc-js calls that CANCELLED. It is a lost connection like any other:
    // a call that we give up ourselves is never rejected with a ClientError.
    if (code === StatusCode.CANCELLED) super(path, StatusCode.UNAVAILABLE, 'the server ended the call');
    else super(path, code, details);
    this.status = readStatus(trailer?.get(STATUS_DETAILS_TRAILER), this.code);
  }
}

/** The status in a trailer, unless it is unreadable or, as after a proxy's interference, about something else. */
function readStatus(trailer: Uint8Array | undefined, code: number): Status | undefined {
  if (trailer === undefined) return undefined;
  try {
    const status = Status.decode(trailer);
    return status.code === code ? status : undefined;
  } catch {
    return undefined;
  }
}
