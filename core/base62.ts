import { randomBytes } from 'node:crypto';

/** Digits, upper case, lower case: the order of ASCII, so that text sorts as its numbers do. */
export const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A source of `size` uniformly random bytes; `crypto.randomBytes` outside of tests. */
export type RandomBytes = (size: number) => Uint8Array;

/**
 * `length` uniformly random base62 characters (log2(62) ≈ 5.954 bits each).
 *
 * Bytes of 248 (= 4 × 62) and above are thrown away: a plain `byte % 62` would make the first eight
 * characters of the alphabet more likely than the others.
 */
export function randomBase62(length: number, random: RandomBytes = randomBytes): string {
  let text = '';
  while (text.length < length) {
    for (const byte of random(length - text.length + 8)) {
      if (byte < 248 && text.length < length) text += BASE62[byte % 62];
    }
  }
  return text;
}

/** `value` in base62, padded with zeros on the left to `length` characters. */
export function encodeBase62(value: number, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest = Math.floor(rest / 62)) {
    text = BASE62.charAt(rest % 62) + text;
  }
  return text;
}

/** The number that stands in base62 from `start` to the end of a text; NaN if something else stands there. */
export function decodeBase62(text: string, start = 0): number {
  let value = 0;
  for (let index = start; index < text.length; index += 1) {
    value = value * 62 + (DIGIT_VALUES[text.charCodeAt(index)] ?? NaN);
  }
  return value;
}

/** What each character is worth, by its code. */
const DIGIT_VALUES: readonly (number | undefined)[] = Array.from({ length: 128 }, (_, code) => {
  const value = BASE62.indexOf(String.fromCharCode(code));
  return value < 0 ? undefined : value;
});
