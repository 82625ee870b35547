import type { Fields } from './fields.ts';

const PATHS_MAX = 64;

/** How each attribute is read from a message. */
export type AttributeReaders<Message, Attributes> = {
  readonly [A in keyof Attributes]: (fields: Fields, message: Message) => Attributes[A];
};

/** What an update may change, and how. */
interface Updating<Message, Attributes> {
  /** The paths that an update mask may name, with the attribute that each stands for. */
  readonly updatable: Readonly<Record<string, keyof Attributes>>;
  readonly read: AttributeReaders<Message, Attributes>;
}

/** The new values of the attributes that an update mask names; a mask that names none is refused. */
export function readMasked<Message, Attributes>(
  fields: Fields,
  message: Message,
  mask: readonly string[] | undefined,
  { updatable, read }: Updating<Message, Attributes>,
): Partial<Attributes> {
  const change: Partial<Attributes> = {};
  for (const path of readMask(fields, mask, Object.keys(updatable))) {
    const attribute = updatable[path];
    if (attribute !== undefined) change[attribute] = read[attribute](fields, message);
  }
  return change;
}

/** The paths of an update mask, each one of `known` and in its order. */
function readMask(
  fields: Fields,
  mask: readonly string[] | undefined,
  known: readonly string[],
): readonly string[] {
  if (mask === undefined || mask.length === 0) {
    fields.refuse('update_mask', `must name at least one of ${known.join(', ')}`);
    return [];
  }
  if (mask.length > PATHS_MAX) {
    fields.refuse('update_mask', `must have at most ${PATHS_MAX} paths`);
    return [];
  }
  mask.forEach((path, index) => {
    if (!known.includes(path))
      fields.refuse(`update_mask.paths[${index}]`, `must be one of ${known.join(', ')}`);
  });
  return known.filter((path) => mask.includes(path));
}
