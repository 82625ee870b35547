import { invalidArgument } from '../errors.ts';

/**
 * A number to send as one without fractions or a sign. Whether it is within its bounds is for the server to say.
 *
 * @throws LatchkeyError INVALID_FIELD if it has no such form, or is more than a number can tell exactly
 */
export function toCount(field: string, value: number): bigint {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidArgument('INVALID_FIELD', [{ field, description: 'must be a whole number, 0 or more' }]);
  }
  return BigInt(value);
}
