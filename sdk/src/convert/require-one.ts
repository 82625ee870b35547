import { invalidArgument } from '../errors.ts';

/**
 * The one property that is there, of those of which one must be.
 *
 * @param field the property that holds them, for the error
 * @throws LatchkeyError INVALID_FIELD if none is there, or several: none may be passed over in silence
 */
export function requireOne<const Name extends string>(
  field: string,
  value: Readonly<Partial<Record<Name, unknown>>>,
  names: readonly Name[],
): Name {
  const [name, ...others] = names.filter((each) => value[each] !== undefined);
  if (name !== undefined && others.length === 0) return name;
  throw invalidArgument('INVALID_FIELD', [
    { field, description: `must have one of ${names.join(', ')}, and only one` },
  ]);
}
