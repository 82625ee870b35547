import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileIps, ipRangeFault } from '../../../core/patterns/ip.ts';

/** An address as the text of its bits: 32 or 128 of them. */
type Bits = string;

/** 80 zeros and 16 ones: what makes the 32 bits that follow an IPv4 address. */
const MAPPED = '0'.repeat(80) + '1'.repeat(16);

/** The IPv4 bits of an IPv4-mapped address (or its beginning); any others as they are, with their family. */
const familyAndBits = (bits: Bits, family: number): string =>
  family === 128 && bits.startsWith(MAPPED) ? `4 ${bits.slice(96)}` : `${family === 32 ? 4 : 6} ${bits}`;

/** Whether an address has the first bits of a range: a text that begins with another. */
function slowIsIn(address: Bits, first: Bits, prefix: number): boolean {
  const beginning = familyAndBits(first.slice(0, prefix), first.length);
  return familyAndBits(address, address.length).startsWith(beginning);
}

/** What decides how an address is spelled. */
interface Spelling {
  isUpperCase: boolean;
  width: number;
  isEmbedded: boolean;
  /** Which of the runs of zeros becomes `::`; past the last: none. */
  gap: number;
}

const toNumbers = (bits: Bits, size: number): number[] =>
  Array.from({ length: bits.length / size }, (_, index) =>
    Number.parseInt(bits.slice(index * size, (index + 1) * size), 2),
  );

function spell(bits: Bits, { isUpperCase, width, isEmbedded, gap }: Spelling): string {
  if (bits.length === 32) return toNumbers(bits, 8).join('.');
  const groups = toNumbers(bits, 16).map((group) => group.toString(16).padStart(width, '0'));
  if (isEmbedded) groups.splice(6, 2, toNumbers(bits.slice(96), 8).join('.'));
  // Any run of zeros may be left out, a single one and a part of a longer one too.
  const runs: [number, number][] = [];
  for (let start = 0; start < groups.length; start += 1) {
    for (let end = start; /^0+$/.test(groups[end] ?? ''); end += 1) runs.push([start, end + 1]);
  }
  const run = runs[gap];
  const text =
    run === undefined
      ? groups.join(':')
      : `${groups.slice(0, run[0]).join(':')}::${groups.slice(run[1]).join(':')}`;
  return isUpperCase ? text.toUpperCase() : text;
}

const spelling: fc.Arbitrary<Spelling> = fc.record({
  isUpperCase: fc.boolean(),
  width: fc.integer({ min: 1, max: 4 }),
  isEmbedded: fc.boolean(),
  gap: fc.integer({ min: 0, max: 12 }),
});

const binary = (value: number, size: number): string => value.toString(2).padStart(size, '0');
const ipv4Bits = fc
  .array(fc.constantFrom(0, 1, 10, 128, 255), { minLength: 4, maxLength: 4 })
  .map((octets) => octets.map((octet) => binary(octet, 8)).join(''));
const ipv6Bits = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0xa00, 0x2001, 0xffff), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.map((group) => binary(group, 16)).join(''));
/** The addresses that carry the same IPv4 one: mapped, compatible, with a bit wrong, NAT64. */
const carrier = fc.constantFrom(
  MAPPED,
  MAPPED,
  '0'.repeat(96),
  `1${MAPPED.slice(1)}`,
  `${MAPPED.slice(0, 95)}0`,
  `${binary(0x64, 16)}${binary(0xff9b, 16)}${'0'.repeat(64)}`,
);
const bits = fc.oneof(
  ipv4Bits,
  ipv6Bits,
  fc.tuple(carrier, ipv4Bits).map(([a, b]) => a + b),
);

/** A range; prefixes that end a word, an octet or the address are frequent, as that is where mistakes are made. */
const range = fc
  .tuple(bits, fc.oneof(fc.nat(128), fc.constantFrom(0, 1, 24, 31, 32, 64, 95, 96, 97, 127, 128)), spelling)
  .map(([base, any, spelled]) => {
    const prefix = Math.min(any, base.length);
    const first = base.slice(0, prefix).padEnd(base.length, '0');
    const text = spell(first, spelled);
    return { bits: first, prefix, text: prefix === base.length ? text : `${text}/${prefix}` };
  });

test('agrees with a comparison bit by bit in 100,000 random cases', () => {
  let matches = 0;
  let cases = 0;
  // Addresses are unrelated to the ranges, or in the first one but for one bit.
  const near = fc.tuple(fc.nat(128), fc.integer({ min: 0, max: 1 }));
  const address = fc.tuple(fc.oneof(bits, near), spelling);
  fc.assert(
    fc.property(
      fc.array(range, { minLength: 1, maxLength: 8 }),
      fc.array(address, { minLength: 25, maxLength: 25 }),
      (ranges, addresses) => {
        const isAllowed = compileIps(ranges.map(({ text }) => text));
        const wrong: string[] = [];
        for (const [what, spelled] of addresses) {
          const first = ranges[0]?.bits ?? '';
          const at = typeof what === 'string' ? 0 : what[0] % first.length;
          const ip =
            typeof what === 'string' ? what : first.slice(0, at) + String(what[1]) + first.slice(at + 1);
          const text = spell(ip, spelled);
          const expected = ranges.some((each) => slowIsIn(ip, each.bits, each.prefix));
          if (isAllowed(text) !== expected) wrong.push(text);
          cases += 1;
          if (expected) matches += 1;
        }
        expect(wrong).toEqual([]);
      },
    ),
    { numRuns: 4000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  // Else the test would prove little.
  expect(matches).toBeGreaterThan(20_000);
  expect(cases - matches).toBeGreaterThan(20_000);
});

test('finds nothing wrong with a range in any spelling, and its bits after the prefix in any', () => {
  let faults = 0;
  fc.assert(
    fc.property(range, bits, spelling, fc.nat(128), ({ text }, base, spelled, any) => {
      expect(ipRangeFault(text)).toBeUndefined();
      // Every other one ends just before, with or just after the last bit that is set.
      const nearEnd = Math.max(base.lastIndexOf('1') + (any % 3), 0);
      const prefix = any % 2 === 0 ? any % (base.length + 1) : Math.min(nearEnd, base.length);
      const hasHostBits = base.slice(prefix).includes('1');
      const fault = ipRangeFault(`${spell(base, spelled)}/${prefix}`);
      expect(fault !== undefined).toBe(hasHostBits);
      // What is proposed instead is taken.
      const proposed = fault === undefined ? undefined : /; (\S+) was probably meant$/.exec(fault)?.[1];
      if (proposed !== undefined) {
        expect(ipRangeFault(proposed)).toBeUndefined();
        expect(compileIps([proposed])(spell(base, spelled))).toBe(true);
      }
      if (hasHostBits) faults += 1;
    }),
    { numRuns: 10_000 },
  );
  expect(faults).toBeGreaterThan(2000);
  expect(faults).toBeLessThan(8000);
});

test('takes as an address what Node takes as one, in 100,000 random texts', () => {
  const isAny = compileIps(['0.0.0.0/0', '::/0']);
  let addresses = 0;
  let cases = 0;
  const noise = fc.string({ unit: fc.constantFrom(...'012569afF::..g x%/[]-'.split('')), maxLength: 12 });
  const edited = fc
    .tuple(
      bits,
      spelling,
      fc.nat(45),
      fc.constantFrom('', '', '', ':', '.', '0', '00', '1', 'f', ':0', '::', '256', ' ', '\n'),
      fc.nat(1),
    )
    .map(([base, spelled, at, inserted, removed]) => {
      const text = spell(base, spelled);
      return text.slice(0, at) + inserted + text.slice(at + removed);
    });
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 1, arbitrary: noise }, { weight: 4, arbitrary: edited }), {
        minLength: 25,
        maxLength: 25,
      }),
      (texts) => {
        for (const text of texts) {
          const expected = isIP(text) !== 0 && !text.includes('%');
          if (isAny(text) !== expected) expect.fail(`${JSON.stringify(text)} is taken wrongly`);
          // A slash makes a range, which Node does not know.
          if (!text.includes('/')) expect(ipRangeFault(text) === undefined).toBe(expected);
          cases += 1;
          if (expected) addresses += 1;
        }
      },
    ),
    { numRuns: 4000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  expect(addresses).toBeGreaterThan(20_000);
  expect(cases - addresses).toBeGreaterThan(20_000);
});

test('a range more never takes away, and order and repetition do not matter', () => {
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 8 }),
      range,
      fc.tuple(bits, spelling),
      (ranges, more, [base, spelled]) => {
        const texts = ranges.map(({ text }) => text);
        const ip = spell(base, spelled);
        const expected = compileIps(texts)(ip);
        expect(compileIps(texts.toReversed())(ip)).toBe(expected);
        expect(compileIps([...texts, ...texts])(ip)).toBe(expected);
        expect(compileIps([...texts, more.text])(ip) || !expected).toBe(true);
      },
    ),
  );
});

test('finds each of 1000 ranges, and nothing between them', () => {
  const ranges = Array.from({ length: 1000 }, (_, index) => `10.${index >>> 6}.${(index & 63) * 4}.0/24`);
  const isAllowed = compileIps(ranges);
  for (let index = 0; index < 1000; index += 1) {
    const beginning = `10.${index >>> 6}`;
    expect(isAllowed(`${beginning}.${(index & 63) * 4}.255`)).toBe(true);
    expect(isAllowed(`${beginning}.${(index & 63) * 4 + 1}.0`)).toBe(false);
  }
});

describe('is allowed', () => {
  test.each([
    ['10.0.0.0/8', '10.255.255.255'],
    ['10.0.0.1', '10.0.0.1'],
    ['10.0.0.1/32', '10.0.0.1'],
    ['0.0.0.0/0', '255.255.255.255'],
    ['128.0.0.0/1', '255.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::/0', '2001:db8::1'],
    ['2001:db8::/32', '2001:DB8:ffff::'],
    ['2001:db8::1', '2001:0db8:0000:0000:0000:0000:0000:0001'],
    ['2001:db8::1', '2001:db8:0:0::1'],
    ['1::', '1:0:0:0:0:0:0:0'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::/96', '64:ff9b::10.0.0.1'],
    // An IPv4-mapped address is the IPv4 one, on both sides.
    ['10.0.0.0/8', '::ffff:10.0.0.1'],
    ['10.0.0.0/8', '::FFFF:A00:1'],
    ['10.0.0.0/8', '0:0:0:0:0:ffff:0a00:0001'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::ffff:a00:0/104', '10.1.2.3'],
    ['::ffff:a00:0/104', '::ffff:10.1.2.3'],
    ['::ffff:0:0/96', '1.2.3.4'],
  ])('in %j: %j', (allowed, ip) => {
    expect(compileIps([allowed])(ip)).toBe(true);
  });
});

describe('is not allowed', () => {
  test.each([
    ['10.0.0.0/8', '11.0.0.0'],
    ['10.0.0.0/8', '9.255.255.255'],
    ['10.0.0.1', '10.0.0.10'],
    ['10.0.0.10', '10.0.0.1'],
    // The families are apart, but for mapped addresses.
    ['::/0', '10.0.0.1'],
    ['::/0', '::ffff:10.0.0.1'],
    ['::/64', '::ffff:10.0.0.1'],
    ['0.0.0.0/0', '::1'],
    ['0.0.0.0/0', '::'],
    ['::1', '127.0.0.1'],
    ['127.0.0.1', '::1'],
    // Other addresses that carry an IPv4 one.
    ['10.0.0.0/8', '::10.0.0.1'],
    ['10.0.0.0/8', '::a00:1'],
    ['10.0.0.0/8', '2002:a00:1::'],
    ['10.0.0.0/8', '64:ff9b::10.0.0.1'],
    ['10.0.0.0/8', '::ffff:0:10.0.0.1'],
    ['10.0.0.0/8', '::fffe:10.0.0.1'],
    ['10.0.0.0/8', '1::ffff:10.0.0.1'],
    ['10.0.0.0/8', 'a00:1::'],
    // Octal, hex, short and whole-number spellings of IPv4.
    ['10.0.0.0/8', '012.0.0.1'],
    ['10.0.0.0/8', '010.0.0.1'],
    ['8.0.0.0/8', '010.0.0.1'],
    ['10.0.0.0/8', '10.0.0.01'],
    ['10.0.0.0/8', '10.0.0.00'],
    ['10.0.0.0/8', '0xa.0.0.1'],
    ['10.0.0.0/8', '0x0a000001'],
    ['10.0.0.0/8', '10.1'],
    ['10.0.0.0/8', '10.0.1'],
    ['10.0.0.0/8', '167772161'],
    ['10.0.0.0/8', '10.0.0.256'],
    ['10.0.0.0/8', '10.0.0.4294967297'],
    ['10.0.0.0/8', '10.0.0.-1'],
    ['10.0.0.0/8', '10.0.0.1e1'],
    ['10.0.0.0/8', '10.0.0.1.'],
    ['10.0.0.0/8', '.10.0.0.1'],
    ['10.0.0.0/8', '10..0.1'],
    ['10.0.0.0/8', '10.0.0.0.1'],
    ['10.0.0.0/8', '10.0.0.'],
    ['10.0.0.0/8', '::ffff:010.0.0.1'],
    // Something beside the address.
    ['10.0.0.0/8', '10.0.0.1:80'],
    ['10.0.0.0/8', '10.0.0.1/8'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.0.0.0/8', ' 10.0.0.1'],
    ['10.0.0.0/8', '10.0.0.1 '],
    ['10.0.0.0/8', '10.0.0.1\n'],
    ['10.0.0.0/8', '10.0.0.1\0'],
    ['10.0.0.0/8', '10.0.0.1\0.example.com'],
    ['10.0.0.0/8', '10.0.0.1,192.0.2.1'],
    ['10.0.0.0/8', '192.0.2.1, 10.0.0.1'],
    ['10.0.0.0/8', '10.0.0.1%eth0'],
    ['10.0.0.0/8', 'ip:10.0.0.1'],
    ['fe80::/10', 'fe80::1%eth0'],
    ['fe80::/10', '[fe80::1]'],
    ['fe80::/10', '[fe80::1]:443'],
    // Digits of other alphabets and lookalikes.
    ['10.0.0.0/8', '１０.0.0.1'],
    ['10.0.0.0/8', '10。0。0。1'],
    ['10.0.0.0/8', '١٠.0.0.1'],
    // No IPv6 addresses.
    ['::/0', ':'],
    ['::/0', ':::'],
    ['::/0', '::1::'],
    ['::/0', '1::2::3'],
    ['::/0', ':1::'],
    ['::/0', '::1:'],
    ['::/0', '1:2:3:4:5:6:7'],
    ['::/0', '1:2:3:4:5:6:7:8:9'],
    ['::/0', '1:2:3:4:5:6:7:8::'],
    ['::/0', '1:2:3:4::5:6:7:8'],
    ['::/0', '00001::'],
    ['::/0', 'g::'],
    ['::/0', '1.2.3.4::'],
    ['::/0', '::1.2.3.4:5'],
    ['::/0', '1:2:3:4:5:6:7:1.2.3.4'],
    ['::/0', '0x1::'],
    ['::/0', '-1::'],
    // Nothing and names.
    ['0.0.0.0/0', ''],
    ['::/0', ''],
    ['0.0.0.0/0', 'localhost'],
    ['0.0.0.0/0', '__proto__'],
    ['0.0.0.0/0', '*'],
  ])('by %j: %j', (allowed, ip) => {
    expect(compileIps([allowed])(ip)).toBe(false);
  });

  test('by no ranges: any', () => {
    expect(compileIps([])('10.0.0.1')).toBe(false);
    expect(compileIps([])('')).toBe(false);
  });

  test.each(['', '*', '10.0.0.1/8', '10.0.0.0/33', '010.0.0.0/8', '10.0.0.0/', 'localhost'])(
    'by a range with a fault, %j: any',
    (text) => {
      expect(compileIps([text])('10.0.0.1')).toBe(false);
      expect(compileIps([text])('')).toBe(false);
      expect(compileIps([text])(text)).toBe(false);
    },
  );

  test('by any ranges: a text of a million characters', () => {
    expect(compileIps(['::/0'])(`${'0'.repeat(1_000_000)}::1`)).toBe(false);
    expect(compileIps(['::/0'])(`${':0'.repeat(500_000)}::1`)).toBe(false);
  });

  test('by a list that is changed afterwards', () => {
    const ranges = ['10.0.0.0/8'];
    const isAllowed = compileIps(ranges);
    ranges.push('0.0.0.0/0');
    expect(isAllowed('192.0.2.1')).toBe(false);
  });
});

describe('the fault of', () => {
  const noRange = 'must be an IPv4 or IPv6 address or CIDR range';
  const noIpv4Prefix = 'must have a prefix from 0 to 32 after its slash, or no slash';
  const noIpv6Prefix = 'must have a prefix from 0 to 128 after its slash, or no slash';

  test.each([
    ['', noRange],
    ['/', noRange],
    ['/8', noRange],
    ['*', noRange],
    ['10.0.0.*', noRange],
    ['10.0.0.0-10.0.0.9', noRange],
    ['localhost', noRange],
    ['010.0.0.0/8', noRange],
    ['10.0.0.0/8 ', noIpv4Prefix],
    [' 10.0.0.0/8', noRange],
    ['10.0.0.0 /8', noRange],
    ['10.0.0.1:80', noRange],
    ['[::1]', noRange],
    ['fe80::1%eth0', noRange],
    ['fe80::%eth0/10', noRange],
    ['10.0.0.0/', noIpv4Prefix],
    ['10.0.0.0/33', noIpv4Prefix],
    ['10.0.0.0/08', noIpv4Prefix],
    ['10.0.0.0/+8', noIpv4Prefix],
    ['10.0.0.0/-1', noIpv4Prefix],
    ['10.0.0.0/8.0', noIpv4Prefix],
    ['10.0.0.0/1e1', noIpv4Prefix],
    ['10.0.0.0/8/8', noIpv4Prefix],
    ['10.0.0.0/255.0.0.0', noIpv4Prefix],
    ['10.0.0.0/8\n', noIpv4Prefix],
    ['::/129', noIpv6Prefix],
    ['::/', noIpv6Prefix],
    ['::ffff:10.0.0.0/129', noIpv6Prefix],
    ['10.0.0.1/24', 'has bits set after its prefix of 24; 10.0.0.0/24 was probably meant'],
    ['255.255.255.255/0', 'has bits set after its prefix of 0; 0.0.0.0/0 was probably meant'],
    ['2001:db8::1/32', 'has bits set after its prefix of 32; 2001:db8::/32 was probably meant'],
    ['2001:DB8:0:0:1::1/96', 'has bits set after its prefix of 96; 2001:db8:0:0:1::/96 was probably meant'],
    ['1:0:0:2::1/127', 'has bits set after its prefix of 127; 1:0:0:2::/127 was probably meant'],
    ['1:0:0:2:3:0:0:9/127', 'has bits set after its prefix of 127; 1::2:3:0:0:8/127 was probably meant'],
    ['1:10:0:0:2:3:4:9/127', 'has bits set after its prefix of 127; 1:10::2:3:4:8/127 was probably meant'],
    ['0:0:1:0:0:0:2:3/127', 'has bits set after its prefix of 127; 0:0:1::2:2/127 was probably meant'],
    ['::3/127', 'has bits set after its prefix of 127; ::2/127 was probably meant'],
    ['1:2:3:4:5:6:7:9/127', 'has bits set after its prefix of 127; 1:2:3:4:5:6:7:8/127 was probably meant'],
    ['::1/0', 'has bits set after its prefix of 0; ::/0 was probably meant'],
    ['::ffff:10.0.0.1/120', 'has bits set after its prefix of 120; 10.0.0.0/24 was probably meant'],
    [
      '::ffff:10.0.0.0/24',
      'must have a prefix from 96, as it is an IPv4-mapped address; better write the IPv4 range',
    ],
  ])('%j: %s', (text, fault) => {
    expect(ipRangeFault(text)).toBe(fault);
  });
});
