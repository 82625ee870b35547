import { describe, expect, test } from 'vitest';
import type { DeepPartial, Restrictions } from '../../proto/gen/latchkey/v1/key.ts';
import type { Client } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { judge } from './support/judge.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
const OTHER_SHA1 = '356a192b7913b04c54574d18c28d46e6395428ab';
const COLONS = SHA1.toUpperCase().replaceAll(/(..)(?!$)/g, '$1:');

/** A request's client, and what it is answered with: `VALID`, or the condition that did not hold. */
type Case = readonly [client: DeepPartial<Client> | undefined, answer: string];

/** Makes a key with the restrictions and asks it everything. */
async function expectAnswers(restrictions: DeepPartial<Restrictions>, cases: readonly Case[]): Promise<void> {
  const { root, issue } = served();
  const { token } = await issue({ restrictions });
  const answers: Case[] = [];
  for (const [client] of cases) {
    const { verdict, refusal, missingScopes } = await judge(root, {
      token,
      ...(client === undefined ? {} : { client }),
    });
    expect(missingScopes).toEqual([]);
    // A refusal stands with its verdict and with no other.
    expect(refusal === '').toBe(verdict !== 'CLIENT_NOT_ALLOWED');
    answers.push([client, refusal === '' ? verdict : refusal]);
  }
  expect(answers).toEqual(cases);
}

describe('a key for certain addresses', () => {
  test('passes from those, in every spelling, and from no other', async () => {
    await expectAnswers({ allowedIps: ['203.0.113.7', '10.20.0.0/16', '2001:db8::/32', '2001:db9::1'] }, [
      [undefined, 'IP_MISSING'],
      [{}, 'IP_MISSING'],
      [{ referrer: 'https://example.com/' }, 'IP_MISSING'],
      [{ ip: '203.0.113.7' }, 'VALID'],
      [{ ip: '::ffff:203.0.113.7' }, 'VALID'],
      [{ ip: '::FFFF:cb00:7107' }, 'VALID'],
      [{ ip: '203.0.113.8' }, 'IP_NOT_ALLOWED'],
      [{ ip: '203.0.113.70' }, 'IP_NOT_ALLOWED'],
      [{ ip: '10.20.0.0' }, 'VALID'],
      [{ ip: '10.20.255.255' }, 'VALID'],
      [{ ip: '10.21.0.0' }, 'IP_NOT_ALLOWED'],
      [{ ip: '10.19.255.255' }, 'IP_NOT_ALLOWED'],
      [{ ip: '2001:db8::' }, 'VALID'],
      [{ ip: '2001:0DB8:ffff:ffff:ffff:ffff:ffff:ffff' }, 'VALID'],
      [{ ip: '2001:db7:ffff::' }, 'IP_NOT_ALLOWED'],
      [{ ip: '2001:db9:0:0:0:0:0:1' }, 'VALID'],
      [{ ip: '2001:db9::2' }, 'IP_NOT_ALLOWED'],
    ]);
  });

  test('is not passed by an address that only looks like one of them', async () => {
    await expectAnswers(
      { allowedIps: ['10.0.0.1', '8.8.8.8'] },
      [
        '010.0.0.1',
        '10.0.0.01',
        '10.1',
        '167772161',
        '0x0a000001',
        '10.0.0.1 ',
        ' 10.0.0.1',
        '10.0.0.1\n',
        '10.0.0.1, 203.0.113.9',
        '203.0.113.9, 10.0.0.1',
        '10.0.0.1:443',
        '[::ffff:10.0.0.1]',
        '::10.0.0.1',
        '2002:a00:1::',
        '64:ff9b::10.0.0.1',
        '::ffff:0:10.0.0.1',
        '10.0.0.1%eth0',
        '10.0.0.1/32',
        '10.0.0.1/0',
        '１０.0.0.1',
        '10.0.0.1\0',
        'localhost',
        '0.0.0.0/0',
        '*',
      ].map((ip): Case => [{ ip }, 'IP_NOT_ALLOWED']),
    );
  });

  test('of one family is for nobody of the other', async () => {
    await expectAnswers({ allowedIps: ['0.0.0.0/0'] }, [
      [{ ip: '203.0.113.7' }, 'VALID'],
      [{ ip: '::ffff:203.0.113.7' }, 'VALID'],
      [{ ip: '2001:db8::1' }, 'IP_NOT_ALLOWED'],
      [{}, 'IP_MISSING'],
    ]);
    await expectAnswers({ allowedIps: ['::/0'] }, [
      [{ ip: '2001:db8::1' }, 'VALID'],
      [{ ip: '203.0.113.7' }, 'IP_NOT_ALLOWED'],
      [{ ip: '::ffff:203.0.113.7' }, 'IP_NOT_ALLOWED'],
    ]);
  });
});

describe('a key for certain web sites', () => {
  test('passes on those, by origin and path, and on no other', async () => {
    await expectAnswers(
      { allowedReferrers: ['*.example.com/*', 'https://shop.test:8443/cart/*', 'one.test'] },
      [
        [undefined, 'APPLICATION_MISSING'],
        [{ ip: '203.0.113.7' }, 'APPLICATION_MISSING'],
        [{ referrer: 'https://www.example.com/' }, 'VALID'],
        [{ referrer: 'http://a.b.EXAMPLE.com/x?y#z' }, 'VALID'],
        [{ referrer: 'https://www.example.com' }, 'VALID'],
        [{ referrer: 'https://example.com/' }, 'REFERRER_NOT_ALLOWED'],
        [{ referrer: 'https://www.example.com:8443/' }, 'REFERRER_NOT_ALLOWED'],
        [{ referrer: 'https://shop.test:8443/cart/1' }, 'VALID'],
        [{ referrer: 'http://shop.test:8443/cart/1' }, 'REFERRER_NOT_ALLOWED'],
        [{ referrer: 'https://shop.test/cart/1' }, 'REFERRER_NOT_ALLOWED'],
        [{ referrer: 'https://shop.test:8443/' }, 'REFERRER_NOT_ALLOWED'],
        [{ referrer: 'https://one.test/anything' }, 'VALID'],
        [{ referrer: 'https://www.one.test/' }, 'REFERRER_NOT_ALLOWED'],
      ],
    );
  });

  test('is not passed by a referrer that only looks like one of them', async () => {
    await expectAnswers(
      { allowedReferrers: ['*.example.com/*'] },
      [
        'https://example.com.evil.test/',
        'https://www.example.com.evil.test/',
        'https://wwwexample.com/',
        'https://evil.test/www.example.com/',
        'https://evil.test/?https://www.example.com/',
        'https://evil.test/#https://www.example.com/',
        'https://evil.test?.example.com/',
        'https://evil.test#.example.com/',
        'https://evil.test\\.example.com/',
        'https://www.example.com@evil.test/',
        'https://www.example.com:443@evil.test/',
        'https:evil.test/.example.com',
        'https:///www.example.com/',
        '//www.example.com/',
        'www.example.com',
        'ftp://www.example.com/',
        'file://www.example.com/',
        'javascript://www.example.com/%0aalert(1)',
        'android-app://www.example.com/',
        'null',
        'https://www.example.com./',
        'https://www.example.com\u2024evil.test/',
        ' https://www.example.com/',
        'https://www.exam\tple.com/',
        'https://www.example.c\u043em/',
        'https://.example.com/',
        'https://*.example.com/\n',
      ].map((referrer): Case => [{ referrer }, 'REFERRER_NOT_ALLOWED']),
    );
  });
});

describe('a key for certain apps', () => {
  test('of Android passes with package and certificate of one entry', async () => {
    await expectAnswers(
      {
        androidApps: [
          { package: 'com.example.shop', certSha1: COLONS },
          { package: 'com.example.till', certSha1: OTHER_SHA1 },
        ],
      },
      [
        [undefined, 'APPLICATION_MISSING'],
        [{ androidPackage: 'com.example.shop', androidCertSha1: SHA1 }, 'VALID'],
        [{ androidPackage: 'com.example.shop', androidCertSha1: SHA1.toUpperCase() }, 'VALID'],
        [{ androidPackage: 'com.example.shop', androidCertSha1: COLONS }, 'VALID'],
        [{ androidPackage: 'com.example.till', androidCertSha1: OTHER_SHA1 }, 'VALID'],
        // The one's package with the other's certificate.
        [{ androidPackage: 'com.example.shop', androidCertSha1: OTHER_SHA1 }, 'ANDROID_APP_NOT_ALLOWED'],
        [{ androidPackage: 'com.example.shop' }, 'ANDROID_APP_NOT_ALLOWED'],
        [{ androidCertSha1: SHA1 }, 'ANDROID_APP_NOT_ALLOWED'],
        [{ androidPackage: 'com.example.Shop', androidCertSha1: SHA1 }, 'ANDROID_APP_NOT_ALLOWED'],
        [{ androidPackage: 'com.example.shop2', androidCertSha1: SHA1 }, 'ANDROID_APP_NOT_ALLOWED'],
        [{ androidPackage: 'com.example.shop', androidCertSha1: SHA1.slice(1) }, 'ANDROID_APP_NOT_ALLOWED'],
        [{ iosBundleId: 'com.example.shop' }, 'IOS_APP_NOT_ALLOWED'],
        [{ referrer: 'https://com.example.shop/' }, 'REFERRER_NOT_ALLOWED'],
      ],
    );
  });

  test('of iOS passes with one of its bundle ids', async () => {
    await expectAnswers({ iosBundleIds: ['com.example.Shop', 'com.example.till'] }, [
      [undefined, 'APPLICATION_MISSING'],
      [{ iosBundleId: 'com.example.Shop' }, 'VALID'],
      [{ iosBundleId: 'com.example.till' }, 'VALID'],
      [{ iosBundleId: 'com.example.shop' }, 'IOS_APP_NOT_ALLOWED'],
      [{ iosBundleId: 'com.example.till.beta' }, 'IOS_APP_NOT_ALLOWED'],
      [{ iosBundleId: 'com.example.*' }, 'IOS_APP_NOT_ALLOWED'],
      [{ androidPackage: 'com.example.till', androidCertSha1: SHA1 }, 'ANDROID_APP_NOT_ALLOWED'],
    ]);
  });
});

describe('several conditions', () => {
  test('on applications: any one that holds suffices; of several that do not, the first is told', async () => {
    await expectAnswers(
      {
        allowedReferrers: ['example.com'],
        androidApps: [{ package: 'com.example.shop', certSha1: SHA1 }],
        iosBundleIds: ['com.example.shop'],
      },
      [
        [undefined, 'APPLICATION_MISSING'],
        [{ ip: '203.0.113.7' }, 'APPLICATION_MISSING'],
        [{ referrer: 'https://example.com/' }, 'VALID'],
        [{ androidPackage: 'com.example.shop', androidCertSha1: SHA1 }, 'VALID'],
        [{ iosBundleId: 'com.example.shop' }, 'VALID'],
        [{ referrer: 'https://a.test/', iosBundleId: 'com.example.shop' }, 'VALID'],
        [{ referrer: 'https://example.com/', androidPackage: 'a.b' }, 'VALID'],
        [{ referrer: 'https://a.test/', androidPackage: 'a.b', iosBundleId: 'a.b' }, 'REFERRER_NOT_ALLOWED'],
        [{ androidPackage: 'a.b', iosBundleId: 'a.b' }, 'ANDROID_APP_NOT_ALLOWED'],
        [{ iosBundleId: 'a.b' }, 'IOS_APP_NOT_ALLOWED'],
      ],
    );
  });

  test('on network and application must both hold; the network is told first', async () => {
    await expectAnswers({ allowedIps: ['203.0.113.0/24'], iosBundleIds: ['com.example.shop'] }, [
      [undefined, 'IP_MISSING'],
      [{ iosBundleId: 'com.example.shop' }, 'IP_MISSING'],
      [{ ip: '203.0.114.1', iosBundleId: 'com.example.shop' }, 'IP_NOT_ALLOWED'],
      [{ ip: '203.0.114.1' }, 'IP_NOT_ALLOWED'],
      [{ ip: '203.0.113.1' }, 'APPLICATION_MISSING'],
      [{ ip: '203.0.113.1', iosBundleId: 'a.b' }, 'IOS_APP_NOT_ALLOWED'],
      [{ ip: '203.0.113.1', iosBundleId: 'com.example.shop' }, 'VALID'],
    ]);
  });

  test('that are set or taken away count from the next verification on', async () => {
    const { root, issue } = served();
    const { id, token } = await issue();
    const client = { ip: '203.0.113.7' };
    const restrict = (restrictions: DeepPartial<Restrictions> | undefined) =>
      root.keys.updateKey({ key: { id, restrictions }, updateMask: ['restrictions'] });
    expect(await judge(root, { token, client })).toMatchObject({ verdict: 'VALID' });
    await restrict({ allowedIps: ['10.0.0.0/8'] });
    expect(await judge(root, { token, client })).toMatchObject({ refusal: 'IP_NOT_ALLOWED' });
    await restrict({ allowedIps: ['203.0.113.7'], allowedReferrers: ['example.com'] });
    expect(await judge(root, { token, client })).toMatchObject({ refusal: 'APPLICATION_MISSING' });
    await restrict(undefined);
    expect(await judge(root, { token })).toMatchObject({ verdict: 'VALID' });
  });

  test('are given back as they are matched: certificates in lower case, all else as it was set', async () => {
    const { issue } = served();
    const { key } = await issue({
      restrictions: {
        allowedIps: ['2001:DB8::/32', '10.0.0.1', '10.0.0.1'],
        allowedReferrers: ['HTTPS://*.Example.com/*'],
        androidApps: [{ package: 'com.example.Shop', certSha1: COLONS }],
        iosBundleIds: ['com.example.Shop'],
      },
    });
    expect(key.restrictions).toEqual({
      allowedIps: ['2001:DB8::/32', '10.0.0.1'],
      allowedReferrers: ['HTTPS://*.Example.com/*'],
      androidApps: [{ package: 'com.example.Shop', certSha1: SHA1 }],
      iosBundleIds: ['com.example.Shop'],
      apiTargets: [],
    });
  });
});

test('root keys cannot have any, for a restriction could only lock them out', async () => {
  const { root, issueRoot } = served();
  const refused = { code: 3 };
  const restrictions = { allowedIps: ['10.0.0.0/8'] };
  await expect(
    root.keys.createKey({ key: { keyspaceId: 'ks_latchkey', scopes: ['verify'], restrictions } }),
  ).rejects.toMatchObject(refused);
  const { id } = await issueRoot(['verify']);
  await expect(
    root.keys.updateKey({ key: { id, restrictions }, updateMask: ['restrictions'] }),
  ).rejects.toMatchObject(refused);
});
