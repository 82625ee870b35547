import type { FieldViolation } from '../../core/fault.ts';
import { describeFailure } from './convert/failure.ts';
import type { ErrorCode, ErrorReason, LatchkeyErrorInit } from './types/error.ts';

/**
 * The only error of the SDK: Latchkey could not do, or could not decide, what it was asked. A token that is refused is
 * no error; it is a result with a verdict.
 *
 * No token is ever in it.
 */
export class LatchkeyError extends Error {
  override readonly name = 'LatchkeyError';
  /** The kind of the error. */
  readonly code: ErrorCode;
  /** Why: what to branch on. */
  readonly reason: ErrorReason;
  /** The fields that are out of their bounds, in the names of the contract (`key.display_name`); else empty. */
  readonly violations: readonly FieldViolation[];
  /** Facts for programs, such as the number of `keys` of a keyspace that is in use; else empty. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When it is worth trying again, ms from now, if Latchkey said so. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, init: LatchkeyErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.reason = init.reason;
    this.violations = init.violations ?? [];
    this.metadata = init.metadata ?? {};
    this.retryAfterMs = init.retryAfterMs;
  }

  /** Any thrown value as a LatchkeyError: itself if it is one, else one with the value as its `cause`. */
  static from(error: unknown): LatchkeyError {
    if (error instanceof LatchkeyError) return error;
    const { message, ...init } = describeFailure(error);
    return new LatchkeyError(message, { ...init, cause: error });
  }
}

/** The error of an argument that the SDK itself refuses. */
export function invalidArgument(
  reason: 'INVALID_OPTION' | 'INVALID_FIELD',
  violations: readonly FieldViolation[],
): LatchkeyError {
  const text = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return new LatchkeyError(`${text} [INVALID_ARGUMENT ${reason}]`, {
    code: 'INVALID_ARGUMENT',
    reason,
    violations,
  });
}

/** The error of an answer that this SDK does not understand. It fails closed: nothing is made up in its place. */
export function unexpectedResponse(what: string): LatchkeyError {
  return new LatchkeyError(
    `Latchkey answered with ${what}; use an SDK of the server's version [INTERNAL UNEXPECTED_RESPONSE]`,
    { code: 'INTERNAL', reason: 'UNEXPECTED_RESPONSE' },
  );
}
