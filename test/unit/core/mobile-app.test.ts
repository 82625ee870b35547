import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  androidPackageFault,
  bundleIdFault,
  certSha1Fault,
  compileAndroidApps,
  compileBundleIds,
  normalizeCertSha1,
} from '../../../core/patterns/mobile-app.ts';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';
const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
const OTHER_SHA1 = `${SHA1.slice(0, 39)}8`;
const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const PACKAGE = 'com.example.app';

/** How a digest is spelled: as tools print it, or as programs pass it. */
interface Spelling {
  hasColons: boolean;
  isUpperCase: boolean;
}

function spell(digest: string, { hasColons, isUpperCase }: Spelling): string {
  const text = hasColons ? (digest.match(/../g) ?? []).join(':') : digest;
  return isUpperCase ? text.toUpperCase() : text;
}

const withColons = spell(SHA1, { hasColons: true, isUpperCase: false });
const spelling: fc.Arbitrary<Spelling> = fc.record({ hasColons: fc.boolean(), isUpperCase: fc.boolean() });

/** The rule of names, a character at a time. */
function slowIsName(text: string, characters: string, segmentsMin: number, beginsWith: string): boolean {
  const segments = text.split('.');
  if (text.length > 256 || segments.length < segmentsMin) return false;
  for (const segment of segments) {
    if (segment === '' || !beginsWith.includes(segment.charAt(0))) return false;
    for (const character of segment) if (!characters.includes(character)) return false;
  }
  return true;
}

const isPackage = (text: string): boolean => slowIsName(text, `${LETTERS}${DIGITS}_`, 2, LETTERS);
const isBundleId = (text: string): boolean =>
  slowIsName(text, `${LETTERS}${DIGITS}-`, 1, `${LETTERS}${DIGITS}-`);

/** The digits of a digest, a character at a time; undefined if the text is none. */
function slowDigest(text: string): string | undefined {
  const hasColons = text.length === 59;
  if (!hasColons && text.length !== 40) return undefined;
  let digits = '';
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (hasColons && index % 3 === 2) {
      if (character !== ':') return undefined;
    } else if ('0123456789abcdefABCDEF'.includes(character)) {
      digits += character.toLowerCase();
    } else {
      return undefined;
    }
  }
  return digits;
}

// Mostly names, some with something that is none.
const segment = fc.string({
  unit: fc.constantFrom('a', 'B', 'z', 'Z', '0', '9'),
  minLength: 1,
  maxLength: 3,
});
const oddity = fc.constantFrom('_', '-', '.', '..', '*', ' ', '\n', '\0', 'é', 'а', ':', '/', '$', '');
const name = fc
  .tuple(fc.array(fc.constantFrom('a', 'com', 'A1'), { maxLength: 2 }), fc.array(segment, { maxLength: 2 }))
  .map((parts) => parts.flat().join('.'));
const anyName = fc.oneof(
  name,
  fc.tuple(name, oddity, name).map((parts) => parts.join('')),
);

test('tells names from other texts as a slow reading does, in 100,000 random cases each', () => {
  let packages = 0;
  let bundleIds = 0;
  let cases = 0;
  fc.assert(
    fc.property(fc.array(anyName, { minLength: 25, maxLength: 25 }), (texts) => {
      const wrong: string[] = [];
      for (const text of texts) {
        if ((androidPackageFault(text) === undefined) !== isPackage(text)) wrong.push(text);
        if ((bundleIdFault(text) === undefined) !== isBundleId(text)) wrong.push(text);
        cases += 1;
        if (isPackage(text)) packages += 1;
        if (isBundleId(text)) bundleIds += 1;
      }
      expect(wrong).toEqual([]);
    }),
    { numRuns: 4000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  // Else the test would prove little.
  expect(packages).toBeGreaterThan(20_000);
  expect(cases - packages).toBeGreaterThan(20_000);
  expect(bundleIds).toBeGreaterThan(20_000);
  expect(cases - bundleIds).toBeGreaterThan(20_000);
});

test('reads a digest as a slow reading does, in 100,000 random cases', () => {
  let digests = 0;
  let cases = 0;
  const digest = fc
    .tuple(
      fc.string({ unit: fc.constantFrom(...'0189abcdef'.split('')), minLength: 38, maxLength: 40 }),
      spelling,
    )
    .map(([digits, spelled]) => spell(digits.padEnd(40, '7'), spelled));
  const edited = fc
    .tuple(digest, fc.nat(60), fc.constantFrom('', '', ':', 'A', '0', 'g', ' ', '-', '\n', '０'), fc.nat(1))
    .map(([text, at, inserted, removed]) => text.slice(0, at) + inserted + text.slice(at + removed));
  fc.assert(
    fc.property(fc.array(fc.oneof(digest, edited), { minLength: 25, maxLength: 25 }), (texts) => {
      for (const text of texts) {
        const expected = slowDigest(text);
        if (
          normalizeCertSha1(text) !== expected ||
          (certSha1Fault(text) === undefined) !== (expected !== undefined)
        ) {
          expect.fail(`${JSON.stringify(text)} is read wrongly`);
        }
        cases += 1;
        if (expected !== undefined) digests += 1;
      }
    }),
    { numRuns: 4000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  expect(digests).toBeGreaterThan(20_000);
  expect(cases - digests).toBeGreaterThan(20_000);
});

test('allows Android apps as a comparison one by one does, in 100,000 random cases', () => {
  let matches = 0;
  let cases = 0;
  const packageName = fc.constantFrom('a.b', 'a.b', 'a.B', 'a.B', 'a.b.c', 'nodots', '', 'a.*');
  const digest = fc.constantFrom(SHA1, SHA1, OTHER_SHA1, OTHER_SHA1, 'ab'.repeat(20), SHA1.slice(2), '');
  const app = fc
    .tuple(packageName, digest, spelling)
    .map(([named, digits, spelled]) => ({ packageName: named, certSha1: spell(digits, spelled) }));
  fc.assert(
    fc.property(
      fc.array(app, { minLength: 4, maxLength: 24 }),
      fc.array(app, { minLength: 25, maxLength: 25 }),
      (allowed, clients) => {
        const isAllowed = compileAndroidApps(allowed);
        const wrong: object[] = [];
        for (const client of clients) {
          const cert = slowDigest(client.certSha1);
          const expected =
            cert !== undefined &&
            isPackage(client.packageName) &&
            allowed.some(
              (each) => each.packageName === client.packageName && slowDigest(each.certSha1) === cert,
            );
          if (isAllowed(client.packageName, client.certSha1) !== expected) wrong.push(client);
          cases += 1;
          if (expected) matches += 1;
        }
        expect(wrong).toEqual([]);
      },
    ),
    { numRuns: 4000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  expect(matches).toBeGreaterThan(10_000);
  expect(cases - matches).toBeGreaterThan(10_000);
});

test('allows bundle ids as a comparison one by one does, in 100,000 random cases', () => {
  let matches = 0;
  let cases = 0;
  const bundleId = fc.constantFrom('a', 'A', 'a.b', 'a.B', 'a-b', 'a.b.c', 'a.*', '*', '', 'a.', '__proto__');
  fc.assert(
    fc.property(
      fc.array(bundleId, { maxLength: 6 }),
      fc.array(bundleId, { minLength: 25, maxLength: 25 }),
      (allowed, ids) => {
        const isAllowed = compileBundleIds(allowed);
        const wrong: string[] = [];
        for (const id of ids) {
          const expected = isBundleId(id) && allowed.some((each) => each === id);
          if (isAllowed(id) !== expected) wrong.push(id);
          cases += 1;
          if (expected) matches += 1;
        }
        expect(wrong).toEqual([]);
      },
    ),
    { numRuns: 4000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  expect(matches).toBeGreaterThan(10_000);
  expect(cases - matches).toBeGreaterThan(10_000);
});

describe('an Android app', () => {
  test.each([
    [SHA1, SHA1],
    [SHA1, SHA1.toUpperCase()],
    [SHA1, withColons],
    [withColons.toUpperCase(), SHA1],
  ])('allowed with %s passes with %s', (allowed, certSha1) => {
    expect(compileAndroidApps([{ packageName: PACKAGE, certSha1: allowed }])(PACKAGE, certSha1)).toBe(true);
  });

  test.each([
    [PACKAGE, OTHER_SHA1],
    [PACKAGE, ''],
    [PACKAGE, SHA1.slice(1)],
    [PACKAGE, `${SHA1}0`],
    [PACKAGE, ` ${SHA1}`],
    [PACKAGE, `${SHA1}\n`],
    [PACKAGE, `0x${SHA1}`],
    [PACKAGE, `${SHA1.slice(0, 2)}:${SHA1.slice(2)}`],
    [PACKAGE, `${withColons}:`],
    [PACKAGE, withColons.replaceAll(':', '-')],
    [PACKAGE, withColons.replaceAll(':', ' ')],
    [PACKAGE, SHA256],
    [PACKAGE, '*'],
    ['', SHA1],
    ['*', SHA1],
    ['com.example', SHA1],
    ['com.example.*', SHA1],
    ['com.example.app.evil', SHA1],
    ['evil.com.example.app', SHA1],
    ['com.example.app2', SHA1],
    ['com.example.App', SHA1],
    ['comxexample.app', SHA1],
    ['com.example.app ', SHA1],
    ['com.example.app\0', SHA1],
    ['com.example.\u0430pp', SHA1],
    ['__proto__', SHA1],
    ['constructor', SHA1],
  ])('%j signed with %j is not one that is allowed', (packageName, certSha1) => {
    const isAllowed = compileAndroidApps([{ packageName: PACKAGE, certSha1: SHA1 }]);
    expect(isAllowed(packageName, certSha1)).toBe(false);
  });

  test('with the certificate of another one that is allowed does not pass', () => {
    const isAllowed = compileAndroidApps([
      { packageName: 'com.example.one', certSha1: SHA1 },
      { packageName: 'com.example.two', certSha1: OTHER_SHA1 },
    ]);
    expect(isAllowed('com.example.one', SHA1)).toBe(true);
    expect(isAllowed('com.example.two', OTHER_SHA1)).toBe(true);
    expect(isAllowed('com.example.one', OTHER_SHA1)).toBe(false);
    expect(isAllowed('com.example.two', SHA1)).toBe(false);
  });

  test('passes with each certificate that its package is allowed with, and with each package of a certificate', () => {
    const isAllowed = compileAndroidApps([
      { packageName: 'com.example.one', certSha1: SHA1 },
      { packageName: 'com.example.one', certSha1: OTHER_SHA1 },
      { packageName: 'com.example.two', certSha1: SHA1 },
    ]);
    expect(isAllowed('com.example.one', SHA1)).toBe(true);
    expect(isAllowed('com.example.one', OTHER_SHA1)).toBe(true);
    expect(isAllowed('com.example.two', SHA1)).toBe(true);
  });

  test.each([
    ['', ''],
    ['', SHA1],
    [PACKAGE, ''],
    [PACKAGE, '*'],
    ['*', SHA1],
    ['com.*', SHA1],
  ])('by an entry with a fault, %j with %j, does not pass', (packageName, certSha1) => {
    const isAllowed = compileAndroidApps([{ packageName, certSha1 }]);
    expect(isAllowed(packageName, certSha1)).toBe(false);
    expect(isAllowed(PACKAGE, SHA1)).toBe(false);
    expect(isAllowed('', '')).toBe(false);
  });

  test('of an empty list, or of one that is changed afterwards, does not pass', () => {
    const apps: { packageName: string; certSha1: string }[] = [];
    const isAllowed = compileAndroidApps(apps);
    apps.push({ packageName: PACKAGE, certSha1: SHA1 });
    expect(isAllowed(PACKAGE, SHA1)).toBe(false);
    expect(isAllowed('', '')).toBe(false);
  });
});

describe('a bundle id', () => {
  test('that is listed passes', () => {
    const isAllowed = compileBundleIds(['com.example.app', 'com.example.App-2']);
    expect(isAllowed('com.example.app')).toBe(true);
    expect(isAllowed('com.example.App-2')).toBe(true);
  });

  test.each([
    '',
    '*',
    'com.example',
    'com.example.*',
    'com.example.app.evil',
    'evil.com.example.app',
    'com.example.app2',
    'com.example.App',
    'comxexample.app',
    'com.example.app ',
    'com.example.app\0',
    'com.example.\u0430pp',
    'ABCDE12345.com.example.app',
    '__proto__',
    'constructor',
  ])('%j is not one that is listed', (id) => {
    expect(compileBundleIds(['com.example.app'])(id)).toBe(false);
  });

  test.each(['', '*', 'com.example.*', '.', 'com.'])('with a fault, %j, allows nothing', (id) => {
    const isAllowed = compileBundleIds([id]);
    expect(isAllowed(id)).toBe(false);
    expect(isAllowed('com.example.app')).toBe(false);
    expect(isAllowed('')).toBe(false);
  });

  test('of an empty list, or of one that is changed afterwards, does not pass', () => {
    const ids: string[] = [];
    const isAllowed = compileBundleIds(ids);
    ids.push('com.example.app');
    expect(isAllowed('com.example.app')).toBe(false);
    expect(isAllowed('')).toBe(false);
  });
});

describe('the fault of', () => {
  const noPackage = 'must be a package name such as com.example.app';
  const tooLong = 'must not be longer than 256 characters';

  test.each([
    ['com.example.app', undefined],
    ['a.b', undefined],
    ['Com.Example_1.a2', undefined],
    [`a.${'b'.repeat(254)}`, undefined],
    [`a.${'b'.repeat(255)}`, tooLong],
    ['', noPackage],
    ['app', noPackage],
    ['com.', noPackage],
    ['.com.example', noPackage],
    ['com..example', noPackage],
    ['com.1example', noPackage],
    ['com._example', noPackage],
    ['com.exam-ple', noPackage],
    ['com.exämple', noPackage],
    ['com.example ', noPackage],
    ['com.example\n', noPackage],
    ['com.example.*', 'must not hold a wildcard: list each package'],
    ['*', 'must not hold a wildcard: list each package'],
  ])('package %j: %s', (text, fault) => {
    expect(androidPackageFault(text)).toBe(fault);
  });

  const noSha1 = 'must be 40 hex digits, with colons between all bytes or none';
  const isSha256 = 'must be the SHA-1 of the certificate, and this is a SHA-256';

  test.each([
    [SHA1, undefined],
    [SHA1.toUpperCase(), undefined],
    [withColons, undefined],
    ['', noSha1],
    [SHA1.slice(1), noSha1],
    [`${SHA1}\n`, noSha1],
    [`g${SHA1.slice(1)}`, noSha1],
    [`SHA1: ${withColons}`, noSha1],
    [`${withColons}:`, noSha1],
    [SHA256, isSha256],
    [spell(SHA256, { hasColons: true, isUpperCase: true }), isSha256],
  ])('certificate %j: %s', (text, fault) => {
    expect(certSha1Fault(text)).toBe(fault);
  });

  const noBundleId = 'must be a bundle id such as com.example.app';

  test.each([
    ['com.example.app', undefined],
    ['app', undefined],
    ['1-a.B-2', undefined],
    ['a'.repeat(256), undefined],
    ['a'.repeat(257), tooLong],
    ['', noBundleId],
    ['.com', noBundleId],
    ['com.', noBundleId],
    ['com..example', noBundleId],
    ['com.exam_ple', noBundleId],
    ['com.exämple', noBundleId],
    ['com.example\n', noBundleId],
    ['com.example.*', 'must not hold a wildcard: list each bundle id'],
    ['*', 'must not hold a wildcard: list each bundle id'],
  ])('bundle id %j: %s', (text, fault) => {
    expect(bundleIdFault(text)).toBe(fault);
  });
});
