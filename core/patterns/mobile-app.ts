import type { AndroidApp } from '../rules.ts';

/**
 * App restrictions: in which Android and iOS apps a key may be used. Names are compared exactly, upper and lower case
 * differ. Apple lets no two apps have bundle ids that differ in case only, so this refuses a wrong spelling and never
 * another app. The client names its app itself: such a restriction stops careless use, not a determined thief.
 */

/** Tells whether an Android app is allowed, by its package and the SHA-1 of its certificate in any spelling. */
export type AndroidAppMatcher = (packageName: string, certSha1: string) => boolean;

/** Tells whether an iOS app is allowed, by its bundle id. */
export type BundleIdMatcher = (bundleId: string) => boolean;

/** As many characters as a request may bring. */
const MAX_NAME_LENGTH = 256;

const PACKAGE_NAME = /^[A-Za-z]\w*(?:\.[A-Za-z]\w*)+$/;
const BUNDLE_ID = /^[A-Za-z\d-]+(?:\.[A-Za-z\d-]+)*$/;
const SHA1 = /^(?:[\da-f]{40}|[\da-f]{2}(?::[\da-f]{2}){19})$/i;
const SHA256 = /^(?:[\da-f]{64}|[\da-f]{2}(?::[\da-f]{2}){31})$/i;

/**
 * What is wrong with the package of an Android app, as the end of a sentence; undefined: nothing. The rule is that of
 * Android's application ids: segments of letters, digits and underscores that begin with a letter, two at least.
 */
export function androidPackageFault(text: string): string | undefined {
  if (text.length > MAX_NAME_LENGTH) return `must not be longer than ${MAX_NAME_LENGTH} characters`;
  if (text.includes('*')) return 'must not hold a wildcard: list each package';
  if (!PACKAGE_NAME.test(text)) return 'must be a package name such as com.example.app';
  return undefined;
}

/** What is wrong with the SHA-1 of an Android app's certificate, as the end of a sentence; undefined: nothing. */
export function certSha1Fault(text: string): string | undefined {
  if (SHA1.test(text)) return undefined;
  // Tools print both, one below the other.
  if (SHA256.test(text)) return 'must be the SHA-1 of the certificate, and this is a SHA-256';
  return 'must be 40 hex digits, with colons between all bytes or none';
}

/**
 * What is wrong with the bundle id of an iOS app, as the end of a sentence; undefined: nothing. The rule is that of
 * Apple's CFBundleIdentifier: letters, digits, hyphens and dots; no wildcards, as provisioning profiles have.
 */
export function bundleIdFault(text: string): string | undefined {
  if (text.length > MAX_NAME_LENGTH) return `must not be longer than ${MAX_NAME_LENGTH} characters`;
  if (text.includes('*')) return 'must not hold a wildcard: list each bundle id';
  if (!BUNDLE_ID.test(text)) return 'must be a bundle id such as com.example.app';
  return undefined;
}

/** The SHA-1 of a certificate as 40 lower-case hex digits; undefined if the text is none. */
export function normalizeCertSha1(text: string): string | undefined {
  return SHA1.test(text) ? text.replaceAll(':', '').toLowerCase() : undefined;
}

/**
 * Compiles the allowed Android apps: package and certificate must be those of the same entry.
 *
 * @param apps entries that have no fault; any other allows nothing. No entries match no app: that an empty list is no
 *   restriction is for the caller to know
 */
export function compileAndroidApps(apps: readonly AndroidApp[]): AndroidAppMatcher {
  const packagesByCert = new Map<string, Set<string>>();
  for (const { packageName, certSha1 } of apps) {
    const cert = normalizeCertSha1(certSha1);
    if (cert === undefined || androidPackageFault(packageName) !== undefined) continue;
    const packages = packagesByCert.get(cert);
    if (packages === undefined) packagesByCert.set(cert, new Set([packageName]));
    else packages.add(packageName);
  }
  return (packageName, certSha1) => {
    const cert = normalizeCertSha1(certSha1);
    return cert !== undefined && packagesByCert.get(cert)?.has(packageName) === true;
  };
}

/**
 * Compiles the allowed bundle ids.
 *
 * @param ids entries that `bundleIdFault` finds nothing wrong with; any other allows nothing. No entries match no app:
 *   that an empty list is no restriction is for the caller to know
 */
export function compileBundleIds(ids: readonly string[]): BundleIdMatcher {
  const allowed = new Set(ids.filter((id) => bundleIdFault(id) === undefined));
  return (bundleId) => allowed.has(bundleId);
}
