import { Key as KeyMessage, KeyState as KeyStateCode } from '../../../proto/gen/latchkey/v1/key.ts';
import {
  AccessType,
  ImportedKey as ImportedKeyMessage,
  ListKeysFilter,
  type BatchRevokeKeysRequest,
  type CreateKeyRequest,
  type DeepPartial,
  type ImportKeysResult,
} from '../../../proto/gen/latchkey/v1/key_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type {
  ImportedKey,
  ImportResult,
  Key,
  KeyChange,
  KeyChoice,
  KeyFilter,
  KeyState,
  NewKey,
} from '../types/key.ts';
import { defined } from './defined.ts';
import { fromLimitOverride } from './limit.ts';
import { requireKnown } from './require-known.ts';
import { fromRules, RULE_PATHS, toRules } from './rules.ts';
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
    ...fromRules(key),
    id: key.id,
    keyspaceId: key.keyspaceId,
    displayName: key.displayName,
    tokenHint: key.tokenHint,
    state,
    ownerId: key.ownerId === '' ? null : key.ownerId,
    policyIds: key.policyIds,
    limitOverrides: key.limitOverrides.map(fromLimitOverride),
    expireTime: key.expireTime ?? null,
    createTime: requiredTime('create_time', key.createTime),
    updateTime: requiredTime('update_time', key.updateTime),
    revokeTime: key.revokeTime ?? null,
    revokeReason: key.revokeReason,
    deleteTime: key.deleteTime ?? null,
    purgeTime: key.purgeTime ?? null,
    lastUsedTime: key.lastUsedTime ?? null,
    secrets: key.secrets.map(({ id, hint, createTime, expireTime, lastUsedTime }) => ({
      id,
      hint,
      createTime: requiredTime('create_time of a secret', createTime),
      expireTime: expireTime ?? null,
      lastUsedTime: lastUsedTime ?? null,
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

/** The message of a key to import. @throws LatchkeyError INVALID_FIELD */
export function toImportedKey({ sha256, ...key }: ImportedKey): ImportedKeyMessage {
  return ImportedKeyMessage.fromPartial({ sha256, key: toAttributes(key) });
}

/** What became of a key to import. */
export function fromImportResult({
  id,
  error,
  errorReason,
  alreadyImported,
}: ImportKeysResult): ImportResult {
  return id === ''
    ? { imported: false, error, reason: errorReason }
    : { imported: true, id, alreadyImported };
}

/** The properties of a change, with their paths in the contract. */
export const KEY_PATHS = {
  displayName: 'display_name',
  ownerId: 'owner_id',
  policyIds: 'policy_ids',
  ...RULE_PATHS,
  expireTime: 'expire_time',
} as const satisfies Record<keyof KeyChange, string>;

function toAttributes({ displayName, ownerId, policyIds, expireTime, ...rules }: KeyChange) {
  return {
    ...defined({
      displayName,
      ownerId: ownerId ?? undefined,
      policyIds: policyIds?.slice(),
      expireTime: toTime('expireTime', expireTime),
    }),
    ...toRules(rules),
  };
}

/** The message of a choice of keys to revoke. @throws LatchkeyError INVALID_FIELD */
export function toKeyChoice(choice: KeyChoice): Omit<DeepPartial<BatchRevokeKeysRequest>, 'requestId'> {
  requireKnown('choice', choice, ['keyspaceId', 'ownerId', 'policyId', 'tag', 'createdBefore']);
  const { createdBefore, ...same } = choice;
  return defined({ ...same, createdBefore: toTime('choice.createdBefore', createdBefore) });
}

/** The message of a filter. @throws LatchkeyError INVALID_FIELD */
export function toKeyFilter(filter: KeyFilter): ListKeysFilter {
  const { states, accessType, expiresBefore, lastUsedBefore, createdAfter, ...same } = filter;
  return ListKeysFilter.fromPartial(
    defined({
      ...same,
      states: states?.map((state) => STATE_CODES[state]),
      accessType: accessType === undefined ? undefined : ACCESS_TYPES[accessType],
      expiresBefore: toTime('filter.expiresBefore', expiresBefore),
      lastUsedBefore: toTime('filter.lastUsedBefore', lastUsedBefore),
      createdAfter: toTime('filter.createdAfter', createdAfter),
    }),
  );
}
