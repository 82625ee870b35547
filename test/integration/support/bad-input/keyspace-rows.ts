import { pageTokens } from './key-rows.ts';
import {
  allBad,
  bad,
  etags,
  good,
  ids,
  lifetimes,
  notYet,
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

const attributes: readonly Row[] = [
  ...prefixes,
  ...texts('keyspace.display_name', 128),
  ...lifetimes('keyspace.max_ttl'),
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
    notYet('keyspace.apis', [{ name: 'orders' }]),
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
        'keyspace.apis',
        'request_id',
      ],
    ),
  ],
  free: [...OUTPUT_ONLY, 'keyspace.require_expiry'],
};

const update: Table = {
  rpc: 'KeyspaceService/UpdateKeyspace',
  good: ({ keyspaceId }) => ({
    keyspace: { id: keyspaceId, tokenPrefix: 'acme' },
    updateMask: { paths: ['token_prefix', 'display_name', 'default_ttl', 'max_ttl', 'require_expiry'] },
  }),
  rows: [
    ...attributes,
    ...lifetimes('keyspace.default_ttl'),
    ...ids('keyspace.id', 'ks_'),
    bad('keyspace', 'nothing', undefined, 'keyspace.id', 'keyspace.token_prefix'),
    ...etags('keyspace.etag'),
    bad('update_mask', 'nothing', undefined),
    bad('update_mask', 'no path', { paths: [] }),
    ...['', 'id', 'slug', 'etag', 'keyspace', '\0', SOME_TOKEN].map((path) =>
      bad(
        'update_mask',
        `the path ${JSON.stringify(path.slice(0, 12))}`,
        { paths: ['max_ttl', path] },
        'update_mask.paths[1]',
      ),
    ),
    notYet('update_mask', { paths: ['apis'] }, 'update_mask.paths[0]'),
    ...requestIds,
  ],
  free: [...OUTPUT_ONLY, 'keyspace.slug', 'keyspace.apis', 'keyspace.require_expiry'],
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
    ...[0, 1, 1000, 1001, 2_147_483_647].map((size) => good('page_size', String(size), size)),
    ...[-1, -2_147_483_648].map((size) => bad('page_size', String(size), size)),
    ...pageTokens(),
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
