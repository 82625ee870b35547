import { invalidArgument } from '../errors.ts';

/**
 * The update mask of a change: the paths of the properties that it has.
 *
 * @param paths every property that a change may have, with its path in the contract
 * @throws LatchkeyError INVALID_FIELD if there is nothing to change, or a property that is not known: a misspelt one
 * must not be lost in silence
 */
export function fieldMask<Change extends object>(
  change: Change,
  paths: Readonly<Record<keyof Change & string, string>>,
): string[] {
  const known = paths as Readonly<Record<string, string>>;
  const mask: string[] = [];
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) continue;
    const path = Object.hasOwn(known, name) ? known[name] : undefined;
    if (path === undefined)
      throw refused(name, `cannot be changed; what can: ${Object.keys(known).join(', ')}`);
    mask.push(path);
  }
  if (mask.length === 0)
    throw refused('change', `is empty; give at least one of ${Object.keys(known).join(', ')}`);
  return mask;
}

function refused(field: string, description: string): Error {
  return invalidArgument('INVALID_FIELD', [{ field, description }]);
}
