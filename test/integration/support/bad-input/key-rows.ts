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
  textLists,
  texts,
  times,
  type Row,
  type Table,
} from './row.ts';

const entries = (count: number, value: string): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, value]));

/** The attributes of a key, which CreateKey and UpdateKey read alike. */
const attributes: readonly Row[] = [
  ...texts('key.display_name', 128),
  bad('key.display_name', 'a token glued to what stands before it', `my_key_${SOME_TOKEN}`),
  ...texts('key.owner_id', 256),
  ...textLists('key.scopes', { countMax: 256, max: 128 }),
  ...['*a', 'a*b', 'a**', 'a b', 'a,b', 'ä', '🔑', "a'b"].map((scope) =>
    bad('key.scopes', JSON.stringify(scope), ['x', scope], 'key.scopes[1]'),
  ),
  good('key.scopes', 'all that a scope is made of', ['*', 'a*', 'AZaz09_-./:', 'a:b/c.d-e_f*']),
  ...textLists('key.resource_access.listed.ids', {
    countMax: 1000,
    max: 256,
    sample: (length) => '🔑'.repeat(length),
  }),
  bad('key.resource_access.listed.ids', 'no entry', []),
  bad('key.resource_access', 'neither all nor listed', {}),
  good('key.resource_access.all', 'all', {}),
  good('key.metadata', '64 entries', entries(64, 'x')),
  bad('key.metadata', '65 entries', entries(65, 'x')),
  good('key.metadata', '4096 bytes', { ['é'.repeat(32)]: 'x'.repeat(4096 - 64) }),
  bad('key.metadata', '4097 bytes', { ['é'.repeat(32)]: 'x'.repeat(4097 - 64) }),
  bad('key.metadata', '4098 bytes in two-byte characters', { a: 'é'.repeat(2048), b: '' }),
  good('key.metadata', 'a name of 64 characters', { ['🔑'.repeat(64)]: '' }),
  bad('key.metadata', 'a name of 65 characters', { ['x'.repeat(65)]: '' }),
  bad('key.metadata', 'an empty name', { '': 'x' }),
  bad('key.metadata', 'a control character in a name', { 'a\nb': 'x' }),
  bad('key.metadata', 'a NUL in a value', { a: '\0' }),
  good('key.metadata', 'lines in a value', { a: 'b\r\n\tc' }),
  bad('key.metadata', 'a token in a value', { a: `see ${SOME_TOKEN}` }),
  bad('key.metadata', 'a token as a name', { [SOME_TOKEN]: 'x' }),
  ...textLists('key.tags', { countMax: 32, max: 64, sample: (length) => '🔑'.repeat(length) }),
  ...times('key.expire_time', { future: true }),
];

const unsupported: readonly Row[] = [
  notYet('key.restrictions', {}),
  notYet('key.restrictions', { allowedIps: ['10.0.0.0/8'] }),
  notYet('key.policy_ids', ['pol_0000000000000000']),
  notYet('key.limits', [{ name: 'calls' }]),
];

/** What only the server says of a key. */
const OUTPUT_ONLY = [
  'key.token_hint',
  'key.create_time',
  'key.update_time',
  'key.last_used_time',
  'key.revoke_time',
  'key.revoke_reason',
  'key.delete_time',
  'key.purge_time',
  'key.secrets',
  'key.created_by',
];

/** Those are not even looked at. */
const outputOnly: readonly Row[] = [
  good('key.token_hint', 'a hundred thousand characters', 'x'.repeat(100_000)),
  good('key.create_time', 'no time', { seconds: 2n ** 62n, nanos: -1 }),
  good('key.secrets', 'junk', [{ id: '\0', expireTime: { seconds: -(2n ** 62n), nanos: 0 } }]),
  good('key.created_by', 'a control', '\0'),
];

const create: Table = {
  rpc: 'KeyService/CreateKey',
  good: ({ keyspaceId }) => ({ key: { keyspaceId } }),
  rows: [
    ...attributes,
    ...unsupported,
    ...outputOnly,
    ...ids('key.keyspace_id', 'ks_'),
    bad('key', 'nothing', undefined, 'key.keyspace_id'),
    bad('key.id', 'an id', 'key_0000000000000000'),
    bad('key.id', 'a token', SOME_TOKEN),
    ...[1, 2, 3, 4, 5, -1, 2_147_483_647].map((state) => bad('key.state', String(state), state)),
    good('key.etag', 'anything', 'x'.repeat(1000)),
    ...lifetimes('ttl'),
    allBad({ ttl: { seconds: 10n, nanos: 0 }, 'key.expire_time': { seconds: 253_402_300_000n, nanos: 0 } }, [
      'ttl',
    ]),
    ...requestIds,
    allBad(
      {
        'key.keyspace_id': '',
        'key.id': 'x',
        'key.state': 9,
        'key.display_name': 'x'.repeat(129),
        'key.owner_id': '\0',
        'key.scopes': ['a b', 'ok', ''],
        'key.tags': ['\n'],
        'key.metadata': { '': '' },
        'key.expire_time': { seconds: -1n, nanos: 0 },
        request_id: 'x',
      },
      [
        'key.keyspace_id',
        'key.id',
        'key.state',
        'key.display_name',
        'key.owner_id',
        'key.scopes[0]',
        'key.scopes[2]',
        'key.tags[0]',
        'key.metadata',
        'key.expire_time',
        'request_id',
      ],
    ),
    allBad({ 'key.display_name': '\0', 'key.limits': [{}] }, ['key.display_name', 'key.limits']),
  ],
  free: OUTPUT_ONLY,
};

const MASK = ['display_name', 'owner_id', 'scopes', 'resource_access', 'metadata', 'tags', 'expire_time'];

const update: Table = {
  rpc: 'KeyService/UpdateKey',
  good: ({ keyId }) => ({ key: { id: keyId }, updateMask: { paths: MASK } }),
  rows: [
    ...attributes,
    ...ids('key.id', 'key_'),
    bad('key', 'nothing', undefined, 'key.id'),
    ...etags('key.etag'),
    bad('update_mask', 'nothing', undefined),
    bad('update_mask', 'no path', { paths: [] }),
    bad('update_mask', 'ten thousand paths', { paths: Array.from({ length: 10_000 }, () => 'x') }),
    ...['', 'id', 'keyspace_id', 'state', 'etag', 'key', 'tags.x', 'tags[0]', ' tags', '\0', SOME_TOKEN].map(
      (path) =>
        bad(
          'update_mask',
          `the path ${JSON.stringify(path.slice(0, 12))}`,
          { paths: ['tags', path] },
          'update_mask.paths[1]',
        ),
    ),
    ...['restrictions', 'policy_ids', 'limits'].map((path) =>
      notYet('update_mask', { paths: [path] }, 'update_mask.paths[0]'),
    ),
    ...requestIds,
    allBad(
      {
        'key.id': 'x',
        'key.etag': '\0',
        'key.owner_id': '\0',
        'key.tags': [''],
        update_mask: { paths: ['tags', 'nonsense', 'owner_id', 'display_name'] },
        'key.display_name': SOME_TOKEN,
        request_id: 'x',
      },
      [
        'key.id',
        'key.etag',
        'key.owner_id',
        'key.tags[0]',
        'update_mask.paths[1]',
        'key.display_name',
        'request_id',
      ],
    ),
  ],
  // Not named by the mask, so not read: they cannot be changed here.
  free: [...OUTPUT_ONLY, 'key.keyspace_id', 'key.state', 'key.restrictions', 'key.policy_ids', 'key.limits'],
};

const target: readonly Row[] = [
  ...ids('id', 'key_'),
  ...etags('etag'),
  ...requestIds,
  allBad({ id: '', etag: '\0', request_id: 'x' }, ['id', 'etag', 'request_id']),
];

const targets: readonly Table[] = ['EnableKey', 'DisableKey', 'DeleteKey', 'UndeleteKey'].map((name) => ({
  rpc: `KeyService/${name}`,
  good: ({ keyId }) => ({ id: keyId }),
  rows: target,
  free: [],
}));

const revoke: Table = {
  rpc: 'KeyService/RevokeKey',
  good: ({ keyId }) => ({ id: keyId }),
  rows: [
    ...target,
    ...texts('reason', 64),
    ...texts('note', 1024, { multiline: true }),
    allBad({ id: '', reason: '\n', note: '\0', etag: 'x'.repeat(65) }, ['id', 'reason', 'note', 'etag']),
  ],
  free: [],
};

const get: Table = {
  rpc: 'KeyService/GetKey',
  good: ({ keyId }) => ({ id: keyId }),
  rows: [
    ...ids('id', 'key_'),
    good('view', 'basic', 1),
    notYet('view', 2),
    ...[3, -1, 2_147_483_647].map((view) => bad('view', String(view), view)),
    allBad({ id: '', view: 3 }, ['id', 'view']),
  ],
  free: [],
};

const list: Table = {
  rpc: 'KeyService/ListKeys',
  good: () => ({}),
  rows: [
    ...[0, 1, 1000, 1001, 2_147_483_647].map((size) => good('page_size', String(size), size)),
    ...[-1, -2_147_483_648].map((size) => bad('page_size', String(size), size)),
    ...pageTokens(),
    ...[
      'name',
      'create_time asc',
      ' create_time',
      'create_time  desc',
      'CREATE_TIME',
      '\0',
      'x'.repeat(100_000),
      SOME_TOKEN,
    ].map((order) => bad('order_by', JSON.stringify(order.slice(0, 20)), order)),
    ...ids('filter.keyspace_id', 'ks_', { optional: true }),
    good('filter.states', 'eight', [1, 2, 3, 4, 1, 2, 3, 4]),
    bad('filter.states', 'nine', [1, 2, 3, 4, 1, 2, 3, 4, 1]),
    bad(
      'filter.states',
      'numbers that are no states',
      [1, 0, 5, -1, 2_147_483_647],
      ...[1, 2, 3, 4].map((index) => `filter.states[${index}]`),
    ),
    ...[3, -1, 2_147_483_647].map((type) => bad('filter.access_type', String(type), type)),
    ...texts('filter.resource', 256),
    ...texts('filter.owner_id', 256),
    notYet('filter.policy_id', 'pol_0000000000000000'),
    ...texts('filter.tag', 64),
    ...texts('filter.scope', 128),
    notYet('filter.api', 'orders'),
    ...texts('filter.search', 128),
    ...times('filter.expires_before'),
    notYet('filter.last_used_before', { seconds: 1n, nanos: 0 }),
    ...times('filter.created_after'),
    allBad(
      {
        page_size: -1,
        page_token: '\0',
        order_by: 'x',
        'filter.keyspace_id': 'x',
        'filter.states': [9],
        'filter.access_type': 9,
        'filter.tag': '\0',
        'filter.api': 'x',
        'filter.created_after': { seconds: -1n, nanos: 0 },
      },
      [
        'page_size',
        'page_token',
        'order_by',
        'filter.keyspace_id',
        'filter.states[0]',
        'filter.access_type',
        'filter.tag',
        'filter.api',
        'filter.created_after',
      ],
    ),
  ],
  free: ['filter.show_deleted'],
};

/** A page token that is none. Those that were tampered with stand in `page-tokens.test.ts`. */
export function pageTokens(): readonly Row[] {
  return [
    ...[
      'x',
      'null',
      'e30',
      'bnVsbA',
      'eyJxIjoxfQ',
      '{}',
      '%%%',
      '\0',
      'x'.repeat(4096),
      'x'.repeat(4097),
      'x'.repeat(100_000),
    ].map((value) =>
      bad('page_token', `${value.length} characters, ${JSON.stringify(value.slice(0, 12))}`, value),
    ),
    bad('page_token', 'a token', SOME_TOKEN),
  ];
}

const lookup: Table = {
  rpc: 'KeyService/LookupKey',
  good: () => ({}),
  rows: [
    allBad({}, ['by']),
    good('token', '256 characters', 'x'.repeat(256), [5]),
    good('token', '256 characters of four bytes each', '🔑'.repeat(256), [5]),
    good('token', 'controls', '\0\n', [5]),
    bad('token', '257 characters', 'x'.repeat(257)),
    bad('token', 'a hundred thousand characters', 'x'.repeat(100_000)),
    good('prefix', '256 characters', `acme_0000000000000000${'x'.repeat(235)}`, [5]),
    bad('prefix', '257 characters', `acme_0000000000000000${'x'.repeat(236)}`),
    ...[
      '',
      'x',
      'acme',
      'acme_',
      'acme_000000000000000',
      '_0000000000000000',
      'acme_000000000000000\n',
      '\0',
      '%',
    ].map((value) => bad('prefix', JSON.stringify(value), value)),
  ],
  free: [],
};

export const KEY_TABLES: readonly Table[] = [create, get, list, update, ...targets, revoke, lookup];
