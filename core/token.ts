/**
 * Tokens: `<token_prefix>_<key id: 16><secret: 32><checksum: 6>`, all base62 after the last underscore.
 *
 * The checksum is CRC-32 (IEEE 802.3, as in zlib) over everything before it. It is no secret: it lets a typing
 * error, a truncation and a scanner's false find be told from an unknown key without a look-up.
 */
import { hash } from 'node:crypto';
import { decodeBase62, encodeBase62, randomBase62, type RandomBytes } from './base62.ts';
import { crc32 } from './crc32.ts';
import { bareKeyId, ID_LENGTH, keyIdOf } from './ids.ts';

/** Characters of the secret: 32 base62, 190 bits. */
export const SECRET_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
/** Characters after the prefix's underscore. */
export const TOKEN_BODY_LENGTH = ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH;

/** The most characters of a token prefix. */
export const TOKEN_PREFIX_MAX = 24;

/** What a token prefix looks like; it does not end in an underscore. */
export const TOKEN_PREFIX_PATTERN = /^[a-z](?:[a-z0-9_]{0,22}[a-z0-9])?$/;

/** The longest token: a prefix, an underscore, and the body. */
export const TOKEN_LENGTH_MAX = TOKEN_PREFIX_MAX + 1 + TOKEN_BODY_LENGTH;

const TOKEN_PATTERN = /^[a-z](?:[a-z0-9_]{0,22}[a-z0-9])?_[0-9A-Za-z]{54}$/;

/** A token that has the right shape and checksum. Nothing is said of whether its key exists. */
export interface ParsedToken {
  /** The prefix, without the underscore that follows it. */
  readonly prefix: string;
  /** The id of the key, `key_…`. */
  readonly keyId: string;
}

/** A new token for a key; the only place where a secret comes into being. */
export function newToken(prefix: string, keyId: string, random?: RandomBytes): string {
  const unsigned = `${prefix}_${bareKeyId(keyId)}${randomBase62(SECRET_LENGTH, random)}`;
  return unsigned + encodeBase62(crc32(unsigned), CHECKSUM_LENGTH);
}

/** The parts of a token, or undefined for text that is none. Never throws; costs nothing on overlong text. */
export function parseToken(text: string): ParsedToken | undefined {
  if (text.length > TOKEN_LENGTH_MAX || !TOKEN_PATTERN.test(text)) return undefined;
  const signedEnd = text.length - CHECKSUM_LENGTH;
  if (crc32(text, signedEnd) !== decodeBase62(text, signedEnd)) return undefined;
  const bodyStart = text.length - TOKEN_BODY_LENGTH;
  return {
    prefix: text.slice(0, bodyStart - 1),
    keyId: keyIdOf(text.slice(bodyStart, bodyStart + ID_LENGTH)),
  };
}

/** What verification needs of a token: which key it claims to be, and what proves it. */
export interface PresentedToken {
  /** The id of the key, `key_…`. */
  readonly keyId: string;
  /** The SHA-256 digest of the whole token; 32 bytes. */
  readonly digest: Buffer;
}

/** Reads a token for verification; undefined for text that is none, which costs no digest. */
export function readToken(text: string): PresentedToken | undefined {
  const parsed = parseToken(text);
  return parsed === undefined ? undefined : { keyId: parsed.keyId, digest: digestToken(text) };
}

/** The SHA-256 digest of a whole token: all that is ever stored of it. 32 bytes. */
export function digestToken(token: string): Buffer {
  // crypto.hash is three times as fast as createHash for so short a text, and a text of bytes faster than a buffer.
  return Buffer.from(hash('sha256', token, 'binary'), 'latin1');
}

/** The last four characters of a token, by which people tell secrets of a key apart. They are of the checksum: 22 bits are told of a secret of 190. */
export function secretHint(token: string): string {
  return token.slice(-4);
}

/** What may be shown of a token anywhere: its prefix, its key's id and its last four characters. */
export function tokenHint(prefix: string, keyId: string, lastFour: string): string {
  return `${prefix}_${bareKeyId(keyId)}…${lastFour}`;
}
