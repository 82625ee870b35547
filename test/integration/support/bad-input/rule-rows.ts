import { limitRows } from './limit-rows.ts';
import { bad, good, metadata, SOME_TOKEN, textLists, type Row } from './row.ts';

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

const name = (text: string): string => JSON.stringify(text.slice(0, 24));

/** Rows for one pattern of a path. @param value the field with the pattern in it @param refused the field that is named */
export function pathRows(path: string, value: (pattern: string) => unknown, refused: string): readonly Row[] {
  return [
    ...[
      '/',
      '/**',
      '/orders/*',
      '/api/v*/orders/statuses',
      '/a*b*c/**',
      '/pkg.Service/Method',
      '/pkg.Service/*',
      '/Läden/*',
      `/${'x'.repeat(511)}`,
      `/${'*/'.repeat(15)}*`,
    ].map((pattern) => good(path, `the path ${name(pattern)}`, value(pattern))),
    ...[
      '',
      'orders',
      '*',
      '**',
      '/a/',
      '//',
      '/a//b',
      '/a/./b',
      '/a/../b',
      '/..',
      '/a?b',
      '/a#b',
      '/a;b',
      '/a\\b',
      '/a%2fb',
      '/%41',
      '/a**',
      '/**/a',
      '/a/***',
      '/a\0b',
      '/a\n',
      '/a\u0308',
      '/．．/a',
      `/${'*/'.repeat(16)}*`,
      `/${'x'.repeat(512)}`,
      'https://api.example.com/a',
      SOME_TOKEN,
      `/${SOME_TOKEN}`,
    ].map((pattern) => bad(path, `the path ${name(pattern)}`, value(pattern), refused)),
  ];
}

/** Rows for the rules that keys and policies have alike. */
export function ruleRows(of: 'key' | 'policy'): readonly Row[] {
  const restrictions = `${of}.restrictions`;
  return [
    ...textLists(`${of}.scopes`, { countMax: 256, max: 128 }),
    ...['*a', 'a*b', 'a**', 'a b', 'a,b', 'ä', '🔑', "a'b"].map((scope) =>
      bad(`${of}.scopes`, JSON.stringify(scope), ['x', scope], `${of}.scopes[1]`),
    ),
    good(`${of}.scopes`, 'all that a scope is made of', ['*', 'a*', 'AZaz09_-./:', 'a:b/c.d-e_f*']),
    ...textLists(`${of}.resource_access.listed.ids`, {
      countMax: 1000,
      max: 256,
      sample: (length) => '🔑'.repeat(length),
    }),
    bad(`${of}.resource_access.listed.ids`, 'no entry', []),
    bad(`${of}.resource_access`, 'neither all nor listed', {}),
    good(`${of}.resource_access.all`, 'all', {}),
    good(restrictions, 'none', {}),
    ...ipRows(`${restrictions}.allowed_ips`),
    ...referrerRows(`${restrictions}.allowed_referrers`),
    ...androidRows(`${restrictions}.android_apps`),
    ...bundleIdRows(`${restrictions}.ios_bundle_ids`),
    ...targetRows(`${restrictions}.api_targets`),
    ...limitRows(`${of}.limits`),
    ...metadata(`${of}.metadata`),
    ...textLists(`${of}.tags`, { countMax: 32, max: 64, sample: (length) => '🔑'.repeat(length) }),
  ];
}

function ipRows(path: string): readonly Row[] {
  const addresses = (count: number): string[] => many(count, (index) => `10.0.${index >> 8}.${index & 255}`);
  return [
    good(path, '256 addresses', addresses(256)),
    bad(path, '257 addresses', addresses(257)),
    good(path, 'all kinds', [
      '203.0.113.7',
      '203.0.113.0/24',
      '0.0.0.0/0',
      '::1',
      '2001:DB8::/32',
      '::/0',
      '::ffff:203.0.113.7',
      '::ffff:203.0.113.0/120',
      '2001:db8:0:0:0:0:203.0.113.7',
    ]),
    ...[
      '',
      'localhost',
      '10.0.0',
      '10.0.0.256',
      '010.0.0.1',
      '0x7f.0.0.1',
      '2130706433',
      '10.0.0.1:80',
      '10.0.0.1 ',
      '10.0.0.1/8',
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/08',
      '10.0.0.0/-1',
      '10.0.0.0-10.0.0.9',
      '10.0.*.*',
      '[::1]',
      ':::',
      '1::2::3',
      '::1/129',
      '2001:db8::1/32',
      'fe80::1%eth0',
      '::ffff:10.0.0.0/8',
      '\0',
      'x'.repeat(65),
      SOME_TOKEN,
    ].map((value) => bad(path, name(value), ['::1', value], `${path}[1]`)),
  ];
}

function referrerRows(path: string): readonly Row[] {
  const hosts = (count: number): string[] => many(count, (index) => `h${index}.example.com`);
  return [
    good(path, '256 patterns', hosts(256)),
    bad(path, '257 patterns', hosts(257)),
    good(path, 'all kinds', [
      'example.com',
      '*.example.com',
      'https://*.example.com:8443/shop/*',
      'HTTP://EXAMPLE.com/',
      'bücher.example/*/cart',
      '203.0.113.7',
      '[::1]:3000',
      'localhost',
      `a.test/${'x'.repeat(505)}`,
    ]),
    ...[
      '',
      '*',
      '*.com',
      '*example.com',
      'a.*.com',
      '**.example.com',
      'https://',
      '/shop',
      'ftp://a.test',
      'chrome-extension://abc',
      'javascript:alert(1)',
      'a b.test',
      'a.test\\x',
      'a.test?x=1',
      'a.test#x',
      'user@a.test',
      'a.test:0',
      'a.test:65536',
      'a.test:x',
      'a..test',
      'a.test.',
      'a.test/../b',
      'a.test/**',
      'a.te%73t',
      '\0',
      `a.test/${'x'.repeat(506)}`,
      SOME_TOKEN,
      `a.test/${SOME_TOKEN}`,
    ].map((value) => bad(path, name(value), ['example.com', value], `${path}[1]`)),
  ];
}

const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
const COLONS = SHA1.toUpperCase().replaceAll(/(..)(?!$)/g, '$1:');

function androidRows(path: string): readonly Row[] {
  const app = (packageName: string, certSha1: string): object => ({ package: packageName, certSha1 });
  const apps = (count: number): object[] => many(count, (index) => app(`com.example.a${index}`, SHA1));
  return [
    good(path, '64 apps', apps(64)),
    bad(path, '65 apps', apps(65)),
    good(
      path,
      'certificates in all spellings',
      [SHA1, SHA1.toUpperCase(), COLONS].map((cert) => app('a.b', cert)),
    ),
    bad(path, 'nothing', [{}], `${path}[0].package`, `${path}[0].cert_sha1`),
    good(path, 'a package of 256 characters', [app(`a.${'b'.repeat(254)}`, SHA1)]),
    ...[
      'com',
      'com.',
      '.com.a',
      'com.*',
      'com.a-b',
      'com.1a',
      'com.a b',
      'com.ä',
      `a.${'b'.repeat(255)}`,
      '\0',
      SOME_TOKEN,
    ].map((value) => bad(path, `the package ${name(value)}`, [app(value, SHA1)], `${path}[0].package`)),
    ...[
      SHA1.slice(1),
      `${SHA1}0`,
      `${SHA1.slice(1)}g`,
      COLONS.slice(0, -1),
      COLONS.replace(':', ''),
      COLONS.replaceAll(':', ' '),
      `SHA1: ${SHA1}`,
      'ab'.repeat(32),
      'x'.repeat(65),
      SOME_TOKEN,
    ].map((value) =>
      bad(path, `the certificate ${name(value)}`, [app('a.b', value)], `${path}[0].cert_sha1`),
    ),
  ];
}

function bundleIdRows(path: string): readonly Row[] {
  const apps = (count: number): string[] => many(count, (index) => `com.example.a${index}`);
  return [
    good(path, '64 apps', apps(64)),
    bad(path, '65 apps', apps(65)),
    good(path, 'all that an id is made of', ['com.Example-App.9', 'x'.repeat(256)]),
    ...[
      '',
      'com.*',
      'com..a',
      '.com',
      'com.',
      'com.a_b',
      'com.a b',
      'com.ä',
      'x'.repeat(257),
      '\0',
      SOME_TOKEN,
    ].map((value) => bad(path, name(value), ['com.a', value], `${path}[1]`)),
  ];
}

function targetRows(path: string): readonly Row[] {
  const at = `${path}[0]`;
  const target = (fields: object): readonly object[] => [{ api: 'orders', ...fields }];
  const paths = (count: number): string[] => many(count, (index) => `/${index}`);
  const verbs = (count: number): string[] =>
    many(count, (index) => `VERB-${String.fromCharCode(65 + index)}`);
  return [
    good(
      path,
      '64 targets',
      many(64, (index) => ({ api: `api ${index}` })),
    ),
    bad(
      path,
      '65 targets',
      many(65, (index) => ({ api: `api ${index}` })),
    ),
    good(path, '512 paths in all', [...target({ paths: paths(256) }), ...target({ paths: paths(256) })]),
    bad(path, '513 paths in all', [
      ...target({ paths: paths(256) }),
      ...target({ paths: paths(256) }),
      ...target({ paths: ['/'] }),
    ]),
    bad(path, '257 paths in one', target({ paths: paths(257) }), `${at}.paths`),
    bad(path, 'no API', [{}], `${at}.api`),
    good(path, 'an API of 128 characters', [{ api: '🔑'.repeat(128) }]),
    ...['x'.repeat(129), 'a\nb', SOME_TOKEN].map((api) =>
      bad(path, `the API ${name(api)}`, [{ api }], `${at}.api`),
    ),
    good(path, '16 verbs', target({ verbs: verbs(16) })),
    bad(path, '17 verbs', target({ verbs: verbs(17) }), `${at}.verbs`),
    good(path, 'verbs in any case', target({ verbs: ['get', 'PATCH', 'M-Search', 'X'.repeat(16)] })),
    ...['', 'G T', 'GET ', 'GET,PUT', '*', '1', 'X'.repeat(17), SOME_TOKEN].map((verb) =>
      bad(path, `the verb ${name(verb)}`, target({ verbs: ['GET', verb] }), `${at}.verbs[1]`),
    ),
    ...pathRows(path, (pattern) => target({ paths: ['/', pattern] }), `${at}.paths[1]`),
    good(path, 'a block of the catalogue', target({ groups: ['read'] })),
    bad(path, '65 blocks', target({ groups: many(65, (index) => `block ${index}`) }), `${at}.groups`),
    ...['', 'x'.repeat(65), 'a\nb', SOME_TOKEN].map((group) =>
      bad(path, `the block ${name(group)}`, target({ groups: ['read', group] }), `${at}.groups[1]`),
    ),
    // Those are not in the catalogue.
    ...['write', 'Read', 'read ', 'constructor', '__proto__'].map((group) =>
      bad(path, `the block ${name(group)}`, target({ groups: ['read', group] }), `${at}.groups[1]`),
    ),
    bad(path, 'a block of another API', [{ api: 'stores', groups: ['read'] }], `${at}.groups[0]`),
  ];
}
