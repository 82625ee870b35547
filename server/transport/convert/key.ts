import { isSecretLive, keyState, type KeyAttributes, type KeyRecord } from '../../../core/key.ts';
import { POLICIES_MAX } from '../../../core/policy.ts';
import { tokenHint } from '../../../core/token.ts';
import { KeyState, type Key } from '../../../proto/gen/latchkey/v1/key.ts';
import { formatEtag } from '../../lifecycle/key-rules.ts';
import type { Fields } from './fields.ts';
import { toLimitOverrides } from './limit.ts';
import { readMasked, type AttributeReaders } from './mask.ts';
import { readRule, toRules } from './rules.ts';
import { toTimestamp } from './times.ts';

export const OWNER_ID_MAX = 256;
export const DISPLAY_NAME_MAX = 128;

const STATES = {
  ACTIVE: KeyState.KEY_STATE_ACTIVE,
  DISABLED: KeyState.KEY_STATE_DISABLED,
  REVOKED: KeyState.KEY_STATE_REVOKED,
  EXPIRED: KeyState.KEY_STATE_EXPIRED,
} as const;

/** The key that a list or an answer shows. */
export function toKey(key: KeyRecord, nowMs: number): Key {
  const current = key.secrets.filter((secret) => isSecretLive(secret, nowMs));
  const [newest] = current;
  return {
    ...toRules(key),
    id: key.id,
    keyspaceId: key.keyspaceId,
    displayName: key.displayName,
    tokenHint: newest?.imported === true ? '' : tokenHint(key.tokenPrefix, key.id, newest?.hint ?? ''),
    state: STATES[keyState(key, nowMs)],
    ownerId: key.ownerId,
    policyIds: [...key.policyIds],
    limitOverrides: toLimitOverrides(key.limitOverrides, nowMs),
    expireTime: toTimestamp(key.expireTimeMs),
    createTime: toTimestamp(key.createTimeMs),
    updateTime: toTimestamp(key.updateTimeMs),
    lastUsedTime: toTimestamp(key.lastUsedTimeMs),
    revokeTime: toTimestamp(key.revokeTimeMs),
    revokeReason: key.revokeReason,
    deleteTime: toTimestamp(key.deleteTimeMs),
    purgeTime: toTimestamp(key.purgeTimeMs),
    secrets: current.map((secret) => ({
      id: secret.id,
      hint: secret.hint,
      createTime: toTimestamp(secret.createTimeMs),
      expireTime: toTimestamp(secret.expireTimeMs),
      lastUsedTime: toTimestamp(secret.lastUsedTimeMs),
    })),
    etag: formatEtag(key.version),
    createdBy: key.createdBy,
  };
}

/** The attributes of a new key, but its expiry. */
export function readAttributes(fields: Fields, key: Key): Omit<KeyAttributes, 'expireTimeMs'> {
  return {
    displayName: readAttribute.displayName(fields, key),
    ownerId: readAttribute.ownerId(fields, key),
    policyIds: readAttribute.policyIds(fields, key),
    scopes: readAttribute.scopes(fields, key),
    resourceAccess: readAttribute.resourceAccess(fields, key),
    restrictions: readAttribute.restrictions(fields, key),
    limits: readAttribute.limits(fields, key),
    metadata: readAttribute.metadata(fields, key),
    tags: readAttribute.tags(fields, key),
  };
}

/** The fields that an update mask may name, with the attribute that each stands for. */
const UPDATABLE = {
  display_name: 'displayName',
  owner_id: 'ownerId',
  policy_ids: 'policyIds',
  scopes: 'scopes',
  resource_access: 'resourceAccess',
  restrictions: 'restrictions',
  limits: 'limits',
  metadata: 'metadata',
  tags: 'tags',
  expire_time: 'expireTimeMs',
} as const satisfies Record<string, keyof KeyAttributes>;

/** The new values of the fields that an update mask names. */
export function readChange(
  fields: Fields,
  key: Key,
  mask: readonly string[] | undefined,
): Partial<KeyAttributes> {
  return readMasked(fields, key, mask, { updatable: UPDATABLE, read: readAttribute });
}

/** How each attribute is read from a message. */
const readAttribute: AttributeReaders<Key, KeyAttributes> = {
  displayName: (fields, key) => fields.text('key.display_name', key.displayName, { max: DISPLAY_NAME_MAX }),
  ownerId: (fields, key) => fields.text('key.owner_id', key.ownerId, { max: OWNER_ID_MAX }),
  policyIds: (fields, key) => fields.ids('key.policy_ids', 'policy', key.policyIds, POLICIES_MAX),
  scopes: (fields, key) => readRule.scopes(fields, 'key', key),
  resourceAccess: (fields, key) => readRule.resourceAccess(fields, 'key', key),
  restrictions: (fields, key) => readRule.restrictions(fields, 'key', key),
  limits: (fields, key) => readRule.limits(fields, 'key', key),
  metadata: (fields, key) => readRule.metadata(fields, 'key', key),
  tags: (fields, key) => readRule.tags(fields, 'key', key),
  expireTimeMs: (fields, key) => fields.time('key.expire_time', key.expireTime) ?? null,
};
