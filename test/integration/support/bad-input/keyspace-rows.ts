import { pathRows } from './rule-rows.ts';
import {
  allBad,
  bad,
  etags,
  good,
  ids,
  lifetimes,
  masks,
  pageSizes,
  pageTokens,
  requestIds,
  SOME_TOKEN,
  texts,
  type Row,
  type Table,
} from './row.ts';

const prefixes: readonly Row[] = [
  ...['a', 'z9', 'a_b', 'a__b', 'x'.repeat(24)].map((value) => good('keyspace.token_prefix', value, value)),
  ...[
    '',
    'A',
    '9a',
    '_a',
    'a_',
    'a-b',
    'a b',
    'ä',
    'a\n',
    '\0',
    'x'.repeat(25),
    'x'.repeat(100_000),
    SOME_TOKEN,
  ].map((value) => bad('keyspace.token_prefix', JSON.stringify(value.slice(0, 12)), value)),
];

/** The catalogue that the keyspace of the tests has. */
const CATALOGUE = [
  { name: 'orders', groups: [{ name: 'read', methods: [{ verb: 'GET', path: '/orders' }] }] },
];

/** Names or methods by the hundred. */
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Rows for a catalogue: its APIs, blocks and methods. */
function catalogues(): readonly Row[] {
  const path = 'keyspace.apis';
  const ofMethods = (methods: readonly object[]): object => [
    { name: 'orders', groups: [{ name: 'read', methods }] },
  ];
  const methods = (count: number): object[] => many(count, (index) => ({ path: `/${index}` }));
  const blocks = (count: number, each: number): object[] =>
    many(count, (index) => ({ name: `block ${index}`, methods: methods(each) }));
  const at = `${path}[0].groups[0].methods[0]`;
  return [
    good(
      path,
      '64 APIs',
      many(64, (index) => ({ name: `api ${index}` })),
    ),
    bad(
      path,
      '65 APIs',
      many(65, (index) => ({ name: `api ${index}` })),
    ),
    good(path, '1024 methods in all', [{ name: 'a', groups: blocks(4, 256) }]),
    bad(path, '1025 methods in all', [
      { name: 'a', groups: blocks(4, 256) },
      { name: 'b', groups: blocks(1, 1) },
    ]),
    good(path, '64 blocks', [{ name: 'a', groups: blocks(64, 0) }]),
    bad(path, '65 blocks', [{ name: 'a', groups: blocks(65, 0) }], `${path}[0].groups`),
    bad(path, '257 methods of a block', ofMethods(methods(257)), `${path}[0].groups[0].methods`),
    bad(path, 'an API twice', [{ name: 'a' }, { name: 'b' }, { name: 'a' }], `${path}[2].name`),
    bad(
      path,
      'a block twice',
      [{ name: 'a', groups: [{ name: 'x' }, { name: 'x' }] }],
      `${path}[0].groups[1].name`,
    ),
    good(path, 'a block of the same name in two APIs', [
      { name: 'a', groups: [{ name: 'x' }] },
      { name: 'b', groups: [{ name: 'x' }] },
    ]),
    bad(
      path,
      'nothing in any of them',
      [{ groups: [{ methods: [{}] }] }],
      `${path}[0].name`,
      `${path}[0].groups[0].name`,
      `${at}.path`,
    ),
    good(path, 'an API of 128 characters', [{ name: '🔑'.repeat(128) }]),
    ...['x'.repeat(129), 'a\nb', SOME_TOKEN].map((name) =>
      bad(path, `an API of the name ${JSON.stringify(name.slice(0, 12))}`, [{ name }], `${path}[0].name`),
    ),
    good(path, 'a block of 64 characters', [{ name: 'a', groups: [{ name: '🔑'.repeat(64) }] }]),
    ...['x'.repeat(65), 'a\0', SOME_TOKEN].map((name) =>
      bad(
        path,
        `a block of the name ${JSON.stringify(name.slice(0, 12))}`,
        [{ name: 'a', groups: [{ name }] }],
        `${path}[0].groups[0].name`,
      ),
    ),
    good(
      path,
      'verbs in any case',
      ofMethods(['GET', 'patch', 'M-SEARCH', ''].map((verb) => ({ verb, path: '/' }))),
    ),
    ...['G T', 'GET ', 'GET,PUT', '*', '1', 'x'.repeat(17), SOME_TOKEN].map((verb) =>
      bad(
        path,
        `the verb ${JSON.stringify(verb.slice(0, 12))}`,
        ofMethods([{ verb, path: '/' }]),
        `${at}.verb`,
      ),
    ),
    ...pathRows(path, (pattern) => ofMethods([{ path: pattern }]), `${at}.path`),
  ];
}

const attributes: readonly Row[] = [
  ...prefixes,
  ...texts('keyspace.display_name', 128),
  ...lifetimes('keyspace.max_ttl'),
  ...catalogues(),
];

const OUTPUT_ONLY = ['keyspace.create_time', 'keyspace.update_time'];

let slugs = 0;
const newSlug = (): string => `bounds-${(slugs += 1)}`;

const create: Table = {
  rpc: 'KeyspaceService/CreateKeyspace',
  good: () => ({ keyspace: { slug: newSlug(), tokenPrefix: 'acme' } }),
  rows: [
    ...attributes,
    ...lifetimes('keyspace.default_ttl'),
    bad('keyspace', 'nothing', undefined, 'keyspace.slug', 'keyspace.token_prefix'),
    bad('keyspace.id', 'an id', 'ks_0000000000000000'),
    bad('keyspace.id', 'a token', SOME_TOKEN),
    good('keyspace.slug', 'one letter', 'q'),
    good('keyspace.slug', '63 characters', `q${'-9'.repeat(31)}`),
    ...[
      '',
      'A',
      'Ab',
      '9a',
      '-a',
      'a_b',
      'a b',
      'a.b',
      'ä',
      'a\n',
      '\0',
      'x'.repeat(64),
      'x'.repeat(100_000),
      SOME_TOKEN,
    ].map((value) => bad('keyspace.slug', JSON.stringify(value.slice(0, 12)), value)),
    good('keyspace.etag', 'anything', 'x'.repeat(1000)),
    good('keyspace.create_time', 'no time', { seconds: 2n ** 62n, nanos: -1 }),
    ...requestIds,
    allBad(
      {
        'keyspace.id': 'x',
        'keyspace.slug': 'X',
        'keyspace.token_prefix': 'X',
        'keyspace.display_name': '\0',
        'keyspace.default_ttl': { seconds: 0n, nanos: 0 },
        'keyspace.max_ttl': { seconds: -1n, nanos: 0 },
        'keyspace.apis': [{}],
        request_id: 'x',
      },
      [
        'keyspace.id',
        'keyspace.slug',
        'keyspace.token_prefix',
        'keyspace.display_name',
        'keyspace.default_ttl',
        'keyspace.max_ttl',
        'keyspace.apis[0].name',
        'request_id',
      ],
    ),
  ],
  free: [...OUTPUT_ONLY, 'keyspace.require_expiry'],
};

const update: Table = {
  rpc: 'KeyspaceService/UpdateKeyspace',
  good: ({ keyspaceId }) => ({
    keyspace: { id: keyspaceId, tokenPrefix: 'acme', apis: CATALOGUE },
    updateMask: {
      paths: ['token_prefix', 'display_name', 'default_ttl', 'max_ttl', 'require_expiry', 'apis'],
    },
  }),
  rows: [
    ...attributes,
    ...lifetimes('keyspace.default_ttl'),
    ...ids('keyspace.id', 'ks_'),
    bad('keyspace', 'nothing', undefined, 'keyspace.id', 'keyspace.token_prefix'),
    ...etags('keyspace.etag'),
    ...masks('max_ttl', ['slug', 'keyspace', 'apis.name']),
    ...requestIds,
  ],
  free: [...OUTPUT_ONLY, 'keyspace.slug', 'keyspace.require_expiry', 'wait'],
};

const get: Table = {
  rpc: 'KeyspaceService/GetKeyspace',
  good: ({ keyspaceId }) => ({ id: keyspaceId }),
  rows: ids('id', 'ks_'),
  free: [],
};

const list: Table = {
  rpc: 'KeyspaceService/ListKeyspaces',
  good: () => ({}),
  rows: [
    ...pageSizes,
    ...pageTokens,
    allBad({ page_size: -1, page_token: '\0' }, ['page_size', 'page_token']),
  ],
  free: [],
};

const remove: Table = {
  rpc: 'KeyspaceService/DeleteKeyspace',
  good: ({ keyspaceId }) => ({ id: keyspaceId }),
  rows: [
    ...ids('id', 'ks_'),
    ...etags('etag'),
    ...requestIds,
    allBad({ id: '', etag: '\0', request_id: 'x' }, ['id', 'etag', 'request_id']),
  ],
  free: [],
};

export const KEYSPACE_TABLES: readonly Table[] = [create, get, list, update, remove];
