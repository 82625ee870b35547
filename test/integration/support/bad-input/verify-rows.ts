import { allBad, bad, good, ids, SOME_TOKEN, type Row, type Table } from './row.ts';

/** A text that is only looked at: nothing of it is kept, so only its length counts. */
function anyText(path: string, max: number): readonly Row[] {
  return [
    good(path, `${max} characters`, 'x'.repeat(max)),
    good(path, `${max} characters of four bytes each`, '🔑'.repeat(max)),
    bad(path, `${max + 1} characters`, 'x'.repeat(max + 1)),
    bad(path, `${max + 1} characters of four bytes each`, '🔑'.repeat(max + 1)),
    bad(path, 'a hundred thousand characters', 'x'.repeat(100_000)),
    good(path, 'controls', '\0\n\u001b\u007f'),
  ];
}

const charges = (count: number): object[] =>
  Array.from({ length: count }, (_, index) => ({ limit: `n${index}`, cost: 1_000_000_000n }));

const rows: readonly Row[] = [
  good('token', 'anything', '\0\n🔑'),
  ...ids('keyspace_id', 'ks_'),
  ...anyText('operation.api', 128),
  ...anyText('operation.verb', 16),
  ...anyText('operation.path', 8192),
  ...anyText('resource', 256),
  good(
    'scopes',
    '64 of 128 characters',
    Array.from({ length: 64 }, (_, index) => `${index}:`.padEnd(128, 'x')),
  ),
  bad(
    'scopes',
    '65 entries',
    Array.from({ length: 65 }, () => 'x'),
  ),
  bad('scopes', 'an entry of 129 characters', ['x', 'x'.repeat(129)], 'scopes[1]'),
  ...['', '*', 'orders:*', 'a b', 'a,b', 'ä', 'a\n', '\0', '(a)', 'a AND b'].map((scope) =>
    bad('scopes', JSON.stringify(scope), ['x', scope], 'scopes[1]'),
  ),
  bad('scopes', 'a token', ['x', SOME_TOKEN], 'scopes[1]'),
  good('scope_query', 'AND, OR and parentheses', '(a OR b:c) AND\t(d)\r\n OR e/f.g-h_i'),
  good('scope_query', '1024 characters', `a${' '.repeat(1022)}`.concat(' ')),
  bad('scope_query', '1025 characters', `a${' '.repeat(1024)}`),
  bad('scope_query', 'a hundred thousand parentheses', '('.repeat(100_000)),
  good('scope_query', '64 scopes', Array.from({ length: 64 }, () => 'a').join(' OR ')),
  bad('scope_query', '65 scopes', Array.from({ length: 65 }, () => 'a').join(' OR ')),
  good('scope_query', '16 parentheses in one another', `${'('.repeat(16)}a${')'.repeat(16)}`),
  bad('scope_query', '17 parentheses in one another', `${'('.repeat(17)}a${')'.repeat(17)}`),
  good('scope_query', 'a scope of 128 characters', 'x'.repeat(128)),
  bad('scope_query', 'a scope of 129 characters', 'x'.repeat(129)),
  ...[
    ' ',
    'a b',
    'a AND',
    'OR a',
    'a AND OR b',
    '()',
    '(a',
    'a)',
    '*',
    'orders:*',
    'a, b',
    'NOT a',
    'ä',
    'a\0b',
    'a\u00a0AND b',
  ].map((query) => bad('scope_query', JSON.stringify(query), query)),
  bad('scope_query', 'a token', SOME_TOKEN),
  bad('scope_query', 'a token among scopes', `a AND ${SOME_TOKEN}`),
  ...anyText('client.ip', 64),
  ...anyText('client.referrer', 2048),
  ...anyText('client.android_package', 256),
  ...anyText('client.android_cert_sha1', 64),
  ...anyText('client.ios_bundle_id', 256),
  bad('charges', '33 charges', charges(33)),
  ...['', 'Calls', '1', 'a b', 'a\0', 'ä', `a${'b'.repeat(64)}`, SOME_TOKEN].map((limit) =>
    bad('charges', JSON.stringify(limit.slice(0, 12)), [{ limit: 'a' }, { limit }], 'charges[1].limit'),
  ),
  bad('charges', 'one limit twice', [...charges(3), { limit: 'n1', cost: 2n }], 'charges[3].limit'),
  ...[1_000_000_001n, 2n ** 64n - 1n].map((cost) =>
    bad('charges', `a cost of ${cost}`, [{ limit: 'a', cost }], 'charges[0].cost'),
  ),
  ...[
    'x',
    '1',
    '.',
    '0.',
    '.0',
    '-1.0',
    '0.-1',
    '0.1 ',
    '0.1\n',
    '0x1.1',
    '0.1.2',
    `0.${'9'.repeat(64)}`,
  ].map((value) => bad('min_revision', JSON.stringify(value.slice(0, 20)), value)),
  bad('min_revision', 'a token', SOME_TOKEN),
  good(
    'tags',
    'eight of 64 characters',
    Array.from({ length: 8 }, () => '🔑'.repeat(64)),
  ),
  bad(
    'tags',
    'nine entries',
    Array.from({ length: 9 }, () => 'x'),
  ),
  bad('tags', 'an entry of 65 characters', ['x', 'x'.repeat(65)], 'tags[1]'),
  allBad(
    {
      keyspace_id: '?',
      resource: 'x'.repeat(257),
      scopes: ['', 'ok', '*'],
      'operation.verb': 'x'.repeat(17),
      'client.ip': 'x'.repeat(65),
      min_revision: '?',
      tags: ['x'.repeat(65)],
    },
    [
      'keyspace_id',
      'resource',
      'scopes[0]',
      'scopes[2]',
      'operation.verb',
      'client.ip',
      'min_revision',
      'tags[0]',
    ],
  ),
  allBad({ resource: 'x'.repeat(257), scope_query: 'a AND', charges: [{}] }, [
    'resource',
    'scope_query',
    'charges[0].limit',
  ]),
];

export const VERIFY_TABLES: readonly Table[] = [
  {
    rpc: 'VerifyService/Verify',
    good: ({ token }) => ({ token }),
    rows,
    free: ['check_only'],
  },
];
