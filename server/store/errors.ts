import { databaseUnavailable, Fault } from '../../core/fault.ts';

/** SQLSTATEs and system codes by what they mean to us. https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  '25006', // read_only_sql_transaction: we talk to a standby
  '25P03', // idle_in_transaction_session_timeout
  '53300', // too_many_connections
  '55P03', // lock_not_available: lock_timeout
  '57014', // query_canceled: statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
]);
const COLLISION = new Set(['40001', '40P01']);

/** Errors of pg and knex that carry no code. */
const UNAVAILABLE_TEXT =
  /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|timeout expired|Query read timeout|Timeout acquiring a connection|Unable to acquire a connection|not queryable|Connection ended/i;

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/** Whether the database did not answer, as opposed to answering with an error. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  if (UNAVAILABLE.has(code) || code.startsWith('08')) return true;
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  return code === '' && error instanceof Error && UNAVAILABLE_TEXT.test(error.message);
}

/** Whether running the transaction again may help. */
export function isCollision(error: unknown): boolean {
  return COLLISION.has(codeOf(error));
}

export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === '23505';
}

export function isForeignKeyViolation(error: unknown): boolean {
  return codeOf(error) === '23503';
}

/** The fault that an error of the database stands for; other errors are returned as they are. */
export function faultOf(error: unknown): unknown {
  if (error instanceof Fault) return error;
  if (isUnavailable(error)) return databaseUnavailable(error);
  if (isCollision(error)) {
    return new Fault('CONFLICT', 'the change kept colliding with others; try again', { cause: error });
  }
  return error;
}
