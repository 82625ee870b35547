/**
 * Why a token passes or does not, in the order in which the checks run: the first that fails is the answer.
 */
export const VERDICTS = [
  'MALFORMED',
  'NOT_FOUND',
  'REVOKED',
  'DISABLED',
  'OWNER_SUSPENDED',
  'EXPIRED',
  'SECRET_RETIRED',
  'CLIENT_NOT_ALLOWED',
  'OPERATION_NOT_ALLOWED',
  'RESOURCE_NOT_ALLOWED',
  'SCOPE_MISSING',
  'RATE_LIMITED',
  'CREDITS_EXHAUSTED',
  'VALID',
] as const;

/** The answer of a verification. */
export type Verdict = (typeof VERDICTS)[number];

/** Which condition on the client did not hold. */
export const CLIENT_REFUSALS = [
  'IP_MISSING',
  'IP_NOT_ALLOWED',
  'APPLICATION_MISSING',
  'REFERRER_NOT_ALLOWED',
  'ANDROID_APP_NOT_ALLOWED',
  'IOS_APP_NOT_ALLOWED',
] as const;

/** With CLIENT_NOT_ALLOWED: the condition. */
export type ClientRefusal = (typeof CLIENT_REFUSALS)[number];
