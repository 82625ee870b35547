import {
  Key as KeyMessage,
  KeyState as KeyStateCode,
  type ResourceAccess as ResourceAccessMessage,
} from '../../../proto/gen/latchkey/v1/key.ts';
import {
  AccessType,
  ListKeysFilter,
  type CreateKeyRequest,
} from '../../../proto/gen/latchkey/v1/key_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type { Key, KeyChange, KeyFilter, KeyState, NewKey, ResourceAccess } from '../types/key.ts';
import { defined } from './defined.ts';
import { fromMap, toMap } from './metadata.ts';
import { requiredTime, toDuration, toTime } from './times.ts';

const STATE_CODES = {
  ACTIVE: KeyStateCode.KEY_STATE_ACTIVE,
  DISABLED: KeyStateCode.KEY_STATE_DISABLED,
  REVOKED: KeyStateCode.KEY_STATE_REVOKED,
  EXPIRED: KeyStateCode.KEY_STATE_EXPIRED,
} as const satisfies Record<KeyState, KeyStateCode>;

const STATES = new Map(
  Object.entries(STATE_CODES).map(([state, code]) => [code, state as KeyState] as const),
);

const ACCESS_TYPES = { ALL: AccessType.ACCESS_TYPE_ALL, LISTED: AccessType.ACCESS_TYPE_LISTED } as const;

/** The key of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromKey(key: KeyMessage | undefined): Key {
  if (key === undefined) throw unexpectedResponse('no key');
  const state = STATES.get(key.state as (typeof STATE_CODES)[KeyState]);
  if (state === undefined) throw unexpectedResponse(`the unknown key state ${key.state}`);
  return {
    id: key.id,
    keyspaceId: key.keyspaceId,
    displayName: key.displayName,
    tokenHint: key.tokenHint,
    state,
    ownerId: key.ownerId === '' ? null : key.ownerId,
    scopes: key.scopes,
    resourceAccess: fromResourceAccess(key.resourceAccess),
    metadata: fromMap(key.metadata),
    tags: key.tags,
    expireTime: key.expireTime ?? null,
    createTime: requiredTime('create_time', key.createTime),
    updateTime: requiredTime('update_time', key.updateTime),
    revokeTime: key.revokeTime ?? null,
    revokeReason: key.revokeReason,
    deleteTime: key.deleteTime ?? null,
    purgeTime: key.purgeTime ?? null,
    secrets: key.secrets.map(({ id, hint, createTime, expireTime }) => ({
      id,
      hint,
      createTime: requiredTime('create_time of a secret', createTime),
      expireTime: expireTime ?? null,
    })),
    etag: key.etag,
    createdBy: key.createdBy,
  };
}

/** The message of a key to create. @throws LatchkeyError INVALID_FIELD */
export function toNewKey({ keyspaceId, ttlMs, ...key }: NewKey): Pick<CreateKeyRequest, 'key' | 'ttl'> {
  return {
    key: KeyMessage.fromPartial({ keyspaceId, ...toAttributes(key) }),
    ttl: toDuration('ttlMs', ttlMs),
  };
}

/** The message of a key with what is to change of it. @throws LatchkeyError INVALID_FIELD */
export function toChangedKey(id: string, change: KeyChange, etag: string | undefined): KeyMessage {
  return KeyMessage.fromPartial({ id, ...toAttributes(change), ...defined({ etag }) });
}

/** The properties of a change, with their paths in the contract. */
export const KEY_PATHS = {
  displayName: 'display_name',
  ownerId: 'owner_id',
  scopes: 'scopes',
  resourceAccess: 'resource_access',
  metadata: 'metadata',
  tags: 'tags',
  expireTime: 'expire_time',
} as const satisfies Record<keyof KeyChange, string>;

// In a message, what is cleared and what was never set look the same: empty. The update mask tells them apart.
function toAttributes({
  displayName,
  ownerId,
  scopes,
  resourceAccess,
  metadata,
  tags,
  expireTime,
}: KeyChange) {
  return defined({
    displayName,
    ownerId: ownerId ?? undefined,
    scopes: scopes?.slice(),
    resourceAccess: resourceAccess === undefined ? undefined : toResourceAccess(resourceAccess),
    metadata: metadata === undefined ? undefined : toMap(metadata),
    tags: tags?.slice(),
    expireTime: toTime('expireTime', expireTime),
  });
}

function toResourceAccess(access: ResourceAccess): ResourceAccessMessage {
  return access === 'ALL'
    ? { access: { $case: 'all', value: {} } }
    : { access: { $case: 'listed', value: { ids: [...access.ids] } } };
}

function fromResourceAccess(message: ResourceAccessMessage | undefined): ResourceAccess {
  const access = message?.access;
  if (access?.$case === 'all') return 'ALL';
  if (access?.$case === 'listed') return { ids: access.value.ids };
  // Fails closed: what is not understood must not look like access to all.
  throw unexpectedResponse('an unknown resource access');
}

/** The message of a filter. @throws LatchkeyError INVALID_FIELD */
export function toKeyFilter(filter: KeyFilter): ListKeysFilter {
  const { states, accessType, expiresBefore, createdAfter, ...same } = filter;
  return ListKeysFilter.fromPartial(
    defined({
      ...same,
      states: states?.map((state) => STATE_CODES[state]),
      accessType: accessType === undefined ? undefined : ACCESS_TYPES[accessType],
      expiresBefore: toTime('filter.expiresBefore', expiresBefore),
      createdAfter: toTime('filter.createdAfter', createdAfter),
    }),
  );
}
