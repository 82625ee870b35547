/**
 * IP restrictions: from which addresses a key may be used.
 *
 * Addresses are compared as numbers, so all spellings of one are the same. An IPv4-mapped IPv6 address
 * (`::ffff:10.0.0.1`, which is how a dual-stack socket shows an IPv4 peer) is the IPv4 address, in ranges as in
 * addresses. No other IPv6 address that carries an IPv4 one (IPv4-compatible `::10.0.0.1`, 6to4 `2002:a00:1::`,
 * NAT64 `64:ff9b::10.0.0.1`) is: it comes through a gateway, or from whoever chose to write it so. Hence `::/0` is
 * all of IPv6 and none of IPv4, and `0.0.0.0/0` the reverse.
 */

/** Tells whether an address is in any range. What is no address is in none. */
export type IpMatcher = (ip: string) => boolean;

/** An address as 32-bit words, most significant first: one for IPv4, four for IPv6. */
type Words = readonly number[];

/** All addresses that begin with the first `prefix` bits of `first`, whose other bits are 0. */
interface Range {
  readonly first: Words;
  readonly prefix: number;
}

const NOT_A_RANGE = 'must be an IPv4 or IPv6 address or CIDR range';

const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** What comes before the IPv4 address in an IPv4-mapped one, and its length in bits. */
const MAPPED_WORD = 0xffff;
const MAPPED_BITS = 96;

/**
 * What is wrong with an entry of `allowed_ips`, as the end of a sentence; undefined: nothing.
 *
 * A range whose address has bits set after its prefix (`10.0.0.1/24`) is refused: it is not clear whether the host
 * or its network is meant, and the wrong guess opens 255 addresses or closes them.
 *
 * @param text an address or CIDR range, without zone id, port, brackets, whitespace or leading zeros in IPv4
 */
export function ipRangeFault(text: string): string | undefined {
  const range = readRange(text);
  return typeof range === 'string' ? range : undefined;
}

/**
 * Compiles the ranges into sorted lists without overlaps, one for IPv4 and one for IPv6, so that an address costs
 * one binary search: 11 comparisons at 1000 ranges.
 *
 * @param ranges entries that `ipRangeFault` finds nothing wrong with; any other allows nothing. No ranges match no
 *   address: that an empty list is no restriction is for the caller to know
 */
export function compileIps(ranges: readonly string[]): IpMatcher {
  const v4: Range[] = [];
  const v6: Range[] = [];
  for (const text of ranges) {
    const range = readRange(text);
    if (typeof range !== 'string') (range.first.length === 1 ? v4 : v6).push(range);
  }
  const sortedV4 = withoutOverlaps(v4);
  const sortedV6 = withoutOverlaps(v6);
  return (ip) => {
    const address = readIp(ip);
    return address !== undefined && holds(address.length === 1 ? sortedV4 : sortedV6, address);
  };
}

/** Two CIDR ranges are apart or one holds the other, so sorting (the wide before the narrow) brings nests together. */
function withoutOverlaps(ranges: readonly Range[]): readonly Range[] {
  const apart: Range[] = [];
  for (const range of ranges.toSorted((a, b) => compare(a.first, b.first) || a.prefix - b.prefix)) {
    const last = apart.at(-1);
    if (last === undefined || !isWithin(range.first, last)) apart.push(range);
  }
  return apart;
}

function holds(ranges: readonly Range[], address: Words): boolean {
  let low = 0;
  let high = ranges.length;
  let candidate: Range | undefined;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range !== undefined && compare(range.first, address) <= 0) {
      candidate = range;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return candidate !== undefined && isWithin(address, candidate);
}

function compare(a: Words, b: Words): number {
  for (let index = 0; index < a.length; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function isWithin(address: Words, { first, prefix }: Range): boolean {
  return compare(maskedTo(prefix, address), first) === 0;
}

/** The address with all bits after its first `prefix` set to 0. */
function maskedTo(prefix: number, address: Words): Words {
  return address.map((word, index) => {
    const bits = Math.min(Math.max(prefix - 32 * index, 0), 32);
    // A shift by 32 is a shift by 0 in JavaScript.
    return bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
  });
}

/** A range, or what is wrong with it. */
function readRange(text: string): Range | string {
  const slash = text.indexOf('/');
  const addressText = slash === -1 ? text : text.slice(0, slash);
  const address = readIp(addressText);
  if (address === undefined) return NOT_A_RANGE;
  const bits = address.length * 32;
  if (slash === -1) return { first: address, prefix: bits };

  const prefixText = text.slice(slash + 1);
  const written = /^(?:0|[1-9]\d{0,2})$/.test(prefixText) ? Number(prefixText) : -1;
  const isMapped = bits === 32 && addressText.includes(':');
  const mostWritten = isMapped ? MAPPED_BITS + 32 : bits;
  if (written < 0 || written > mostWritten) {
    return `must have a prefix from 0 to ${mostWritten} after its slash, or no slash`;
  }
  if (isMapped && written < MAPPED_BITS) {
    return `must have a prefix from ${MAPPED_BITS}, as it is an IPv4-mapped address; better write the IPv4 range`;
  }
  const prefix = isMapped ? written - MAPPED_BITS : written;
  const first = maskedTo(prefix, address);
  if (compare(first, address) !== 0) {
    return `has bits set after its prefix of ${written}; ${format(first)}/${prefix} was probably meant`;
  }
  return { first, prefix };
}

/** The address of a text; undefined if it is none. */
function readIp(text: string): Words | undefined {
  // Nothing longer is an address; it also bounds the work that a hostile text can make.
  if (text.length > 45) return undefined;
  if (!text.includes(':')) {
    const address = readIpv4(text);
    return address === undefined ? undefined : [address];
  }
  const groups = readIpv6(text);
  if (groups === undefined) return undefined;
  const words = [0, 2, 4, 6].map((index) => (groups[index] ?? 0) * 0x1_0000 + (groups[index + 1] ?? 0));
  const [high, low, middle, last] = words;
  return high === 0 && low === 0 && middle === MAPPED_WORD && last !== undefined ? [last] : words;
}

/**
 * The four octets as one number. An octet has no leading zero: some readers take `010` for
 * 8 and some for 10, and the two must not differ on who is allowed.
 */
function readIpv4(text: string): number | undefined {
  let address = 0;
  let octets = 1;
  let octet = 0;
  let digits = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (digits === 0 || octets === 4) return undefined;
      address = address * 256 + octet;
      octets += 1;
      octet = 0;
      digits = 0;
    } else if (code >= DIGIT_0 && code <= DIGIT_9) {
      if (digits > 0 && octet === 0) return undefined;
      octet = octet * 10 + code - DIGIT_0;
      digits += 1;
      if (octet > 255) return undefined;
    } else {
      return undefined;
    }
  }
  return octets === 4 && digits > 0 ? address * 256 + octet : undefined;
}

/** The eight 16-bit groups, by RFC 4291 section 2.2; undefined if it is no IPv6 address. */
function readIpv6(text: string): readonly number[] | undefined {
  const gap = text.indexOf('::');
  if (gap === -1) {
    const groups = readGroups(text, true);
    return groups?.length === 8 ? groups : undefined;
  }
  const before = readGroups(text.slice(0, gap), false);
  // A second `::` leaves an empty group here, which is none.
  const after = readGroups(text.slice(gap + 2), true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  return missing >= 1 ? [...before, ...Array<number>(missing).fill(0), ...after] : undefined;
}

/** Groups between colons, none for an empty text. The last 32 bits of an address may be written as IPv4. */
function readGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[\da-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      const embedded = isLast && index === parts.length - 1 ? readIpv4(part) : undefined;
      if (embedded === undefined) return undefined;
      groups.push(Math.floor(embedded / 0x1_0000), embedded % 0x1_0000);
    }
  }
  return groups;
}

/** The canonical text of an address, by RFC 5952. */
function format(address: Words): string {
  const [word] = address;
  if (address.length === 1 && word !== undefined) {
    return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.');
  }
  const groups = address
    .flatMap((value) => [value >>> 16, value & 0xffff])
    .map((group) => group.toString(16));
  const whole = groups.join(':');
  // The longest run of two or more zero groups becomes `::`, the first of equals.
  let longest = '';
  for (const [run] of whole.matchAll(/\b0(?::0)+/g)) {
    if (run.length > longest.length) longest = run;
  }
  if (longest === '') return whole;
  return whole.replace(new RegExp(`(?:^|:)${longest}(?:$|:)`), '::');
}
