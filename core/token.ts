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

/** What verification needs of a token: what its key is found by, and what proves it. */
export interface PresentedToken {
  /** The id of the key, `key_…`; of a foreign token its digest, see `digestRef`. */
  readonly ref: string;
  /** Whether it may have been made elsewhere: it is no token of ours, but its key may have been imported. */
  readonly foreign: boolean;
  /** The SHA-256 digest of the whole token; 32 bytes. */
  readonly digest: Buffer;
}

/** The most characters of a foreign token. */
export const FOREIGN_TOKEN_LENGTH_MAX = 512;

/**
 * Reads a token for verification. Undefined, and without a digest: an empty text, one too long, and a token of ours
 * whose checksum does not fit.
 */
export function readToken(text: string): PresentedToken | undefined {
  const parsed = parseToken(text);
  if (parsed !== undefined) return { ref: parsed.keyId, foreign: false, digest: digestToken(text) };
  if (text === '' || text.length > FOREIGN_TOKEN_LENGTH_MAX || TOKEN_PATTERN.test(text)) return undefined;
  const digest = digestToken(text);
  return { ref: digestRef(digest.toString('hex')), foreign: true, digest };
}

const DIGEST_REF = 'sha256:';

/** What an imported key is found by: its digest, marked so that it cannot be taken for a key id. */
export function digestRef(digestHex: string): string {
  return DIGEST_REF + digestHex;
}

/** The digest in such a reference, in hex; undefined for a key id. */
export function digestOfRef(ref: string): string | undefined {
  return ref.startsWith(DIGEST_REF) ? ref.slice(DIGEST_REF.length) : undefined;
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
