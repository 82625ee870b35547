import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_REQUEST, type Client, type Refusal } from '../../../core/checks/check.ts';
import { checkClient } from '../../../core/checks/client.ts';
import { NO_RESTRICTIONS, type Restrictions } from '../../../core/rules.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { CLIENT_REFUSALS, type ClientRefusal } from '../../../core/verdict.ts';
import { issueKey } from '../support/issue-key.ts';

const SHA1 = 'aa'.repeat(20);
const OTHER_SHA1 = 'bb'.repeat(20);
const APP = { packageName: 'com.example.app', certSha1: SHA1 };

const NOBODY: Client = { ip: '', referrer: '', androidPackage: '', androidCertSha1: '', iosBundleId: '' };

function check(restrictions: Partial<Restrictions>, client: Client | undefined): Refusal | undefined {
  const snapshot = compileSnapshot(issueKey({ restrictions: { ...NO_RESTRICTIONS, ...restrictions } }).key);
  const [secret] = snapshot.secrets;
  if (secret === undefined) throw new Error('the key has no secret');
  return checkClient({ snapshot, secret, request: { ...NO_REQUEST, client }, nowMs: 0 });
}

/** What is told of a client: the condition that did not hold, or nothing. */
function refusalOf(restrictions: Partial<Restrictions>, client: Partial<Client>): ClientRefusal | undefined {
  const refusal = check(restrictions, { ...NOBODY, ...client });
  expect(refusal?.verdict).toBe(refusal === undefined ? undefined : 'CLIENT_NOT_ALLOWED');
  return refusal?.clientRefusal;
}

const NETWORK = { allowedIps: ['192.0.2.0/24'] };
const WEB = { allowedReferrers: ['https://shop.example/*'] };
const ANDROID = { androidApps: [APP] };
const IOS = { iosBundleIds: ['com.example.ios'] };

const IP = { ip: '192.0.2.7' };
const OTHER_IP = { ip: '198.51.100.1' };
const PAGE = { referrer: 'https://shop.example/cart' };
const OTHER_PAGE = { referrer: 'https://evil.example/' };
const ON_ANDROID = { androidPackage: APP.packageName, androidCertSha1: SHA1 };
const ON_OTHER_ANDROID = { androidPackage: 'com.evil.app', androidCertSha1: SHA1 };
const ON_IOS = { iosBundleId: 'com.example.ios' };
const ON_OTHER_IOS = { iosBundleId: 'com.evil.ios' };

test.each<[string, Partial<Restrictions>, Partial<Client>, ClientRefusal | undefined]>([
  ['no condition, nobody known', {}, {}, undefined],
  ['no condition, anybody', {}, { ...OTHER_IP, ...OTHER_PAGE }, undefined],
  // The network condition.
  ['a network, and an address in it', NETWORK, IP, undefined],
  ['a network, and an address outside', NETWORK, OTHER_IP, 'IP_NOT_ALLOWED'],
  ['a network, and no address', NETWORK, {}, 'IP_MISSING'],
  ['a network, and an application instead of an address', NETWORK, { ...PAGE, ...ON_IOS }, 'IP_MISSING'],
  ['a network, and no address but a text', NETWORK, { ip: 'localhost' }, 'IP_NOT_ALLOWED'],
  // The application condition.
  ['pages, and one of them', WEB, PAGE, undefined],
  ['pages, and another', WEB, OTHER_PAGE, 'REFERRER_NOT_ALLOWED'],
  ['pages, and an app', WEB, ON_ANDROID, 'ANDROID_APP_NOT_ALLOWED'],
  ['pages, and nothing', WEB, {}, 'APPLICATION_MISSING'],
  ['an Android app, and that app', ANDROID, ON_ANDROID, undefined],
  ['an Android app, and another', ANDROID, ON_OTHER_ANDROID, 'ANDROID_APP_NOT_ALLOWED'],
  [
    'an Android app, and its package with another certificate',
    ANDROID,
    { ...ON_ANDROID, androidCertSha1: OTHER_SHA1 },
    'ANDROID_APP_NOT_ALLOWED',
  ],
  [
    'an Android app, and its package alone',
    ANDROID,
    { androidPackage: APP.packageName },
    'ANDROID_APP_NOT_ALLOWED',
  ],
  [
    'an Android app, and its certificate alone',
    ANDROID,
    { androidCertSha1: SHA1 },
    'ANDROID_APP_NOT_ALLOWED',
  ],
  ['an Android app, and an iOS app', ANDROID, ON_IOS, 'IOS_APP_NOT_ALLOWED'],
  ['an Android app, and nothing', ANDROID, {}, 'APPLICATION_MISSING'],
  ['an iOS app, and that app', IOS, ON_IOS, undefined],
  ['an iOS app, and another', IOS, ON_OTHER_IOS, 'IOS_APP_NOT_ALLOWED'],
  ['an iOS app, and a page', IOS, PAGE, 'REFERRER_NOT_ALLOWED'],
  ['an iOS app, and nothing', IOS, {}, 'APPLICATION_MISSING'],
  // Any application suffices; of several that do not, the first that was given is told.
  ['pages and apps, and the Android app', { ...WEB, ...ANDROID, ...IOS }, ON_ANDROID, undefined],
  ['pages and apps, and the iOS app', { ...WEB, ...ANDROID, ...IOS }, ON_IOS, undefined],
  [
    'pages and an iOS app, and a wrong page in that app',
    { ...WEB, ...IOS },
    { ...OTHER_PAGE, ...ON_IOS },
    undefined,
  ],
  [
    'pages and apps, and all of them wrong',
    { ...WEB, ...ANDROID, ...IOS },
    { ...OTHER_PAGE, ...ON_OTHER_ANDROID, ...ON_OTHER_IOS },
    'REFERRER_NOT_ALLOWED',
  ],
  [
    'apps, and both of them wrong',
    { ...ANDROID, ...IOS },
    { ...ON_OTHER_ANDROID, ...ON_OTHER_IOS },
    'ANDROID_APP_NOT_ALLOWED',
  ],
  ['pages and apps, and only an address', { ...WEB, ...ANDROID, ...IOS }, IP, 'APPLICATION_MISSING'],
  // Both conditions.
  ['a network and pages, and both right', { ...NETWORK, ...WEB }, { ...IP, ...PAGE }, undefined],
  [
    'a network and pages, and a wrong page',
    { ...NETWORK, ...WEB },
    { ...IP, ...OTHER_PAGE },
    'REFERRER_NOT_ALLOWED',
  ],
  [
    'a network and pages, and a wrong address',
    { ...NETWORK, ...WEB },
    { ...OTHER_IP, ...PAGE },
    'IP_NOT_ALLOWED',
  ],
  [
    'a network and pages, and both wrong',
    { ...NETWORK, ...WEB },
    { ...OTHER_IP, ...OTHER_PAGE },
    'IP_NOT_ALLOWED',
  ],
  ['a network and pages, and a page alone', { ...NETWORK, ...WEB }, PAGE, 'IP_MISSING'],
  ['a network and pages, and an address alone', { ...NETWORK, ...WEB }, IP, 'APPLICATION_MISSING'],
  ['a network and pages, and nothing', { ...NETWORK, ...WEB }, {}, 'IP_MISSING'],
])('%s', (_what, restrictions, client, expected) => {
  expect(refusalOf(restrictions, client)).toBe(expected);
});

describe('a request that tells nothing of its client', () => {
  test.each<[Partial<Restrictions>, ClientRefusal | undefined]>([
    [{}, undefined],
    [NETWORK, 'IP_MISSING'],
    [WEB, 'APPLICATION_MISSING'],
    [{ ...NETWORK, ...IOS }, 'IP_MISSING'],
  ])('is as one whose client is nobody (%#)', (restrictions, expected) => {
    expect(check(restrictions, undefined)?.clientRefusal).toBe(expected);
    expect(refusalOf(restrictions, {})).toBe(expected);
  });
});

/** The two conditions, from a table of what each part of a client is: right, wrong or not given. */
function slowly(
  conditions: Partial<Restrictions>,
  given: Readonly<Record<'ip' | 'web' | 'android' | 'ios', 'right' | 'wrong' | 'none'>>,
): ClientRefusal | undefined {
  if (conditions.allowedIps !== undefined) {
    if (given.ip === 'none') return 'IP_MISSING';
    if (given.ip === 'wrong') return 'IP_NOT_ALLOWED';
  }
  const { allowedReferrers, androidApps, iosBundleIds } = conditions;
  const applications = [
    { isNamed: allowedReferrers !== undefined, given: given.web, refusal: 'REFERRER_NOT_ALLOWED' as const },
    { isNamed: androidApps !== undefined, given: given.android, refusal: 'ANDROID_APP_NOT_ALLOWED' as const },
    { isNamed: iosBundleIds !== undefined, given: given.ios, refusal: 'IOS_APP_NOT_ALLOWED' as const },
  ];
  if (!applications.some(({ isNamed }) => isNamed)) return undefined;
  if (applications.some((one) => one.isNamed && one.given === 'right')) return undefined;
  return applications.find((one) => one.given !== 'none')?.refusal ?? 'APPLICATION_MISSING';
}

test('every combination of conditions and clients has the answer of the contract', () => {
  const KINDS = ['right', 'wrong', 'none'] as const;
  const pick = <T>(kind: (typeof KINDS)[number], right: T, wrong: T): T | object =>
    kind === 'right' ? right : kind === 'wrong' ? wrong : {};
  const seen = new Set<ClientRefusal | undefined>();
  let cases = 0;
  for (let conditions = 0; conditions < 16; conditions += 1) {
    const restrictions: Partial<Restrictions> = {
      ...(conditions & 1 ? NETWORK : {}),
      ...(conditions & 2 ? WEB : {}),
      ...(conditions & 4 ? ANDROID : {}),
      ...(conditions & 8 ? IOS : {}),
    };
    for (const ip of KINDS) {
      for (const web of KINDS) {
        for (const android of KINDS) {
          for (const ios of KINDS) {
            const client: Partial<Client> = {
              ...pick(ip, IP, OTHER_IP),
              ...pick(web, PAGE, OTHER_PAGE),
              ...pick(android, ON_ANDROID, ON_OTHER_ANDROID),
              ...pick(ios, ON_IOS, ON_OTHER_IOS),
            };
            const given = { ip, web, android, ios };
            const expected = slowly(restrictions, given);
            expect({ conditions, given, told: refusalOf(restrictions, client) }).toEqual({
              conditions,
              given,
              told: expected,
            });
            seen.add(expected);
            cases += 1;
          }
        }
      }
    }
  }
  expect(cases).toBe(16 * 81);
  expect(seen).toEqual(new Set([undefined, ...CLIENT_REFUSALS]));
});

test('no text of a client, whatever it is, passes a condition that it does not meet or throws', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom('*', '**', '/', '0', '::'),
  );
  const client = fc.record({
    ip: text,
    referrer: text,
    androidPackage: text,
    androidCertSha1: text,
    iosBundleId: text,
  });
  fc.assert(
    fc.property(client, (one) => {
      expect(refusalOf(NETWORK, one)).toMatch(/^IP_/);
      expect(refusalOf({ ...WEB, ...ANDROID, ...IOS }, one)).toMatch(/_NOT_ALLOWED$|^APPLICATION_MISSING$/);
    }),
    { numRuns: 1000 },
  );
});
