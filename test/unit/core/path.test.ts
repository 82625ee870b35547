import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compilePath,
  compilePaths,
  normalizePath,
  PATH_PATTERN_LENGTH_MAX,
  pathPatternFault,
} from '../../../core/patterns/path.ts';
import { WILDCARDS_MAX } from '../../../core/patterns/segment.ts';

/** Whether a key that is confined to these patterns may be used for the path. */
function admits(patterns: readonly string[], text: string): boolean {
  const path = normalizePath(text);
  return path !== undefined && compilePaths(patterns)(path);
}

/** The rules of `normalizePath`, a step and a byte at a time. */
function slowNormalize(text: string): string | undefined {
  let rest = text;
  let hadOrigin = false;
  for (const scheme of ['http://', 'https://']) {
    if (text.toLowerCase().startsWith(scheme)) {
      let host = '';
      for (const unit of text.slice(scheme.length)) {
        if ('/?#'.includes(unit)) break;
        host += unit;
      }
      if (host === '' || Array.from(host).some((unit) => !/^[a-z0-9._~:[\]-]$/i.test(unit))) return undefined;
      rest = text.slice(scheme.length + host.length);
      hadOrigin = true;
    }
  }
  const [beforeQuery = ''] = rest.split('?');
  if (hadOrigin && beforeQuery === '') return '/';
  if (beforeQuery[0] !== '/' || beforeQuery.includes('#')) return undefined;

  const bytes: number[] = [];
  let index = 0;
  while (index < beforeQuery.length) {
    const hex = beforeQuery.slice(index + 1, index + 3);
    if (beforeQuery[index] === '%' && hex.length === 2 && Array.from(hex).every(isHex)) {
      const byte = Number.parseInt(hex, 16);
      if ('/?#'.includes(String.fromCharCode(byte))) return undefined;
      bytes.push(byte);
      index += 3;
    } else {
      // A lone surrogate becomes U+FFFD, which is refused below.
      const character = String.fromCodePoint(beforeQuery.codePointAt(index) ?? 0);
      bytes.push(...Buffer.from(character));
      index += character.length;
    }
  }
  let decoded: string;
  try {
    decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
  const composed = decoded.normalize('NFC');

  const resolved: string[] = [];
  const segments = composed.split('/').slice(1);
  let empties = 0;
  let parents = 0;
  for (const [place, segment] of segments.entries()) {
    if (segment === '' && place === segments.length - 1) continue;
    if (segment === '') {
      empties += 1;
      if (resolved.length === 0) return undefined;
    } else if (segment === '..') {
      parents += 1;
      if (resolved.length === 0) return undefined;
      resolved.length -= 1;
    } else if (segment !== '.') {
      const folded = Array.from(segment.normalize('NFKC')).filter(
        (character) => !'\u200b\u00ad'.includes(character),
      );
      if (isDangerous(Array.from(segment)) || isDangerous(folded)) return undefined;
      if (folded.every((character) => character === '.' || character === ' ')) return undefined;
      resolved.push(segment);
    }
  }
  if (empties > 0 && parents > 0) return undefined;
  return resolved.reduce((path, segment) => `${path === '/' ? '' : path}/${segment}`, '/');
}

function isHex(character: string | undefined): boolean {
  return character !== undefined && '0123456789abcdefABCDEF'.includes(character) && character.length === 1;
}

function isDangerous(characters: readonly string[]): boolean {
  return characters.some((character, at) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0xfffd) return true;
    if ('\\;#?/\u2044\u2215\u2216'.includes(character)) return true;
    if (character !== '%') return false;
    const next = characters[at + 1];
    return next === 'u' || next === 'U' || (isHex(next) && isHex(characters[at + 2]));
  });
}

// What is harmless often, so that paths with a spelling are frequent; what is special once each.
const harmless = fc.constantFrom(
  'a',
  'B',
  '/a',
  '/b',
  '/é',
  '/c.',
  '/ ',
  '%41',
  '%2e',
  '/.',
  '/./',
  '/a/..',
  '/..',
);
const special = fc.constantFrom(
  ...'/ // ? # ; \\ % %2 %25 %u %2f %5C %3f %23 %3b %00 %0a %20 \t ... 41 @ : * http:// HTTPS://h'.split(' '),
  ...'e\u0301 e%CC%81 %c3%a9 %c3 %a9 %c0%af %ed%a0%80 \ud800 %f0%9f%98%80 \ufffd \u0958 \u0085 \u007f'.split(
    ' ',
  ),
  ...'\uff0e \uff0f \uff05 %ef%bc%8e \u2024 \u2026 \u2215 \u037e \u200b \u00ad \u00a0'.split(' '),
);
const pieces = fc.array(fc.oneof({ weight: 9, arbitrary: harmless }, special), { maxLength: 7 });
const beginning = fc.constantFrom('/', '/', '/a', '/a/b', 'https://Api.example.com', 'http://[::1]:80/', '');
const spelling = fc.tuple(beginning, pieces).map(([first, others]) => first + others.join(''));

describe('the spelling of a path', () => {
  test('agrees with the slow normalizer in 100,000 random cases', () => {
    let spelled = 0;
    let changed = 0;
    let cases = 0;
    fc.assert(
      fc.property(fc.array(spelling, { minLength: 20, maxLength: 20 }), (texts) => {
        const wrong: unknown[] = [];
        for (const text of texts) {
          const expected = slowNormalize(text);
          const actual = normalizePath(text);
          if (actual !== expected) wrong.push({ text, expected, actual });
          cases += 1;
          if (expected !== undefined) spelled += 1;
          if (expected !== undefined && expected !== text) changed += 1;
        }
        expect(wrong).toEqual([]);
      }),
      { numRuns: 5000 },
    );
    expect(cases).toBeGreaterThanOrEqual(100_000);
    // Else the test would prove little.
    expect(spelled).toBeGreaterThan(10_000);
    expect(changed).toBeGreaterThan(10_000);
    expect(cases - spelled).toBeGreaterThan(10_000);
  });

  test('is its own spelling', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => `/${text}`);
    fc.assert(
      fc.property(fc.oneof(spelling, anything), (text) => {
        const path = normalizePath(text);
        if (path !== undefined) expect(normalizePath(path)).toBe(path);
      }),
      { numRuns: 20_000 },
    );
  });

  test('is one for all ways to write a path', () => {
    const character = fc.constantFrom('a', 'Z', '0', '-', '~', 'é', '😀', ' ', '(', '+');
    const name = fc
      .string({ unit: character, minLength: 1, maxLength: 4 })
      .filter((text) => text.trim() !== '');
    const detour = fc.constantFrom('', '', './', 'x/../', '%2e/', 'y/%2E%2e/', 'x/y/../.%2e/');
    const escapes = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
    const step = fc.tuple(name, detour, escapes);
    const ending = fc.constantFrom('', '/', '?', '?x=/../y', '/?//', '/.', '/z/..');
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 4 }),
        ending,
        fc.boolean(),
        (steps, end, isAbsolute) => {
          const text = steps.map(([segment, way, escaped]) => {
            const written = Array.from(segment).map((unit, at) =>
              escaped[at] === true ? escape(unit) : unit,
            );
            return `/${way}${written.join('')}`;
          });
          const plain = steps.map(([segment]) => `/${segment}`).join('');
          expect(normalizePath((isAbsolute ? 'http://H' : '') + text.join('') + end)).toBe(plain);
        },
      ),
      { numRuns: 10_000 },
    );
  });

  test.each([
    ['/', '/'],
    ['/api/v1/orders', '/api/v1/orders'],
    ['/api/v1/orders?x=1', '/api/v1/orders'],
    ['/api/v1/orders/?x=/../..//%00#f', '/api/v1/orders'],
    ['/?', '/'],
    ['/./', '/'],
    ['/a/..', '/'],
    ['/a//b', '/a/b'],
    ['/a//', '/a'],
    ['/pkg.Service/Method', '/pkg.Service/Method'],
    ['/Api/V1', '/Api/V1'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a..b/..c/d..', '/a..b/..c/d..'],
    ['/100%25', '/100%'],
    ['/100%', '/100%'],
    ['/50%25%20off', '/50% off'],
    ['/caf%C3%A9', '/caf\u00e9'],
    ['/cafe%CC%81', '/caf\u00e9'],
    ['/a*b', '/a*b'],
    ['https://API.example.com', '/'],
    ['https://API.example.com?x', '/'],
    ['HTTPS://API.example.com:8443/x', '/x'],
    ['http://[::1]:80/x', '/x'],
    ['/http://h/x', '/http:/h/x'],
  ])('%j is %j', (text, path) => {
    expect(normalizePath(text)).toBe(path);
  });

  test.each([
    '',
    'api',
    '*',
    '?x',
    '#x',
    'example.com:443',
    'http:/x',
    'http:///x',
    'http://',
    'http://user@example.com/x',
    'http://ex%61mple.com/x',
    'http://a\\@b/x',
    'ftp://example.com/x',
    'javascript://h/x',
    ' /x',
    '/..',
    '/a/../..',
    '/%2e%2e',
    // In NFC it has twice as many marks, which would be too many.
    `/a${'\u0344'.repeat(20)}`,
  ])('%j has none', (text) => {
    expect(normalizePath(text)).toBeUndefined();
  });
});

function escape(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

describe('no spelling slips past a pattern', () => {
  // In each case some server reads the path as one that the patterns do not allow.
  test.each([
    // Dot segments.
    [['/public/**'], '/public/../admin'],
    [['/public/**'], '/public/./../admin'],
    [['/public/**'], '/public/x/../../admin'],
    [['/public/**'], '/public/%2e%2e/admin'],
    [['/public/**'], '/public/%2E%2E/admin'],
    [['/public/**'], '/public/.%2e/admin'],
    [['/public/**'], '/public/..'],
    [['/public/**'], '/../admin'],
    [['/**'], '/../etc/passwd'],
    [['/**'], '/public/../../etc/passwd'],
    [['/a/*/c'], '/a/../c'],
    [['/a/*'], '/a/.'],
    [['/a/*'], '/a/..'],
    // Dots and spaces that Windows drops.
    [['/public/**'], '/public/.../admin'],
    [['/public/**'], '/public/....//admin'],
    [['/public/**'], '/public/.. /admin'],
    [['/public/**'], '/public/..%20/admin'],
    [['/public/*'], '/public/%20'],
    [['/public/*'], '/public/...'],
    [['/public'], '/public.'],
    [['/public'], '/public%20'],
    // Path parameters: Tomcat reads `/a;x=1/b` as `/a/b`.
    [['/public/**'], '/public/..;/admin'],
    [['/public/**'], '/public/..;x=1/admin'],
    [['/public/**'], '/public/.;/../admin'],
    [['/public/**'], '/public/..%3b/admin'],
    [['/public/**'], '/public/%2e%2e;/admin'],
    [['/users/*-public'], '/users/42;-public'],
    [['/users/*-public'], '/users/42%3B-public'],
    [['/api/*/status'], '/api/;x/status'],
    [['/admin'], '/admin;x'],
    // Encoded slashes, and backslashes.
    [['/public/**'], '/public/..%2fadmin'],
    [['/public/**'], '/public/..%2Fadmin'],
    [['/public/**'], '/public%2f..%2fadmin'],
    [['/public/*'], '/public/x%2fadmin'],
    [['/a/*/c'], '/a/x%2fb/c'],
    [['/admin'], '/public/..%2fadmin'],
    [['/a/x/b'], '/a/x%2fb'],
    [['/a/x/b'], '/a/x%2Fb'],
    [['/public/**'], '/public/..\\admin'],
    [['/public/**'], '/public/..%5cadmin'],
    [['/public/**'], '/public\\..\\admin'],
    [['/public/*'], '/public/x\\admin'],
    [['/admin'], '/public\\..\\..\\admin'],
    // Encoded twice, thrice, and in IIS's own way.
    [['/public/**'], '/public/%252e%252e/admin'],
    [['/public/**'], '/public/%25252e%25252e/admin'],
    [['/public/**'], '/public/%2525252e%2525252e/admin'],
    [['/public/**'], '/public/..%252fadmin'],
    [['/public/**'], '/public/..%255cadmin'],
    [['/public/**'], '/public/%%32%65%%32%65/admin'],
    [['/public/**'], '/public/%25%32%65%25%32%65/admin'],
    [['/public/**'], '/public/%u002e%u002e/admin'],
    [['/public/**'], '/public/..%u2215admin'],
    [['/public/**'], '/public/%25u002e%25U002E/admin'],
    [['/admin'], '/public/%252e%252e/admin'],
    [['/files/a'], '/files/%2561'],
    [['/files/*41'], '/files/%2541'],
    // Bytes that are not UTF-8.
    [['/public/**'], '/public/..%c0%afadmin'],
    [['/public/**'], '/public/..%e0%80%afadmin'],
    [['/public/**'], '/public/..%f0%80%80%afadmin'],
    [['/public/**'], '/public/%c0%ae%c0%ae/admin'],
    [['/public/**'], '/public/..%c1%9cadmin'],
    [['/public/**'], '/public/%fe'],
    [['/public/**'], '/public/%ed%a0%80'],
    [['/public/**'], '/public/\ud800'],
    [['/public/**'], '/public/%c3/x'],
    [['/public/**'], '/public/\ufffd'],
    // What ends a text, or is dropped from it.
    [['/public/*.png'], '/public/secret.txt%00.png'],
    [['/public/*.png'], '/public/secret.txt\0.png'],
    [['/public/*.png'], '/public/secret.txt%0a.png'],
    [['/public/**'], '/public/.\t./admin'],
    [['/public/**'], '/public/.\n./admin'],
    [['/public/**'], '/public/.%09./admin'],
    [['/public/**'], '/public/.%0d%0a./admin'],
    [['/public/**'], '/public/%7f'],
    [['/public/**'], '/public/%c2%85'],
    [['/public/**'], '/public/.\u200b./admin'],
    [['/public/**'], '/public/.%C2%AD./admin'],
    [['/public/**'], '/public/%2541%E2%80%8B'],
    [['/public/**'], '/public/%25%E2%80%8B2e'],
    // Slashes: a host for a URL parser, another place for who merges them first.
    [['/public/**'], '//public/admin'],
    [['/public/**'], '///public/admin'],
    [['/public/**'], '/.//public/admin'],
    [['/public/**'], '/x/..//public/admin'],
    [['/public/**'], 'http://h//public/admin'],
    [['/b'], '/a//../b'],
    [['/c'], '/a//b/../../c'],
    [['/a/b'], '/a//../b'],
    [['/c'], '/a//b/%2e%2e/%2e%2e/c'],
    // Query and fragment.
    [['/public'], '/admin?/../public'],
    [['/public'], '/admin?x=/public'],
    [['/*/info'], '/admin%3f/info'],
    [['/*/info'], '/admin%23/info'],
    [['/public'], '/public#/../admin'],
    [['/public'], '/public#x'],
    [['/*/info'], '/admin#/info'],
    [['/public'], '/admin#/../public'],
    // Absolute form.
    [['/public'], 'https://example.com/admin'],
    [['/public'], 'https://example.com/admin?/public'],
    [['/public'], 'https://public/'],
    [['/x/**'], 'https://h\\admin/x/y'],
    [['/x/**'], 'https://h\\@x/x/y'],
    [['/x/**'], 'https://a:b@h/x/y'],
    [['/x/**'], 'ftp://h/x/y'],
    // Unicode that a server may fold.
    [['/public/**'], '/public/\uff0e\uff0e/admin'],
    [['/public/**'], '/public/%EF%BC%8E%EF%BC%8E/admin'],
    [['/public/**'], '/public/\u2024\u2024/admin'],
    [['/public/**'], '/public/\u2025/admin'],
    [['/public/**'], '/public/..\uff0fadmin'],
    [['/public/**'], '/public/..\uff3cadmin'],
    [['/public/**'], '/public/..\u2215admin'],
    [['/public/**'], '/public/..\u2044admin'],
    [['/public/**'], '/public/..\u2216admin'],
    [['/public/*'], '/public/\u2100'],
    [['/*/info'], '/admin\uff1f/info'],
    [['/*/info'], '/admin\uff03/info'],
    [['/*/info'], '/admin\uff1b/info'],
    [['/*/info'], '/admin\u037e/info'],
    [['/public/**'], '/public/\uff052e\uff052e/admin'],
    [['/public/**'], '/public/%25\uff12\uff45/admin'],
    [['/public/*'], '/public/\u00a0'],
    [['/e*'], '/e\u0301'],
    // Upper and lower case, and lookalikes.
    [['/public'], '/PUBLIC'],
    [['/public'], '/%50ublic'],
    [['/public'], '/рublic'],
    [['/public'], '/\uff50ublic'],
    // A pattern is no regular expression, and a wildcard is one in patterns only.
    [['/a.c'], '/abc'],
    [['/a+'], '/aa'],
    [['/public/x'], '/public/*'],
    [['/public/x'], '/**'],
    [['/public/x'], '/%2a%2a'],
  ])('%j does not admit %j', (patterns, text) => {
    expect(patterns.map(pathPatternFault)).toEqual(patterns.map(() => undefined));
    expect(admits(patterns, text)).toBe(false);
  });

  // Else the cases above could be refused for nothing.
  test.each([
    [['/admin'], '/public/../admin'],
    [['/admin'], '/public/%2e%2e/admin'],
    [['/public/**'], '/public/x/../y'],
    [['/public/**'], '/public//x'],
    [['/public/**'], '/public/%41%20b'],
    [['/public/**'], 'https://example.com/public/x'],
    [['/public/**'], '/public/100%25'],
    [['/public/**'], '/public/...x'],
    [['/public/**'], '/public/x.'],
    [['/public/**'], '/public/x?a;b\\c#d'],
    [['/public/caf\u00e9'], '/public/cafe\u0301'],
    [['/public/*'], '/public/\u65e5\u672c'],
    [['/public/*'], '/public/\u{1f468}\u200d\u{1f469}'],
    [['/public/*'], '/public/*'],
  ])('%j admits %j', (patterns, text) => {
    expect(admits(patterns, text)).toBe(true);
  });
});

/** The rules of a pattern by recursion: exponential, and obvious. */
function slowMatches(pattern: string, path: string): boolean {
  const steps = (text: string): string[] => (text === '/' ? [] : text.slice(1).split('/'));
  const within = (glob: string, text: string): boolean => {
    if (glob === '') return text === '';
    if (glob.startsWith('*'))
      return within(glob.slice(1), text) || (text !== '' && within(glob, text.slice(1)));
    return glob[0] === text[0] && within(glob.slice(1), text.slice(1));
  };
  const along = (globs: readonly string[], texts: readonly string[]): boolean => {
    const [glob, ...globsLeft] = globs;
    const [text, ...textsLeft] = texts;
    if (glob === undefined) return text === undefined;
    if (glob === '**') return true;
    return text !== undefined && within(glob, text) && along(globsLeft, textsLeft);
  };
  return along(steps(pattern), steps(path));
}

const globs = fc.string({ unit: fc.constantFrom('a', 'b', '*', '*'), minLength: 1, maxLength: 6 });
const pattern = fc
  .tuple(
    fc.array(fc.oneof(globs, fc.constantFrom('*', 'a', '*a*b*')), { maxLength: 3 }),
    fc.constantFrom('', '/**'),
  )
  .map(
    ([segments, end]) =>
      segments.map((segment) => `/${segment.replaceAll(/\*+/g, '*')}`).join('') + end || '/',
  );
const segment = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 6 });
const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`);

describe('a compiled pattern', () => {
  test('agrees with the slow matcher in 100,000 random cases', () => {
    let matches = 0;
    let cases = 0;
    fc.assert(
      fc.property(pattern, fc.array(path, { minLength: 20, maxLength: 20 }), (text, paths) => {
        expect(pathPatternFault(text)).toBeUndefined();
        const matcher = compilePath(text);
        const wrong: unknown[] = [];
        for (const candidate of paths) {
          const expected = slowMatches(text, candidate);
          if (matcher(candidate) !== expected) wrong.push({ text, candidate, expected });
          cases += 1;
          if (expected) matches += 1;
        }
        expect(wrong).toEqual([]);
      }),
      { numRuns: 6000 },
    );
    expect(cases).toBeGreaterThanOrEqual(100_000);
    // Else the test would prove little.
    expect(matches).toBeGreaterThan(10_000);
    expect(cases - matches).toBeGreaterThan(10_000);
  });

  test('finds a long part wherever it stands, however it repeats itself', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 9 });
    const around = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
    let matches = 0;
    fc.assert(
      fc.property(part, around, around, fc.boolean(), (needle, before, after, isIn) => {
        const text = before + (isIn ? needle : '') + after;
        const expected = text.includes(needle);
        expect(compilePath(`/*${needle}*`)(`/${text}`)).toBe(expected);
        if (expected) matches += 1;
      }),
      { numRuns: 20_000 },
    );
    expect(matches).toBeGreaterThan(5_000);
    expect(20_000 - matches).toBeGreaterThan(5_000);
  });

  test('any one of several suffices', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, candidate) => {
        const expected = patterns.some((text) => slowMatches(text, candidate));
        expect(compilePaths(patterns)(candidate)).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });

  test('a list that is changed afterwards changes nothing', () => {
    const patterns = ['/a', '/b/*'];
    const matches = compilePaths(patterns);
    patterns.push('/**', '/c');
    expect(matches('/c')).toBe(false);
  });

  test.each([
    ['/api/v*/orders/statuses', '/api/v1/orders/statuses'],
    ['/api/v*/orders/statuses', '/api/v/orders/statuses'],
    ['/api/v*/orders/statuses', '/api/v2-beta/orders/statuses'],
    ['/pkg.Service/*', '/pkg.Service/Method'],
    ['/a/**', '/a'],
    ['/a/**', '/a/b'],
    ['/a/**', '/a/b/c'],
    ['/**', '/'],
    ['/**', '/a/b'],
    ['/', '/'],
    ['/*/**', '/a'],
    ['/a*a', '/aa'],
  ])('%j matches %j', (text, candidate) => {
    expect(compilePath(text)(candidate)).toBe(true);
  });

  test.each([
    ['/api/v*/orders/statuses', '/api/v1/x/orders/statuses'],
    ['/api/v*/orders/statuses', '/api/orders/statuses'],
    ['/api/v*/orders/statuses', '/api/v1/orders/statuses/x'],
    ['/api/v*/orders/statuses', '/api/v1/orders'],
    ['/pkg.Service/*', '/pkg.Service2/Method'],
    ['/a/**', '/ab'],
    ['/a/**', '/'],
    ['/a/*', '/a'],
    ['/a/*', '/a/b/c'],
    ['/*', '/'],
    ['/*/**', '/'],
    ['/', '/a'],
    ['/a*a', '/a'],
    ['/a', '/a/b'],
    ['/a/b', '/a'],
  ])('%j does not match %j', (text, candidate) => {
    expect(compilePath(text)(candidate)).toBe(false);
  });
});

describe('a pattern', () => {
  test.each([
    '/',
    '/**',
    '/*',
    '/a',
    '/api/v*/orders/statuses',
    '/pkg.Service/*',
    '/caf\u00e9/100%',
    '/a/*/b/**',
    '/.well-known/*',
    `/${'a'.repeat(PATH_PATTERN_LENGTH_MAX - 1)}`,
    '/*a'.repeat(WILDCARDS_MAX),
    `${'/*'.repeat(WILDCARDS_MAX - 1)}/**`,
  ])('%j has no fault', (text) => {
    expect(pathPatternFault(text)).toBeUndefined();
  });

  test.each([
    ['', 'must begin with /'],
    ['a', 'must begin with /'],
    ['*', 'must begin with /'],
    ['https://example.com/a', 'must begin with /'],
    ['/a?x', 'must have no query'],
    ['/a#x', 'must have no query'],
    ['/a%20b', 'must have characters instead of percent-escapes'],
    ['/a%2fb', 'must have characters instead of percent-escapes'],
    ['//', 'must have no empty segments'],
    ['/a//b', 'must have no empty segments'],
    ['/a/', 'must not end with /'],
    ['/**/', 'must not end with /'],
    ['/a/./b', 'must have no segments . and ..'],
    ['/a/..', 'must have no segments . and ..'],
    ['/orders/{id}', 'must have * in place of a parameter'],
    ['/orders/:id/items', 'must have * in place of a parameter'],
    ['/**/a', 'must have ** only as its whole last segment'],
    ['/a**', 'must have ** only as its whole last segment'],
    ['/***', 'must have ** only as its whole last segment'],
    ['/**a', 'must have ** only as its whole last segment'],
    ['/a/**b/**', 'must have ** only as its whole last segment'],
    ['/a\\b', 'must be in NFC'],
    ['/a;b', 'must be in NFC'],
    ['/a\nb', 'must be in NFC'],
    ['/a/...', 'must be in NFC'],
    ['/cafe\u0301', 'must be in NFC'],
    ['/\uff0e', 'must be in NFC'],
    [`/${'a'.repeat(PATH_PATTERN_LENGTH_MAX)}`, 'must have at most 512 characters'],
    ['/*a'.repeat(WILDCARDS_MAX + 1), 'must have at most 16 wildcards'],
    [`${'/*'.repeat(WILDCARDS_MAX)}/**`, 'must have at most 16 wildcards'],
  ])('%j has one', (text, fault) => {
    expect(pathPatternFault(text)).toContain(fault);
  });
});

// With a matcher that comes back to try another place, the first pattern would not end within the age of the world.
describe('a path of a megabyte costs no more than its length', () => {
  const MEGABYTE = 1_000_000;

  test.each([
    '/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*bb',
    `/*${'a'.repeat(500)}b*`,
    `/*b${'a'.repeat(500)}*`,
    `/*${'ab'.repeat(120)}c*${'ba'.repeat(120)}c*`,
  ])('for the pattern %j', (text) => {
    expect(pathPatternFault(text)).toBeUndefined();
    const matches = compilePath(text);
    expect(matches(`/${'a'.repeat(MEGABYTE)}`)).toBe(false);
    expect(matches(`/${'ab'.repeat(MEGABYTE / 2)}`)).toBe(false);
    expect(matches('/a'.repeat(MEGABYTE / 2))).toBe(false);
  });

  test.each([
    ['letters', '/', 'a'],
    ['slashes', '/a', '/'],
    ['segments', '', '/a'],
    ['escapes', '/', '%41'],
    ['single dots', '/a', '/.'],
    ['parents', '', '/a/..'],
    ['escaped parents', '', '/a/%2e%2E'],
    ['other scripts', '/', '\u65e5'],
    ['query', '/a?', '%'],
  ])('that is made of %s and has a spelling', (_name, start, unit) => {
    const text = start + unit.repeat(MEGABYTE / unit.length);
    expect(normalizePath(text) === undefined).toBe(false);
  });

  test.each([
    ['escapes of escapes', '/', '%2541'],
    ['bytes that are not UTF-8', '/', '%ff'],
    ['dots', '/', '.'],
    ['parents', '', '/..'],
    ['combining marks', '/a', '\u0315\u0300\u05ae\u0300'],
    ['combining marks in the wrong order', `/a${'\u0301'.repeat(MEGABYTE / 2)}`, '\u0323'],
  ])('that is made of %s and has none', (_name, start, unit) => {
    const text = start + unit.repeat(MEGABYTE / unit.length);
    expect(normalizePath(text) === undefined).toBe(true);
  });

  test('that is a host only', () => {
    expect(normalizePath(`http://${'a'.repeat(MEGABYTE)}`)).toBe('/');
    expect(normalizePath(`http://${'a'.repeat(MEGABYTE)}@`)).toBeUndefined();
  });
});
