/**
 * Paths of operations: the one spelling by which a path is judged, and the patterns that it is judged by.
 *
 * Patterns only ever allow. What must not happen is that a path is read here as one that is allowed, and by the
 * service behind as another. So a text that servers are known to read in different ways has no spelling at all, and
 * no pattern matches it; only what every server reads alike is brought to its shortest form. One thing is asked of
 * the service: that it resolves `.` and `..`, as RFC 3986, section 6.2.2.3, says.
 */

import { compileSegment, endOfSegments, WILDCARDS_MAX, type SegmentMatcher } from './segment.ts';

/** The longest pattern, in characters. */
export const PATH_PATTERN_LENGTH_MAX = 512;

/** Tells whether a path, as `normalizePath` gives it, is matched. */
export type PathMatcher = (normalizedPath: string) => boolean;

// No user name: RFC 9110, section 4.2.4, calls it an error; and `\` in it moves the end of the host in browsers.
const ORIGIN = /^https?:\/\/[A-Za-z0-9._~:[\]-]+/i;
const NOT_PLAIN = /[^A-Za-z0-9_~!$&'()*+,=:@/.-]/;
const ESCAPES = /(?:%[0-9A-Fa-f]{2})+/g;
// A slash for some, a letter for others.
const ESCAPED_SLASH = /%2f/i;
// `\` is a slash for some. From `;` on, Tomcat and its kin drop the rest of a segment. `#` is a letter for some and
// ends the path for others; so does `?`, once it was decoded. Controls are dropped, or end the text. The three signs
// look like slashes, and become ones in Windows code pages. An escape that is left was encoded twice; `%u002e` is
// IIS's own way to write one.
const AMBIGUOUS = /[\\;#?/\p{Cc}\p{Surrogate}\ufffd\u2044\u2215\u2216]|%(?:[0-9a-f]{2}|u)/iu;
// Windows drops them at the end of a segment, so that `.. ` is `..` and `...` nothing.
const DOTS_AND_SPACES = /^[. ]*$/;
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu;
// More than the Stream-Safe Text Format of UAX #15 has in a row: putting them in order would cost the square. Looking
// behind first, each mark is looked at once or twice, not 31 times.
const TOO_MANY_MARKS = /(?<!\p{M})\p{M}{31}/u;

/**
 * The one spelling of an operation's path, or undefined for a text that has none; then no pattern matches.
 * Idempotent, and linear in the text.
 *
 * - `https://API.example.com/x` is `/x`: scheme and host are cut off. The query is cut off.
 * - Percent-encodings are decoded, once; Unicode is put into NFC. Upper and lower case differ.
 * - `.`, `..`, repeated slashes and a slash at the end are resolved; the root is `/`.
 *
 * No spelling have: what does not begin with `/`; `..` above the root, or together with `//`; `//` at the root, which
 * URL parsers take for a host; encoded `/`, `?` and `#`; `#`, `;`, `\` and control characters in any way; what is not
 * UTF-8 or is encoded twice; segments of three dots and more, or of spaces; more than 30 combining marks in a
 * row; characters that compatibility forms turn into one of these (fullwidth dots and slashes). A `%` that begins no
 * escape is a character like any other.
 *
 * @param text a path, an absolute URL of http or https, or a gRPC method (`/pkg.Service/Method`)
 */
export function normalizePath(text: string): string | undefined {
  const origin = ORIGIN.exec(text)?.[0] ?? '';
  const queryAt = text.indexOf('?');
  const raw = text.slice(origin.length, queryAt < 0 ? text.length : queryAt);
  if (origin !== '' && raw === '') return '/';
  if (!raw.startsWith('/')) return undefined;
  // Most paths: they need no more than this look.
  if (!NOT_PLAIN.test(raw) && !raw.includes('//') && !raw.includes('/.') && !raw.endsWith('/')) return raw;

  const decoded = ESCAPED_SLASH.test(raw) ? undefined : decode(raw);
  if (decoded === undefined || TOO_MANY_MARKS.test(decoded)) return undefined;
  return resolve(decoded.normalize('NFC'));
}

/** Undefined for what is not UTF-8, overlong forms included. */
function decode(raw: string): string | undefined {
  try {
    return raw.replace(ESCAPES, decodeURIComponent);
  } catch {
    return undefined;
  }
}

function resolve(path: string): string | undefined {
  const segments = path.slice(1).split('/');
  // One slash at the end, or the root's own.
  if (segments.at(-1) === '') segments.pop();
  const kept: string[] = [];
  let hasEmpty = false;
  let hasParent = false;
  for (const segment of segments) {
    if (segment === '') {
      // `new URL('//a/b', base)` is `/b` at the host `a`; so is `/.//a/b`, once a proxy has resolved the dot.
      if (kept.length === 0) return undefined;
      hasEmpty = true;
    } else if (segment === '..') {
      if (kept.pop() === undefined) return undefined;
      hasParent = true;
    } else if (segment !== '.') {
      if (isAmbiguous(segment)) return undefined;
      kept.push(segment);
    }
  }
  // `/a//../b` is `/a/b` by RFC 3986, and `/b` for servers that merge slashes first.
  if (hasEmpty && hasParent) return undefined;
  return `/${kept.join('/')}`;
}

/** Whether servers differ about a segment that is in NFC: as it is, or after they folded it. */
function isAmbiguous(segment: string): boolean {
  if (AMBIGUOUS.test(segment) || TOO_MANY_MARKS.test(segment)) return true;
  const folded = segment.normalize('NFKC').replace(IGNORABLE, '');
  return AMBIGUOUS.test(folded) || DOTS_AND_SPACES.test(folded);
}

/**
 * What is wrong with a pattern, to stand after the name of its field: `must begin with /`. Undefined: nothing.
 *
 * A pattern is a path as `normalizePath` gives it, in which `*` stands for any characters of one segment: for one or
 * more if it is the whole segment, else for none or more. A last segment `**` stands for all that follows: `/a/**`
 * matches `/a` and everything below, `/**` everything.
 */
export function pathPatternFault(pattern: string): string | undefined {
  if (pattern.length > PATH_PATTERN_LENGTH_MAX) {
    return `must have at most ${PATH_PATTERN_LENGTH_MAX} characters`;
  }
  if (!pattern.startsWith('/')) return 'must begin with /';
  if (/[?#]/.test(pattern)) return 'must have no query and no fragment';
  if (pattern.search(ESCAPES) >= 0) return 'must have characters instead of percent-escapes';
  if (pattern.includes('//')) return 'must have no empty segments';
  if (pattern.endsWith('/') && pattern !== '/') return 'must not end with /';
  const segments = pattern.slice(1).split('/');
  if (segments.includes('.') || segments.includes('..')) return 'must have no segments . and ..';
  // Templates of routers and of OpenAPI: as literal text they would match nothing, and nobody would be told.
  if (segments.some((segment) => /[{}]|^:/.test(segment)))
    return 'must have * in place of a parameter such as {id} or :id';
  const wildcards = pattern.replace(/\/\*\*$/, '/*');
  if (wildcards.includes('**')) return 'must have ** only as its whole last segment';
  if (wildcards.split('*').length - 1 > WILDCARDS_MAX) {
    return `must have at most ${WILDCARDS_MAX} wildcards`;
  }
  if (normalizePath(pattern) === pattern) return undefined;
  return 'must be in NFC and have no \\, no ; and nothing else that servers read in different ways';
}

/**
 * Compiles a pattern. Matching is linear in the path, whatever the pattern.
 *
 * @param pattern one without a fault; one with a fault matches nothing that it does not spell out
 */
export function compilePath(pattern: string): PathMatcher {
  if (!pattern.includes('*')) return (path) => path === pattern;
  const segments = pattern.slice(1).split('/');
  const matchesRest = segments.at(-1) === '**';
  if (matchesRest) segments.pop();
  const matchers = segments.map((segment) => (segment === '*' ? isNotEmpty : compileSegment(segment)));
  return (path) => {
    const end = endOfSegments(matchers, path);
    return end >= 0 && (matchesRest || end === path.length);
  };
}

/** A whole segment `*`: the root, whose one segment is empty, has nothing for it. */
const isNotEmpty: SegmentMatcher = (_path, start, end) => start < end;

/** Compiles patterns, of which any one suffices: a set for those without wildcards, a list of matchers for others. */
export function compilePaths(patterns: readonly string[]): PathMatcher {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const matchers = patterns.filter((pattern) => pattern.includes('*')).map(compilePath);
  return (path) => exact.has(path) || matchers.some((matches) => matches(path));
}
