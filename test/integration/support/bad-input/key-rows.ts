import { ruleRows } from './rule-rows.ts';
import {
  allBad,
  allowing,
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
  spans,
  texts,
  times,
  type Row,
  type Table,
} from './row.ts';

const policyIds = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `pol_${String(index).padStart(16, '0')}`);

const YEAR_S = BigInt(365 * 86_400);

/** The attributes of a key, which CreateKey, UpdateKey and ImportKeys read alike. */
export const KEY_ATTRIBUTE_ROWS: readonly Row[] = [
  ...texts('key.display_name', 128),
  bad('key.display_name', 'a token glued to what stands before it', `my_key_${SOME_TOKEN}`),
  ...texts('key.owner_id', 256),
  ...ruleRows('key'),
  ...[['x'], ['pol_0000000000000000', ''], [SOME_TOKEN]].map((some) =>
    bad('key.policy_ids', JSON.stringify(some).slice(0, 40), some, `key.policy_ids[${some.length - 1}]`),
  ),
  bad(
    'key.policy_ids',
    'ids of keyspaces and keys',
    ['ks_0000000000000000', 'key_0000000000000000'],
    'key.policy_ids[0]',
    'key.policy_ids[1]',
  ),
  bad('key.policy_ids', '17 policies', policyIds(17)),
  good('key.policy_ids', '16 policies, of which there is none', policyIds(16), [5]),
  good(
    'key.policy_ids',
    'an unknown one seventeen times',
    Array.from({ length: 17 }, () => policyIds(1)).flat(),
    [5],
  ),
  ...times('key.expire_time', { future: true }),
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
  'key.limit_overrides',
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
  good: ({ keyspaceId, policyId }) => ({ key: { keyspaceId, policyIds: [policyId] } }),
  rows: [
    ...KEY_ATTRIBUTE_ROWS,
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
    allBad({ 'key.display_name': '\0', 'key.limits': [{}] }, [
      'key.display_name',
      'key.limits[0]',
      'key.limits[0].name',
    ]),
  ],
  free: OUTPUT_ONLY,
};

const MASK = [
  'display_name',
  'owner_id',
  'scopes',
  'resource_access',
  'restrictions',
  'policy_ids',
  'limits',
  'metadata',
  'tags',
  'expire_time',
];

const update: Table = {
  rpc: 'KeyService/UpdateKey',
  good: ({ keyId, policyId }) => ({ key: { id: keyId, policyIds: [policyId] }, updateMask: { paths: MASK } }),
  rows: [
    ...KEY_ATTRIBUTE_ROWS,
    ...ids('key.id', 'key_'),
    bad('key', 'nothing', undefined, 'key.id'),
    ...etags('key.etag'),
    ...masks('tags', ['keyspace_id', 'state', 'key', 'restrictions.allowed_ips']),
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
  free: [...OUTPUT_ONLY, 'key.keyspace_id', 'key.state', 'wait'],
};

const target: readonly Row[] = [
  ...ids('id', 'key_'),
  ...etags('etag'),
  ...requestIds,
  allBad({ id: '', etag: '\0', request_id: 'x' }, ['id', 'etag', 'request_id']),
];

const targets: readonly Table[] = [
  { name: 'EnableKey', free: [] },
  { name: 'DisableKey', free: ['wait'] },
  { name: 'DeleteKey', free: ['wait'] },
  { name: 'UndeleteKey', free: [] },
].map(({ name, free }) => ({
  rpc: `KeyService/${name}`,
  good: ({ keyId }) => ({ id: keyId }),
  rows: target,
  free,
}));

const rotate: Table = {
  rpc: 'KeyService/RotateKey',
  good: ({ keyId }) => ({ id: keyId }),
  // Of those that pass, only the first finds no other under way.
  rows: [
    ...target,
    ...allowing([0, 9], spans('overlap', YEAR_S)),
    allBad({ id: '', overlap: { seconds: -1n, nanos: 0 }, etag: '\0', request_id: 'x' }, [
      'id',
      'overlap',
      'etag',
      'request_id',
    ]),
  ],
  free: ['wait'],
};

const completeRotation: Table = {
  rpc: 'KeyService/CompleteRotation',
  good: ({ keyId }) => ({ id: keyId }),
  rows: target,
  free: ['wait'],
};

/** There may be nothing to cancel. */
const cancelRotation: Table = { ...completeRotation, rpc: 'KeyService/CancelRotation' };

const revoke: Table = {
  rpc: 'KeyService/RevokeKey',
  good: ({ keyId }) => ({ id: keyId }),
  rows: [
    ...target,
    ...texts('reason', 64),
    ...texts('note', 1024, { multiline: true }),
    allBad({ id: '', reason: '\n', note: '\0', etag: 'x'.repeat(65) }, ['id', 'reason', 'note', 'etag']),
  ],
  free: ['wait'],
};

const get: Table = {
  rpc: 'KeyService/GetKey',
  good: ({ keyId }) => ({ id: keyId }),
  rows: [
    ...ids('id', 'key_'),
    good('view', 'basic', 1),
    good('view', 'effective', 2),
    ...[3, -1, 2_147_483_647].map((view) => bad('view', String(view), view)),
    allBad({ id: '', view: 3 }, ['id', 'view']),
  ],
  free: [],
};

const list: Table = {
  rpc: 'KeyService/ListKeys',
  good: () => ({}),
  rows: [
    ...pageSizes,
    ...pageTokens,
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
    ...ids('filter.policy_id', 'pol_', { optional: true }),
    good('filter.policy_id', 'an unknown one', 'pol_0000000000000000'),
    ...texts('filter.tag', 64),
    ...texts('filter.scope', 128),
    ...texts('filter.api', 128),
    ...texts('filter.search', 128),
    ...times('filter.expires_before'),
    ...times('filter.last_used_before'),
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
        'filter.api': 'x'.repeat(129),
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

const lookup: Table = {
  rpc: 'KeyService/LookupKey',
  good: () => ({}),
  rows: [
    allBad({}, ['by']),
    good('token', '512 characters', 'x'.repeat(512), [5]),
    good('token', '512 characters of four bytes each', '🔑'.repeat(512), [5]),
    good('token', 'controls', '\0\n', [5]),
    bad('token', '513 characters', 'x'.repeat(513)),
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

const batchRevoke: Table = {
  rpc: 'KeyService/BatchRevokeKeys',
  // No key has this tag: what passes revokes nothing.
  good: ({ keyspaceId }) => ({ keyspaceId, tag: 'nobody' }),
  rows: [
    ...ids('keyspace_id', 'ks_'),
    ...texts('owner_id', 256),
    ...ids('policy_id', 'pol_', { optional: true }),
    good('policy_id', 'an unknown one', 'pol_0000000000000000'),
    ...texts('tag', 64),
    bad('tag', 'none, and no other condition', '', 'created_before'),
    ...times('created_before'),
    ...texts('reason', 64),
    ...texts('note', 1024, { multiline: true }),
    ...requestIds,
    allBad(
      {
        keyspace_id: '',
        owner_id: '\0',
        policy_id: 'x',
        tag: '\n',
        reason: '\n',
        note: '\0',
        request_id: 'x',
      },
      ['keyspace_id', 'owner_id', 'policy_id', 'tag', 'reason', 'note', 'request_id'],
    ),
  ],
  free: ['validate_only', 'wait'],
};

const nothings = (count: number): object[] => Array.from({ length: count }, () => ({}));

const importKeys: Table = {
  rpc: 'KeyService/ImportKeys',
  good: ({ keyspaceId }) => ({ keyspaceId, keys: nothings(1) }),
  rows: [
    ...ids('keyspace_id', 'ks_'),
    bad('keys', 'none', []),
    bad('keys', '1001', nothings(1001)),
    // What is wrong with an entry is said of it alone: see keys.import.test.ts.
    good('keys', '1000, each of which is wrong', nothings(1000)),
    good('keys', 'a token', [{ key: { displayName: SOME_TOKEN }, sha256: SOME_TOKEN }]),
    ...requestIds,
    allBad({ keyspace_id: '', keys: [], request_id: 'x' }, ['keyspace_id', 'keys', 'request_id']),
  ],
  free: [],
};

const reportLeaked: Table = {
  rpc: 'KeyService/ReportLeakedKey',
  good: ({ token }) => ({ token }),
  rows: [
    bad('token', 'none', ''),
    good('token', '512 characters', 'x'.repeat(512), [5]),
    good('token', '512 characters of four bytes each', '🔑'.repeat(512), [5]),
    good('token', 'controls', '\0\n', [5]),
    bad('token', '513 characters', 'x'.repeat(513)),
    bad('token', 'a hundred thousand characters', 'x'.repeat(100_000)),
    ...texts('note', 1024, { multiline: true }),
    ...requestIds,
    allBad({ token: '', note: '\0', request_id: 'x' }, ['token', 'note', 'request_id']),
  ],
  free: ['wait'],
};

// Those that revoke the key come last.
export const KEY_TABLES: readonly Table[] = [
  create,
  get,
  list,
  update,
  ...targets,
  rotate,
  completeRotation,
  cancelRotation,
  batchRevoke,
  importKeys,
  lookup,
  revoke,
  reportLeaked,
];
