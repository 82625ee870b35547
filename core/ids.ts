import { randomBase62, type RandomBytes } from './base62.ts';

/** Characters of the random part of an id: 16 base62, 95 bits. */
export const ID_LENGTH = 16;

const PREFIXES = {
  key: 'key_',
  keyspace: 'ks_',
  policy: 'pol_',
  secret: 'sec_',
  event: 'evt_',
  replica: 'rep_',
} as const;

/** What an id can belong to. */
export type IdKind = keyof typeof PREFIXES;

/** A new random id, such as `key_4hXv0cW2mQ9sL7Tz`. */
export function newId(kind: IdKind, random?: RandomBytes): string {
  return PREFIXES[kind] + randomBase62(ID_LENGTH, random);
}

/** The id of the key whose tokens carry `bareId` (16 base62 characters). */
export function keyIdOf(bareId: string): string {
  return PREFIXES.key + bareId;
}

/** The 16 characters of a key id that its tokens carry. */
export function bareKeyId(keyId: string): string {
  return keyId.slice(PREFIXES.key.length);
}

/** Whether `text` has the shape of an id of that kind. */
export function isId(kind: IdKind, text: string): boolean {
  const prefix = PREFIXES[kind];
  return (
    text.length === prefix.length + ID_LENGTH &&
    text.startsWith(prefix) &&
    /^[0-9A-Za-z]+$/.test(text.slice(prefix.length))
  );
}
