import { crc32 } from 'node:zlib';
import { encodeBase62 } from '../../../core/base62.ts';

/** Characters of a token's checksum. */
const CHECKSUM_LENGTH = 6;

/** A text with the checksum of a token after it: what anyone can make who has read the documentation. */
export function sign(unsigned: string): string {
  return unsigned + encodeBase62(crc32(unsigned), CHECKSUM_LENGTH);
}

/** A token without its checksum. */
export function unsign(token: string): string {
  return token.slice(0, -CHECKSUM_LENGTH);
}
