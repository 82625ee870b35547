import { limitRows } from './limit-rows.ts';
import {
  allBad,
  allowing,
  bad,
  etags,
  good,
  ids,
  masks,
  metadata,
  pageSizes,
  pageTokens,
  requestIds,
  texts,
  type Row,
  type Table,
} from './row.ts';

const [OK, NOT_FOUND, ALREADY_EXISTS] = [0, 5, 6];

/** The attributes of an owner, which CreateOwner and UpdateOwner read alike. */
const attributes: readonly Row[] = [
  ...texts('owner.display_name', 128),
  ...metadata('owner.metadata'),
  ...limitRows('owner.limits'),
];

/** Rows for the id of an owner, which is of the user's own choosing: keys may have named it before, or not. */
const ownerIds = (path: string, codes: readonly number[]): readonly Row[] => [
  ...allowing(codes, texts(path, 256)),
  bad(path, 'none', ''),
];

const OUTPUT_ONLY = [
  'owner.suspended',
  'owner.suspend_time',
  'owner.suspend_reason',
  'owner.create_time',
  'owner.update_time',
  'owner.limit_overrides',
];

let owners = 0;
const newOwnerId = (): string => `bounds ${(owners += 1)}`;

const create: Table = {
  rpc: 'OwnerService/CreateOwner',
  good: ({ keyspaceId }) => ({ owner: { keyspaceId, id: newOwnerId() } }),
  rows: [
    ...attributes,
    ...ownerIds('owner.id', [OK, ALREADY_EXISTS]),
    ...ids('owner.keyspace_id', 'ks_'),
    bad('owner', 'nothing', undefined, 'owner.keyspace_id', 'owner.id'),
    good('owner.suspended', 'anything', true),
    good('owner.etag', 'anything', 'x'.repeat(1000)),
    ...requestIds,
    allBad(
      {
        'owner.keyspace_id': 'x',
        'owner.id': '\0',
        'owner.display_name': '\n',
        'owner.metadata': { '': '' },
        request_id: 'x',
      },
      ['owner.keyspace_id', 'owner.id', 'owner.display_name', 'owner.metadata', 'request_id'],
    ),
  ],
  free: OUTPUT_ONLY,
};

const update: Table = {
  rpc: 'OwnerService/UpdateOwner',
  good: ({ keyspaceId, ownerId }) => ({
    owner: { keyspaceId, id: ownerId },
    updateMask: { paths: ['display_name', 'metadata', 'limits'] },
  }),
  rows: [
    ...attributes,
    ...ownerIds('owner.id', [OK, NOT_FOUND]),
    ...ids('owner.keyspace_id', 'ks_'),
    bad('owner', 'nothing', undefined, 'owner.keyspace_id', 'owner.id'),
    ...etags('owner.etag'),
    ...masks('display_name', ['keyspace_id', 'suspended', 'owner']),
    ...requestIds,
  ],
  free: [...OUTPUT_ONLY, 'wait'],
};

/** The fields that name an owner. */
const target: readonly Row[] = [...ids('keyspace_id', 'ks_'), ...ownerIds('id', [OK, NOT_FOUND])];

/** The fields that every change of one owner has. */
const change: readonly Row[] = [
  ...target,
  ...etags('etag'),
  ...requestIds,
  allBad({ keyspace_id: '', id: '', etag: '\0', request_id: 'x' }, [
    'keyspace_id',
    'id',
    'etag',
    'request_id',
  ]),
];

const get: Table = {
  rpc: 'OwnerService/GetOwner',
  good: ({ keyspaceId, ownerId }) => ({ keyspaceId, id: ownerId }),
  rows: [...target, allBad({ keyspace_id: '', id: '\0' }, ['keyspace_id', 'id'])],
  free: [],
};

const list: Table = {
  rpc: 'OwnerService/ListOwners',
  good: ({ keyspaceId }) => ({ keyspaceId }),
  rows: [
    ...ids('keyspace_id', 'ks_'),
    ...pageSizes,
    ...pageTokens,
    allBad({ keyspace_id: '', page_size: -1, page_token: '\0' }, ['keyspace_id', 'page_size', 'page_token']),
  ],
  free: ['suspended_only'],
};

const suspend: Table = {
  rpc: 'OwnerService/SuspendOwner',
  good: ({ keyspaceId, ownerId }) => ({ keyspaceId, id: ownerId }),
  rows: [
    ...change,
    ...texts('reason', 64),
    ...texts('note', 1024, { multiline: true }),
    allBad({ id: '', reason: '\n', note: '\0' }, ['id', 'reason', 'note']),
  ],
  free: ['validate_only', 'wait'],
};

const resume: Table = {
  rpc: 'OwnerService/ResumeOwner',
  good: ({ keyspaceId, ownerId }) => ({ keyspaceId, id: ownerId }),
  rows: change,
  free: [],
};

const remove: Table = {
  rpc: 'OwnerService/DeleteOwner',
  // So that it is there for the next row.
  good: ({ keyspaceId, ownerId }) => ({ keyspaceId, id: ownerId, validateOnly: true }),
  rows: [
    ...change,
    ...[0, 1, 2].map((fate) => good('keys_fate', String(fate), fate)),
    ...[3, -1, 2_147_483_647].map((fate) => bad('keys_fate', String(fate), fate)),
    allBad({ id: '', keys_fate: 9 }, ['id', 'keys_fate']),
  ],
  free: ['validate_only', 'wait'],
};

export const OWNER_TABLES: readonly Table[] = [create, get, list, update, suspend, resume, remove];
