import { ruleRows } from './rule-rows.ts';
import {
  allBad,
  allowing,
  bad,
  etags,
  good,
  ids,
  masks,
  pageSizes,
  pageTokens,
  requestIds,
  SOME_TOKEN,
  texts,
  type Row,
  type Table,
} from './row.ts';

const [OK, ALREADY_EXISTS] = [0, 6];

/** The attributes of a policy, which CreatePolicy and UpdatePolicy read alike. */
const attributes: readonly Row[] = [
  // The other of the two may have taken the name.
  ...allowing([OK, ALREADY_EXISTS], texts('policy.display_name', 128)),
  bad('policy.display_name', 'none', ''),
  ...ruleRows('policy'),
];

const OUTPUT_ONLY = ['policy.create_time', 'policy.update_time'];

let names = 0;
const newName = (): string => `bounds ${(names += 1)}`;

const create: Table = {
  rpc: 'PolicyService/CreatePolicy',
  good: ({ keyspaceId }) => ({ policy: { keyspaceId, displayName: newName() } }),
  rows: [
    ...attributes,
    bad('policy', 'nothing', undefined, 'policy.keyspace_id', 'policy.display_name'),
    bad('policy.id', 'an id', 'pol_0000000000000000'),
    bad('policy.id', 'a token', SOME_TOKEN),
    ...ids('policy.keyspace_id', 'ks_'),
    good('policy.etag', 'anything', 'x'.repeat(1000)),
    ...requestIds,
    allBad(
      {
        'policy.id': 'x',
        'policy.keyspace_id': 'x',
        'policy.display_name': '\0',
        'policy.scopes': ['a b'],
        'policy.restrictions': { allowedIps: ['x'], apiTargets: [{ paths: ['x'] }] },
        'policy.metadata': { '': '' },
        'policy.tags': ['\n'],
        request_id: 'x',
      },
      [
        'policy.id',
        'policy.keyspace_id',
        'policy.display_name',
        'policy.scopes[0]',
        'policy.restrictions.allowed_ips[0]',
        'policy.restrictions.api_targets[0].api',
        'policy.restrictions.api_targets[0].paths[0]',
        'policy.metadata',
        'policy.tags[0]',
        'request_id',
      ],
    ),
  ],
  free: OUTPUT_ONLY,
};

const update: Table = {
  rpc: 'PolicyService/UpdatePolicy',
  good: ({ policyId }) => ({
    policy: { id: policyId, displayName: 'of the tests' },
    updateMask: {
      paths: ['display_name', 'scopes', 'resource_access', 'restrictions', 'limits', 'metadata', 'tags'],
    },
  }),
  rows: [
    ...attributes,
    ...ids('policy.id', 'pol_'),
    bad('policy', 'nothing', undefined, 'policy.id', 'policy.display_name'),
    ...etags('policy.etag'),
    ...masks('tags', ['keyspace_id', 'policy']),
    ...requestIds,
  ],
  // Not named by the mask, so not read: they cannot be changed here.
  free: [...OUTPUT_ONLY, 'policy.keyspace_id', 'wait'],
};

const get: Table = {
  rpc: 'PolicyService/GetPolicy',
  good: ({ policyId }) => ({ id: policyId }),
  rows: ids('id', 'pol_'),
  free: [],
};

const list: Table = {
  rpc: 'PolicyService/ListPolicies',
  good: ({ keyspaceId }) => ({ keyspaceId }),
  rows: [
    ...ids('keyspace_id', 'ks_'),
    ...pageSizes,
    ...pageTokens,
    allBad({ keyspace_id: '', page_size: -1, page_token: '\0' }, ['keyspace_id', 'page_size', 'page_token']),
  ],
  free: [],
};

const remove: Table = {
  rpc: 'PolicyService/DeletePolicy',
  good: ({ policyId }) => ({ id: policyId }),
  rows: [
    ...ids('id', 'pol_'),
    ...etags('etag'),
    ...requestIds,
    allBad({ id: '', etag: '\0', request_id: 'x' }, ['id', 'etag', 'request_id']),
  ],
  free: [],
};

export const POLICY_TABLES: readonly Table[] = [create, get, list, update, remove];
