/**
 * Referrer restrictions: on which web sites a key may be used.
 *
 * A pattern is `[scheme://]host[:port][/path]`:
 * - scheme: `http` or `https`; none: both.
 * - host: a name, an IP address, or `*.` and a name, which stands for every name below it but not for itself:
 *   `*.example.com` allows `a.example.com` and `b.a.example.com`, and `example.com` needs an entry of its own. What
 *   follows the `*.` has two labels or more. No list of public suffixes is kept: `*.co.uk` is taken as written.
 * - port: a number; none: the default port of the referrer's scheme.
 * - path: none: any path. `/` is the root alone. A last `*` matches any rest, `/docs/*`; elsewhere a `*` matches any
 *   characters, or none, within one segment, `/shops/*\/cart`; at most 16 in all. Upper and lower case differ.
 *
 * The origin is compared as a browser would: after the URL parser, so that upper case, internationalized names,
 * backslashes, user information and default ports cannot disguise it, and never by substring. Query and fragment
 * are ignored.
 *
 * The path is advisory. Browsers by default send other sites the origin alone (`strict-origin-when-cross-origin`), so
 * a pattern with a path needs a site that sets its `Referrer-Policy`; and what servers make of `%2f` or `;` differs. And
 * a referrer restrains browsers only: any other client sends what it likes.
 */

import { compileSegment, endOfSegments, WILDCARDS_MAX } from './segment.ts';

/** Tells whether a referrer (the text of a Referer or Origin header) is on an allowed site. */
export type ReferrerMatcher = (referrer: string) => boolean;

/** A pattern that was read. */
interface Pattern {
  /** `http:` or `https:`; undefined: both. */
  readonly scheme: string | undefined;
  /** As the URL parser writes it; of a wildcard what follows the `*.`. */
  readonly host: string;
  readonly isWildcard: boolean;
  /** Undefined: the default of the scheme. */
  readonly port: string | undefined;
  /** Undefined: any path. */
  readonly path: PathMatcher | undefined;
}

type PathMatcher = (path: string) => boolean;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** The longest name of the DNS, in characters; it bounds the look-ups that a referrer can make. */
const MAX_HOST_LENGTH = 253;

/** What the URL parser drops or turns into something else, and browsers never send. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const BLURRED = /[\u0000-\u0020\u007f\\]/;

/**
 * What is wrong with an entry of `allowed_referrers`, as the end of a sentence; undefined: nothing.
 *
 * @param text a pattern, as at the head of this file
 */
export function referrerPatternFault(text: string): string | undefined {
  const pattern = readPattern(text);
  return typeof pattern === 'string' ? pattern : undefined;
}

/**
 * Compiles patterns by their host, so that a referrer costs one look-up for its host and one for each name above it,
 * however many patterns there are. Of the patterns found, each is tried until one matches; each costs at most a time
 * linear in the referrer, whatever it holds.
 *
 * @param patterns entries that `referrerPatternFault` finds nothing wrong with; any other allows nothing. No patterns
 *   match no referrer: that an empty list is no restriction is for the caller to know
 */
export function compileReferrers(patterns: readonly string[]): ReferrerMatcher {
  const exact = new Map<string, Pattern[]>();
  const wildcards = new Map<string, Pattern[]>();
  for (const text of patterns) {
    const pattern = readPattern(text);
    if (typeof pattern === 'string') continue;
    const byHost = pattern.isWildcard ? wildcards : exact;
    const others = byHost.get(pattern.host);
    if (others === undefined) byHost.set(pattern.host, [pattern]);
    else others.push(pattern);
  }
  return (referrer) => {
    const url = readReferrer(referrer);
    if (url === undefined) return false;
    const allows = (pattern: Pattern): boolean => matches(pattern, url);
    if (exact.get(url.hostname)?.some(allows) === true) return true;
    if (wildcards.size === 0) return false;
    for (let dot = url.hostname.indexOf('.'); dot !== -1; dot = url.hostname.indexOf('.', dot + 1)) {
      if (wildcards.get(url.hostname.slice(dot + 1))?.some(allows) === true) return true;
    }
    return false;
  };
}

function matches({ scheme, port, path }: Pattern, url: URL): boolean {
  if (scheme !== undefined && scheme !== url.protocol) return false;
  const defaultPort = DEFAULT_PORTS[url.protocol];
  // The parser drops a port that is the default.
  if ((port ?? defaultPort) !== (url.port === '' ? defaultPort : url.port)) return false;
  return path === undefined || path(url.pathname);
}

/** The URL of a referrer up to its path; undefined where it is none of the web, or where readers may differ on it. */
function readReferrer(referrer: string): URL | undefined {
  const end = referrer.search(/[?#]/);
  const text = end === -1 ? referrer : referrer.slice(0, end);
  // The parser also takes `https:host` and `https:///host`.
  if (BLURRED.test(text) || !/^https?:\/\/[^/]/i.test(text)) return undefined;
  const url = readUrl(text);
  return url !== undefined && isHostName(url.hostname) ? url : undefined;
}

/** A pattern, or what is wrong with it. */
function readPattern(text: string): Pattern | string {
  if (text === '') return 'must not be empty';
  if (BLURRED.test(text)) return 'must not hold spaces, control characters or backslashes';
  if (/[?#]/.test(text)) return 'must not hold a query or fragment: only origin and path are compared';

  const separator = text.indexOf('://');
  const scheme = separator === -1 ? undefined : `${text.slice(0, separator).toLowerCase()}:`;
  if (scheme !== undefined && DEFAULT_PORTS[scheme] === undefined) {
    return 'must begin with http://, https:// or the host';
  }
  const rest = separator === -1 ? text : text.slice(separator + 3);
  const slash = rest.indexOf('/');
  const authority = slash === -1 ? rest : rest.slice(0, slash);
  if (authority.includes('@')) return 'must not hold user information';

  // The colons of an IPv6 address stand in brackets.
  const [, hostText = '', portText] = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(authority) ?? [];
  if (hostText === '') return 'must be a pattern such as *.example.com/*, with a host';
  if (portText !== undefined && (!/^[1-9]\d{0,4}$/.test(portText) || Number(portText) > 65_535)) {
    return 'must have a port from 1 to 65535 after the colon, or no colon';
  }
  if (hostText === '*') return 'must name a host; leave the list empty to allow every site';

  const isWildcard = hostText.startsWith('*.');
  const name = isWildcard ? hostText.slice(2) : hostText;
  if (name.includes('*')) return 'must have its wildcard as the first label of the host: *.example.com';
  // Below a label, so that the parser refuses what is the end of an IPv4 address; such has no names below it.
  const host = name.includes('%') ? undefined : readUrl(`http://${isWildcard ? 'x.' : ''}${name}/`)?.hostname;
  if (host === undefined || !isHostName(host) || host.includes('*')) return 'must have a valid host';
  if (isWildcard && host.split('.').length < 3) return 'must have two labels or more after the *.';

  const path = slash === -1 ? undefined : readPath(rest.slice(slash));
  if (typeof path === 'string') return path;
  return { scheme, host: isWildcard ? host.slice(2) : host, isWildcard, port: portText, path };
}

/** The matcher of a path pattern, or what is wrong with it. */
function readPath(text: string): PathMatcher | string {
  if (text.includes('**')) return 'must not hold **: a last * matches any rest';
  if (text.split('*').length - 1 > WILDCARDS_MAX)
    return `must have at most ${WILDCARDS_MAX} wildcards in its path`;
  if (text.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    return 'must not hold the path segments . and ..';
  }
  // Written as the parser writes the path of a referrer.
  const path = readUrl(`http://host${text}`)?.pathname;
  if (path === undefined) return 'must have a valid path';
  const matchers = path.slice(1).split('/').map(compileSegment);
  // A last star matches the rest of its own segment as any star does; what is left is that more may follow.
  const isOpen = path.endsWith('*');
  return (pathname) => {
    const end = endOfSegments(matchers, pathname);
    return end >= 0 && (isOpen || end === pathname.length);
  };
}

/** The parser takes empty labels, and the dot at the end that makes `example.com.` another origin to browsers. */
function isHostName(host: string): boolean {
  return host.length <= MAX_HOST_LENGTH && !/^\.|\.\.|\.$/.test(host);
}

/** Not by `URL.canParse`: once optimized, that of Node 20 refuses names such as `bücher.example`. */
function readUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
