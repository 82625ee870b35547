/**
 * Faults: what stops Latchkey from doing what it was asked. A refused token is no fault, it is a verdict.
 *
 * Every fault has a stable reason, which callers may rely on, and a public text. What is not public (a database
 * error, a stack) is its `cause`, which goes to the log and never to the caller.
 */

/** The gRPC status code that a reason is sent with, by its name. */
export type FaultCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'RESOURCE_EXHAUSTED'
  | 'UNIMPLEMENTED'
  | 'UNAVAILABLE'
  | 'UNAUTHENTICATED';

/** Every reason with its code. Reasons are stable: they are sent as `google.rpc.ErrorInfo.reason`. */
export const FAULT_CODES = {
  /** A field is out of its bounds; the violations name them all. */
  INVALID_FIELD: 'INVALID_ARGUMENT',
  /** The request id was used before, with another request. */
  IDEMPOTENCY_MISMATCH: 'INVALID_ARGUMENT',
  /** The call carries more metadata than is read. */
  METADATA_TOO_LARGE: 'RESOURCE_EXHAUSTED',
  KEY_NOT_FOUND: 'NOT_FOUND',
  KEYSPACE_NOT_FOUND: 'NOT_FOUND',
  POLICY_NOT_FOUND: 'NOT_FOUND',
  OWNER_NOT_FOUND: 'NOT_FOUND',
  /** Neither the key nor the owner has a limit of this name. */
  LIMIT_NOT_FOUND: 'NOT_FOUND',
  SLUG_TAKEN: 'ALREADY_EXISTS',
  POLICY_NAME_TAKEN: 'ALREADY_EXISTS',
  OWNER_EXISTS: 'ALREADY_EXISTS',
  /** Another key has the digest that was to be imported. */
  DIGEST_TAKEN: 'ALREADY_EXISTS',
  /** A revoked key cannot be changed any more. */
  KEY_REVOKED: 'FAILED_PRECONDITION',
  /** A deleted key must be undeleted before it can be changed. */
  KEY_DELETED: 'FAILED_PRECONDITION',
  /** A second rotation with an overlap, before the first is over. */
  ROTATION_UNDER_WAY: 'FAILED_PRECONDITION',
  /** There is no rotation to cancel. */
  NO_ROTATION: 'FAILED_PRECONDITION',
  KEYSPACE_IN_USE: 'FAILED_PRECONDITION',
  POLICY_IN_USE: 'FAILED_PRECONDITION',
  OWNER_IN_USE: 'FAILED_PRECONDITION',
  /** A batch would change more keys than one transaction should. */
  TOO_MANY_KEYS: 'FAILED_PRECONDITION',
  /** The limit is a rate limit: it has no balance. */
  NOT_CREDITS: 'FAILED_PRECONDITION',
  /** The limit is a balance: it has no number that could be overridden. */
  NOT_A_RATE_LIMIT: 'FAILED_PRECONDITION',
  /** More is to be taken from a balance than is there. */
  CREDITS_INSUFFICIENT: 'FAILED_PRECONDITION',
  /** A balance would grow beyond what can be counted. */
  BALANCE_TOO_LARGE: 'FAILED_PRECONDITION',
  /** The built-in keyspace cannot be changed or deleted. */
  KEYSPACE_BUILT_IN: 'FAILED_PRECONDITION',
  /** Someone else changed it since the etag was read. */
  ETAG_MISMATCH: 'ABORTED',
  /** The transaction kept colliding with others. */
  CONFLICT: 'ABORTED',
  /** No root token, or one that is not valid. */
  CALLER_UNKNOWN: 'UNAUTHENTICATED',
  /** The caller's root key lacks the scope. */
  CALLER_SCOPE_MISSING: 'PERMISSION_DENIED',
  /** The caller's root key has no access to the keyspace, whether it exists or not. */
  CALLER_KEYSPACE_NOT_ALLOWED: 'PERMISSION_DENIED',
  /** The database cannot be reached and memory may not answer. */
  DATABASE_UNAVAILABLE: 'UNAVAILABLE',
} as const satisfies Record<string, FaultCode>;

/** A stable reason. */
export type FaultReason = keyof typeof FAULT_CODES;

/** One field that is out of its bounds. */
export interface FieldViolation {
  /** The path of the field in the request, in the names of the contract: `key.scopes[3]`. */
  readonly field: string;
  /** What is wrong and what the bound is. */
  readonly description: string;
}

/** What a fault carries beside its reason and text. */
export interface FaultOptions {
  readonly violations?: readonly FieldViolation[];
  /** Facts for programs, sent as `google.rpc.ErrorInfo.metadata`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** When it is worth trying again, ms; sent as `google.rpc.RetryInfo`. */
  readonly retryAfterMs?: number;
  /** What happened inside; logged, never sent. */
  readonly cause?: unknown;
}

/** The only error that rooms throw on purpose; anything else is a defect and is sent as INTERNAL without its text. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly reason: FaultReason;
  readonly code: FaultCode;
  readonly violations: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(reason: FaultReason, message: string, options: FaultOptions = {}) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.code = FAULT_CODES[reason];
    this.violations = options.violations ?? [];
    this.metadata = options.metadata ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** When it is worth trying again after the database did not answer, ms. */
const DATABASE_RETRY_MS = 1000;

/** The fault of a database that does not answer. @param cause what it was noticed by */
export function databaseUnavailable(
  cause: unknown,
  message = 'the database does not answer; try again shortly',
): Fault {
  return new Fault('DATABASE_UNAVAILABLE', message, { retryAfterMs: DATABASE_RETRY_MS, cause });
}

/** The fault of one or more fields out of their bounds. */
export function invalidFields(violations: readonly FieldViolation[]): Fault {
  const text = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return new Fault('INVALID_FIELD', text, { violations });
}
