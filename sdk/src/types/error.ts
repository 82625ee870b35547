import type { FaultReason, FieldViolation } from '../../../core/fault.ts';

/** The kind of an error: the name of a gRPC status. https://grpc.io/docs/guides/status-codes/ */
export type ErrorCode =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/** Reasons of errors that Latchkey itself did not send. */
export type LocalReason =
  /** No connection, or it broke: UNAVAILABLE. */
  | 'UNREACHABLE'
  /** No answer in time: DEADLINE_EXCEEDED. */
  | 'DEADLINE_EXCEEDED'
  /** The call was given up, by its signal or on the way: CANCELLED. */
  | 'CANCELLED'
  /** An option of the client or of the call is out of its bounds: INVALID_ARGUMENT; the violations name them all. */
  | 'INVALID_OPTION'
  /** The client was closed before the call: FAILED_PRECONDITION. */
  | 'CLIENT_CLOSED'
  /** The answer is not one that this version of the SDK understands: INTERNAL. */
  | 'UNEXPECTED_RESPONSE'
  /** Anything else. */
  | 'UNKNOWN';

/**
 * Why, as a stable text to branch on. Reasons that this version of the SDK knows are completed by the editor; a newer
 * server may send others. `INTERNAL` is a defect of the server, which it has logged.
 */
export type ErrorReason = FaultReason | 'INTERNAL' | LocalReason | (string & Record<never, never>);

/** What an error is made of, beside its text. */
export interface LatchkeyErrorInit {
  readonly code: ErrorCode;
  readonly reason: ErrorReason;
  readonly violations?: readonly FieldViolation[] | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}
