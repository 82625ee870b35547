import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileReferrers, referrerPatternFault } from '../../../core/patterns/referrer.ts';

/** A pattern in its parts. */
interface Pattern {
  scheme: 'http' | 'https' | undefined;
  isWildcard: boolean;
  labels: string[];
  port: number | undefined;
  path: string | undefined;
}

/** A referrer in its parts. */
interface Referrer {
  scheme: 'http' | 'https';
  labels: string[];
  port: number | undefined;
  path: string;
}

/** The rule of paths, a character at a time, with all that a star could be tried in turn. */
function slowMatchesPath(pattern: string, path: string): boolean {
  if (pattern === '') return path === '';
  if (pattern === '*') return true;
  if (!pattern.startsWith('*'))
    return pattern[0] === path[0] && slowMatchesPath(pattern.slice(1), path.slice(1));
  for (let length = 0; length <= path.length; length += 1) {
    if (path.slice(0, length).includes('/')) return false;
    if (slowMatchesPath(pattern.slice(1), path.slice(length))) return true;
  }
  return false;
}

/** The rule of patterns, on parts that were never text. */
function slowMatches(pattern: Pattern, referrer: Referrer): boolean {
  if (pattern.scheme !== undefined && pattern.scheme !== referrer.scheme) return false;
  const defaultPort = referrer.scheme === 'http' ? 80 : 443;
  if ((pattern.port ?? defaultPort) !== (referrer.port ?? defaultPort)) return false;
  const above = referrer.labels.length - pattern.labels.length;
  if (pattern.isWildcard ? above < 1 : above !== 0) return false;
  if (!pattern.labels.every((label, index) => label === referrer.labels[above + index])) return false;
  return pattern.path === undefined || slowMatchesPath(pattern.path, referrer.path);
}

const portText = (port: number | undefined): string => (port === undefined ? '' : `:${port}`);

const spellPattern = ({ scheme, isWildcard, labels, port, path }: Pattern): string =>
  `${scheme === undefined ? '' : `${scheme}://`}${isWildcard ? '*.' : ''}${labels.join('.')}${portText(port)}${path ?? ''}`;

/** What decides how a referrer is spelled; none of it changes where it points to. */
interface Spelling {
  isUpperCase: boolean;
  /** Whether the names are in the alphabet that people read. */
  isUnicode: boolean;
  userinfo: string;
  /** Whether a port that is the default is written. */
  hasPort: boolean;
  /** What is put before the last segment of the path. */
  detour: string;
  tail: string;
}

function spellReferrer({ scheme, labels, port, path }: Referrer, spelling: Spelling): string {
  const names = labels.map((label) =>
    spelling.isUnicode ? label.replace('xn--bcher-kva', 'bücher') : label,
  );
  const origin = `${scheme}://${spelling.userinfo}${names.join('.')}`;
  const defaultPort = scheme === 'http' ? 80 : 443;
  const slash = path.lastIndexOf('/') + 1;
  return (
    (spelling.isUpperCase ? origin.toUpperCase() : origin) +
    portText(spelling.hasPort ? (port ?? defaultPort) : port) +
    path.slice(0, slash) +
    spelling.detour +
    path.slice(slash) +
    spelling.tail
  );
}

// Few names, so that patterns and referrers meet often.
const label = fc.constantFrom('a', 'b', 'xn--bcher-kva');
const below = (labels: string[]): string[] => [...labels, 'a', 'test'];
const scheme = fc.constantFrom('http' as const, 'https' as const);
const port = fc.constantFrom(undefined, undefined, undefined, 80, 443, 8080);
const pattern: fc.Arbitrary<Pattern> = fc.record({
  scheme: fc.option(scheme, { nil: undefined }),
  isWildcard: fc.boolean(),
  labels: fc.array(label, { maxLength: 1 }).map(below),
  port,
  path: fc.option(
    fc
      .string({ unit: fc.constantFrom('/', 'a', 'b', '*', '*'), maxLength: 7 })
      .map((text) => `/${text.replaceAll(/\*{2,}/g, '*')}`),
    { nil: undefined },
  ),
});
const referrer: fc.Arbitrary<Referrer> = fc.record({
  scheme,
  labels: fc.array(label, { maxLength: 2 }).map(below),
  port,
  path: fc.string({ unit: fc.constantFrom('/', 'a', 'b'), maxLength: 7 }).map((text) => `/${text}`),
});
const spelling: fc.Arbitrary<Spelling> = fc.record({
  isUpperCase: fc.boolean(),
  isUnicode: fc.boolean(),
  userinfo: fc.constantFrom('', '', 'a.test@', 'user:b.test@', 'a.test:80@'),
  hasPort: fc.boolean(),
  detour: fc.constantFrom('', '', './', '%2e/', 'x/../', 'x/%2E./', 'x/y/../.%2e/'),
  tail: fc.constantFrom('', '', '?', '#', '?a=//a.test/a', '#@a.test/', '?\\@b.test', '#?'),
});

test('agrees with the slow matcher in 100,000 random cases', () => {
  let matches = 0;
  let cases = 0;
  fc.assert(
    fc.property(
      fc.array(pattern, { minLength: 4, maxLength: 16 }),
      fc.array(fc.tuple(referrer, spelling), { minLength: 25, maxLength: 25 }),
      (patterns, referrers) => {
        const texts = patterns.map(spellPattern);
        expect(texts.filter((text) => referrerPatternFault(text) !== undefined)).toEqual([]);
        const isAllowed = compileReferrers(texts);
        const wrong: string[] = [];
        for (const [parts, spelled] of referrers) {
          const text = spellReferrer(parts, spelled);
          const expected = patterns.some((each) => slowMatches(each, parts));
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
  expect(matches).toBeGreaterThan(10_000);
  expect(cases - matches).toBeGreaterThan(10_000);
});

test('agrees with the slow matcher on paths alone in 100,000 random cases', () => {
  let matches = 0;
  let cases = 0;
  const pathPattern = fc.string({ unit: fc.constantFrom('/', 'a', 'b', '*', '*'), maxLength: 8 });
  const path = fc.string({ unit: fc.constantFrom('/', 'a', 'a', 'b'), maxLength: 8 });
  fc.assert(
    fc.property(pathPattern, fc.array(path, { minLength: 25, maxLength: 25 }), (text, paths) => {
      const rule = `/${text.replaceAll(/\*{2,}/g, '*')}`;
      const isAllowed = compileReferrers([`a.test${rule}`]);
      const wrong: string[] = [];
      for (const each of paths) {
        const expected = slowMatchesPath(rule, `/${each}`);
        if (isAllowed(`https://a.test/${each}`) !== expected) wrong.push(each);
        cases += 1;
        if (expected) matches += 1;
      }
      expect(wrong).toEqual([]);
    }),
    { numRuns: 4000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  expect(matches).toBeGreaterThan(10_000);
  expect(cases - matches).toBeGreaterThan(10_000);
});

test('a pattern more never takes away, and order and repetition do not matter', () => {
  fc.assert(
    fc.property(
      fc.array(pattern.map(spellPattern), { maxLength: 8 }),
      pattern.map(spellPattern),
      referrer,
      spelling,
      (patterns, more, parts, spelled) => {
        const text = spellReferrer(parts, spelled);
        const expected = compileReferrers(patterns)(text);
        expect(compileReferrers(patterns.toReversed())(text)).toBe(expected);
        expect(compileReferrers([...patterns, ...patterns])(text)).toBe(expected);
        expect(compileReferrers([...patterns, more])(text) || !expected).toBe(true);
      },
    ),
  );
});

test('no text makes it throw, and what has a fault allows nothing', () => {
  const unit = fc.constantFrom(
    ...'aA.:/*@?#\\[]%2e \n-1é。'.split(''),
    'http://',
    'https://',
    'a.test',
    '\ud800',
  );
  const text = fc.string({ unit, maxLength: 10 });
  let faults = 0;
  fc.assert(
    fc.property(text, text, (rule, from) => {
      const isAllowed = compileReferrers([rule]);
      const answers = [from, `https://${from}`, `https://${rule}`, rule].map(isAllowed);
      if (referrerPatternFault(rule) === undefined) return;
      expect(answers).not.toContain(true);
      faults += 1;
    }),
    { numRuns: 20_000 },
  );
  expect(faults).toBeGreaterThan(2000);
  expect(faults).toBeLessThan(20_000);
});

test('stars that could be tried in more ways than there is time for', () => {
  // With what precedes in their way, a matcher that goes back would not end in the lifetime of the test.
  const isAllowed = compileReferrers([`a.test/${'a*'.repeat(16)}b`, `a.test/${'*a/'.repeat(15)}*b`]);
  expect(isAllowed(`https://a.test/${'a'.repeat(2000)}`)).toBe(false);
  expect(isAllowed(`https://a.test/${'a'.repeat(2000)}b`)).toBe(true);
  expect(isAllowed(`https://a.test/${'aaaa/'.repeat(15)}a`)).toBe(false);
});

test('hosts of more names than a DNS name holds', () => {
  const isAllowed = compileReferrers(['*.a.test']);
  expect(isAllowed(`https://${'a.'.repeat(120)}a.test/`)).toBe(true);
  expect(isAllowed(`https://${'a.'.repeat(130)}a.test/`)).toBe(false);
  expect(isAllowed(`https://${'a.'.repeat(500_000)}a.test/`)).toBe(false);
});

describe('is allowed', () => {
  test.each([
    ['example.com', 'https://example.com/'],
    ['example.com', 'http://example.com'],
    ['example.com', 'https://example.com/any/path?and=query#and-fragment'],
    ['example.com/*', 'https://example.com/'],
    ['example.com/*', 'https://example.com/any/path'],
    ['example.com/', 'https://example.com'],
    ['example.com/', 'https://example.com/?a'],
    ['https://example.com', 'https://example.com/'],
    ['HTTPS://Example.COM', 'https://example.com/'],
    ['*.example.com', 'https://www.example.com/'],
    ['*.example.com/*', 'https://a.b.c.example.com/x'],
    ['*.co.uk', 'https://example.co.uk/'],
    ['localhost:3000', 'http://localhost:3000/'],
    ['127.0.0.1:3000', 'http://127.0.0.1:3000/'],
    ['[::1]:3000', 'http://[::1]:3000/'],
    ['[0:0::1]', 'http://[::1]/'],
    ['example.com:443', 'https://example.com/'],
    ['example.com:80', 'http://example.com/'],
    ['example.com:443', 'http://example.com:443/'],
    ['example.com', 'https://example.com:443/'],
    ['example.com', 'http://example.com:080/'],
    ['example.com/a*', 'https://example.com/a'],
    ['example.com/a*', 'https://example.com/abc/d'],
    ['example.com/a/*/c', 'https://example.com/a/b/c'],
    ['example.com/v*/x', 'https://example.com/v12/x'],
    ['example.com/b%C3%BCcher', 'https://example.com/bücher'],
    ['example.com/bücher', 'https://example.com/b%C3%BCcher'],
    // Names of other alphabets have one spelling in the DNS.
    ['bücher.example', 'https://xn--bcher-kva.example/'],
    ['xn--bcher-kva.example', 'https://bücher.example/'],
    ['*.bücher.example', 'https://www.BÜCHER.example/'],
    ['example.com', 'https://ＥＸＡＭＰＬＥ.com/'],
    // Browsers strip user information; it says nothing about the site.
    ['example.com', 'https://user:password@example.com/'],
    ['example.com', 'https://evil.test@example.com/'],
    ['example.com', 'HTTPS://EXAMPLE.COM/'],
    // What is in the query is no matter.
    ['example.com', 'https://example.com?\\ \t'],
  ])('by %j: %j', (allowed, from) => {
    expect(referrerPatternFault(allowed)).toBeUndefined();
    expect(compileReferrers([allowed])(from)).toBe(true);
  });
});

describe('is not allowed', () => {
  test.each([
    // The name elsewhere than in the host.
    ['example.com', 'https://evil.test/?x=example.com/'],
    ['example.com', 'https://evil.test/example.com/'],
    ['example.com', 'https://evil.test/https://example.com/'],
    ['example.com', 'https://evil.test#example.com/'],
    ['example.com', 'https://evil.test#@example.com/'],
    ['example.com', 'https://evil.test?@example.com/'],
    ['example.com', 'https://evil.test/@example.com/'],
    ['example.com', 'https://example.com@evil.test/'],
    ['example.com', 'https://example.com:443@evil.test/'],
    ['example.com', 'https://example.com%2f@evil.test/'],
    ['example.com', 'https://user@example.com@evil.test/'],
    ['*.example.com', 'https://a.example.com@evil.test/'],
    ['*.example.com', 'https://evil.test/.example.com'],
    ['*.example.com', 'https://evil.test/a.example.com/'],
    ['*.example.com', 'https://evil.test?.example.com'],
    // The name as a part of another.
    ['example.com', 'https://example.com.evil.test/'],
    ['example.com', 'https://notexample.com/'],
    ['example.com', 'https://example.co/'],
    ['example.com', 'https://example.community/'],
    ['example.com', 'https://www.example.com/'],
    ['example.com', 'https://examplexcom/'],
    ['example.com', 'https://com/'],
    ['*.example.com', 'https://notexample.com/'],
    ['*.example.com', 'https://a.notexample.com/'],
    ['*.example.com', 'https://a.example.com.evil.test/'],
    ['*.example.com', 'https://example.com.evil.test/'],
    ['*.example.com', 'https://a-example.com/'],
    ['*.example.com', 'https://axexample.com/'],
    // A wildcard is for the names below, not for the name.
    ['*.example.com', 'https://example.com/'],
    ['*.example.com', 'https://.example.com/'],
    ['*.example.com', 'https://..example.com/'],
    ['*.example.com', 'https://a..example.com/'],
    // With a dot at the end it is another origin.
    ['example.com', 'https://example.com./'],
    ['*.example.com', 'https://a.example.com./'],
    ['*.example.com', 'https://example.com./'],
    // Backslashes, tabs, line ends, spaces and control characters, of which readers make different things.
    ['example.com', 'https://example.com\\@evil.test/'],
    ['example.com', 'https://evil.test\\@example.com/'],
    ['example.com', 'https:\\\\example.com/'],
    ['example.com', 'https://example.com\\.evil.test/'],
    ['example.com', 'https://example.com/\\'],
    ['example.com', 'https://exam\tple.com/'],
    ['example.com', 'https://exam\nple.com/'],
    ['example.com', 'https://example.com/\r\n'],
    ['example.com', ' https://example.com/'],
    ['example.com', 'https://example.com/ '],
    ['example.com', 'https://example.com /'],
    ['example.com', 'https://example.com\0/'],
    ['example.com', 'https://example.com\0.evil.test/'],
    ['example.com', 'java\tscript:https://example.com/'],
    // Fewer or more slashes.
    ['example.com', 'https:example.com/'],
    ['example.com', 'https:/example.com/'],
    ['example.com', 'https:///example.com/'],
    ['example.com', 'https:////example.com/'],
    ['example.com', '//example.com/'],
    ['example.com', 'example.com/'],
    ['example.com', 'example.com'],
    ['example.com', '/'],
    // Lookalikes.
    ['example.com', 'https://ex\u0430mple.com/'],
    ['example.com', 'https://xn--exmple-4nf.com/'],
    ['example.com', 'https://example\uff0fcom/'],
    ['example.com', 'https://evil.test\uff0f.example.com/'],
    ['*.example.com', 'https://evil.test\uff0f.example.com/'],
    ['*.example.com', 'https://evil.test\u2100.example.com/'],
    ['*.example.com', 'https://evil.test%2f.example.com/'],
    ['*.example.com', 'https://evil.test%00.example.com/'],
    ['*.example.com', 'https://evil.test%23.example.com/'],
    ['*.example.com', 'https://evil.test:.example.com/'],
    ['*.example.com', 'https://[evil.test].example.com/'],
    // Ports and schemes.
    ['example.com', 'https://example.com:8443/'],
    ['example.com', 'https://example.com:80/'],
    ['example.com', 'http://example.com:443/'],
    ['example.com:8080', 'https://example.com/'],
    ['example.com:8080', 'https://example.com:80801/'],
    ['example.com:8080', 'https://example.com:808/'],
    ['example.com:443', 'http://example.com/'],
    ['example.com', 'https://example.com:99999/'],
    ['https://example.com', 'http://example.com/'],
    ['http://example.com', 'https://example.com/'],
    ['https://example.com:80', 'http://example.com/'],
    ['example.com', 'ftp://example.com/'],
    ['example.com', 'ws://example.com/'],
    ['example.com', 'httpss://example.com/'],
    ['example.com', 'xhttps://example.com/'],
    ['example.com', 'chrome-extension://example.com/'],
    ['example.com', 'javascript://example.com/%0aalert(1)'],
    ['example.com', 'file://example.com/'],
    ['example.com', 'file:///example.com/'],
    ['example.com', 'data:text/html,https://example.com/'],
    ['example.com', 'blob:https://example.com/uuid'],
    ['example.com', 'view-source:https://example.com/'],
    ['example.com', 'about:blank'],
    ['example.com', 'about:srcdoc'],
    ['example.com', 'null'],
    ['null', 'null'],
    ['example.com', ''],
    ['example.com', '*'],
    ['example.com', 'https://*/'],
    ['example.com', 'https://'],
    ['example.com', 'https://:443/'],
    ['example.com', '__proto__'],
    // Addresses.
    ['1.2.3.4', 'https://1.2.3.45/'],
    ['1.2.3.4', 'https://11.2.3.4/'],
    ['1.2.3.4', 'https://1.2.3.4.evil.test/'],
    ['[::1]', 'https://[::2]/'],
    ['[::1]', 'https://[::1].evil.test/'],
    // Paths.
    ['example.com/', 'https://example.com/a'],
    ['example.com/a', 'https://example.com/'],
    ['example.com/a', 'https://example.com/a/'],
    ['example.com/a', 'https://example.com/ab'],
    ['example.com/a', 'https://example.com/A'],
    ['example.com/a', 'https://example.com/?/a'],
    ['example.com/a/*', 'https://example.com/a'],
    ['example.com/a/*', 'https://example.com/ab/'],
    ['example.com/a/*', 'https://example.com/a/../b'],
    ['example.com/a/*', 'https://example.com/a/%2e%2E/b'],
    ['example.com/a/*', 'https://example.com/a/.%2e/b'],
    ['example.com/a/*', 'https://example.com//a/b'],
    ['example.com/a/*', 'https://example.com/#/a/b'],
    ['example.com/a/*/c', 'https://example.com/a/b/b/c'],
    ['example.com/a/*/c', 'https://example.com/a/c'],
    ['example.com/*.html', 'https://example.com/a/b.html'],
    ['example.com/a*a', 'https://example.com/a'],
    ['example.com/a.c', 'https://example.com/abc'],
  ])('by %j: %j', (allowed, from) => {
    expect(referrerPatternFault(allowed)).toBeUndefined();
    expect(compileReferrers([allowed])(from)).toBe(false);
  });

  test('by no patterns: any', () => {
    expect(compileReferrers([])('https://example.com/')).toBe(false);
    expect(compileReferrers([])('')).toBe(false);
  });

  test('by a list that is changed afterwards', () => {
    const patterns = ['example.com'];
    const isAllowed = compileReferrers(patterns);
    patterns.push('evil.test');
    expect(isAllowed('https://evil.test/')).toBe(false);
  });
});

describe('the fault of', () => {
  const characters = 'must not hold spaces, control characters or backslashes';
  const noHost = 'must be a pattern such as *.example.com/*, with a host';
  const everySite = 'must name a host; leave the list empty to allow every site';
  const badWildcard = 'must have its wildcard as the first label of the host: *.example.com';
  const invalidHost = 'must have a valid host';
  const invalidPort = 'must have a port from 1 to 65535 after the colon, or no colon';
  const noScheme = 'must begin with http://, https:// or the host';
  const query = 'must not hold a query or fragment: only origin and path are compared';
  const dots = 'must not hold the path segments . and ..';
  const fewLabels = 'must have two labels or more after the *.';

  test.each([
    ['', 'must not be empty'],
    [' example.com', characters],
    ['example.com ', characters],
    ['exam\tple.com', characters],
    ['example.com\n', characters],
    ['example.com\\', characters],
    ['example.com/?a', query],
    ['example.com#a', query],
    ['ftp://example.com', noScheme],
    ['*://example.com', noScheme],
    ['://example.com', noScheme],
    ['chrome-extension://abc', noScheme],
    ['__proto__://example.com', noScheme],
    ['/', noHost],
    ['/a', noHost],
    ['//example.com', noHost],
    ['https://', noHost],
    ['https:///a', noHost],
    [':80', noHost],
    ['*', everySite],
    ['*/*', everySite],
    ['*:8080', everySite],
    ['https://*', everySite],
    ['http://*/*', everySite],
    ['**', badWildcard],
    ['*example.com', badWildcard],
    ['www.*.com', badWildcard],
    ['*.*.com', badWildcard],
    ['**.example.com', badWildcard],
    ['example.*', badWildcard],
    ['a*.example.com', badWildcard],
    ['*.com', fewLabels],
    ['*.com/*', fewLabels],
    ['*.localhost', fewLabels],
    ['*.', invalidHost],
    ['*..com', invalidHost],
    ['*.com.', invalidHost],
    ['*.example.com.', invalidHost],
    ['.example.com', invalidHost],
    ['example.com.', invalidHost],
    ['example..com', invalidHost],
    ['exa<mple.com', invalidHost],
    ['exa|mple.com', invalidHost],
    ['example.com%2f.test', invalidHost],
    ['%2a.example.com', invalidHost],
    ['%65xample.com', invalidHost],
    ['\uff0a.example.com', invalidHost],
    ['*.\uff0a.com', invalidHost],
    ['*.0.0.1', invalidHost],
    ['*.1.2.3.4', invalidHost],
    ['*.[::1]', noHost],
    ['1.2.3.256', invalidHost],
    ['[::1', noHost],
    ['[::g]', invalidHost],
    ['[]', invalidHost],
    [`${'a.'.repeat(126)}aa`, invalidHost],
    ['user@example.com', 'must not hold user information'],
    ['https://user:password@example.com/', 'must not hold user information'],
    ['example.com:', invalidPort],
    ['example.com:/', invalidPort],
    ['example.com:0', invalidPort],
    ['example.com:080', invalidPort],
    ['example.com:65536', invalidPort],
    ['example.com:123456', invalidPort],
    ['example.com:*', invalidPort],
    ['example.com:80a', invalidPort],
    ['example.com:80:80', invalidPort],
    ['https:example.com', invalidPort],
    ['::1', noHost],
    ['[::1]a', noHost],
    ['example.com/**', 'must not hold **: a last * matches any rest'],
    [`*.example.com${'/*'.repeat(17)}`, 'must have at most 16 wildcards in its path'],
    [`example.com/${'a*'.repeat(17)}`, 'must have at most 16 wildcards in its path'],
    ['example.com/**/a', 'must not hold **: a last * matches any rest'],
    ['example.com/./a', dots],
    ['example.com/a/..', dots],
    ['example.com/a/%2E%2e/b', dots],
    ['example.com/*/../b', dots],
  ])('%j: %s', (text, fault) => {
    expect(referrerPatternFault(text)).toBe(fault);
    expect(compileReferrers([text])('https://example.com/')).toBe(false);
    expect(compileReferrers([text])('https://www.example.com/')).toBe(false);
  });

  test.each([
    'example.com',
    '*.example.com',
    '*.example.com/*',
    'https://*.example.com:8443/a/*/b*',
    `${'a.'.repeat(126)}a`,
    'localhost',
    '[2001:db8::1]:8080',
    'example.com:1',
    'example.com:65535',
    'example.com/.../a',
    'example.com/a.b/.well-known/*',
    'example.com/a@b:c',
    'a_b.example.com',
  ])('%j: none', (text) => {
    expect(referrerPatternFault(text)).toBeUndefined();
  });
});
