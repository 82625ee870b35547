import type { KeyRecord } from '../../core/key.ts';

/**
 * The text that keys are searched in: what of a key people know, folded, one to a line. Nothing of it holds a line
 * break, so that what is looked for is found within one of them only.
 */
export function searchTextOf({
  displayName,
  ownerId,
  id,
}: Pick<KeyRecord, 'displayName' | 'ownerId' | 'id'>): string {
  return [displayName, ownerId, id].map(foldText).join('\n');
}

/** What is left of such a text of a key that has lost its owner, in SQL. */
export const SEARCH_TEXT_WITHOUT_OWNER = `split_part(search_text, E'\\n', 1) || E'\\n\\n' || split_part(search_text, E'\\n', 3)`;

/**
 * A text without what people do not tell apart when they look for it: upper and lower case, and compatibility forms
 * (Unicode NFKC). Folded here, so that it does not depend on the database's locale.
 */
export function foldText(text: string): string {
  // A sigma at the end of a word is one in the middle of a longer text.
  return text.normalize('NFKC').toLowerCase().replaceAll('ς', 'σ');
}

/** The grams of `latchkey_grams`: every three characters in a row. */
const GRAM = 3;

/**
 * What a folded text's grams must all hold for it to contain another: a `tsquery`. A text of fewer characters than a
 * gram has is the beginning of one.
 *
 * @param folded one character or more
 */
export function gramsQuery(folded: string): string {
  const characters = Array.from(folded);
  if (characters.length < GRAM) return `${quoted(folded)}:*`;
  const grams = characters
    .slice(0, 1 - GRAM)
    .map((_, place) => characters.slice(place, place + GRAM).join(''));
  return [...new Set(grams)].map(quoted).join(' & ');
}

function quoted(gram: string): string {
  return `'${gram.replaceAll(/['\\]/g, '$&$&')}'`;
}
