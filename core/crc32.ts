/**
 * CRC-32 as in IEEE 802.3, zlib and PNG: the reflected polynomial 0xEDB88320, started and ended with all bits set.
 *
 * Node's `zlib.crc32` gives the same; for texts as short as a token, the way into it costs five times the sum itself.
 */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** The checksum of the first `length` characters of an ASCII text; from 0 to 2^32 - 1. */
export function crc32(text: string, length = text.length): number {
  let rest = 0xffff_ffff;
  for (let index = 0; index < length; index += 1) {
    rest = (rest >>> 8) ^ (TABLE[(rest ^ text.charCodeAt(index)) & 0xff] ?? 0);
  }
  return ~rest >>> 0;
}
