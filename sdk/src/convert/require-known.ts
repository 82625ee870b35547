import { invalidArgument } from '../errors.ts';

/**
 * Refuses properties that are not known, where losing a misspelt one in silence would open more than was meant: a
 * restriction that restricts nothing, a choice of more keys.
 *
 * @param field the property that holds them, for the error
 * @throws LatchkeyError INVALID_FIELD
 */
export function requireKnown(field: string, value: object, known: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw invalidArgument('INVALID_FIELD', [
    { field: `${field}.${unknown}`, description: `is not known; what is: ${known.join(', ')}` },
  ]);
}
