import { keyState, type KeyAttributes, type KeyRecord, type ResourceAccess } from '../../../core/key.ts';
import { GRANTED_SCOPE_PATTERN } from '../../../core/patterns/scopes.ts';
import { tokenHint } from '../../../core/token.ts';
import {
  KeyState,
  type Key,
  type ResourceAccess as ResourceAccessMessage,
} from '../../../proto/gen/latchkey/v1/key.ts';
import { formatEtag } from '../../lifecycle/key-rules.ts';
import type { Fields } from './fields.ts';
import { toTimestamp } from './times.ts';

export const OWNER_ID_MAX = 256;
export const RESOURCE_ID_MAX = 256;
export const TAG_MAX = 64;
export const SCOPE_MAX = 128;
const METADATA_BYTES_MAX = 4096;
const METADATA_NAME_MAX = 64;

const STATES = {
  ACTIVE: KeyState.KEY_STATE_ACTIVE,
  DISABLED: KeyState.KEY_STATE_DISABLED,
  REVOKED: KeyState.KEY_STATE_REVOKED,
  EXPIRED: KeyState.KEY_STATE_EXPIRED,
} as const;

/** The key that a list or an answer shows. */
export function toKey(key: KeyRecord, nowMs: number): Key {
  return {
    id: key.id,
    keyspaceId: key.keyspaceId,
    displayName: key.displayName,
    tokenHint: tokenHint(key.tokenPrefix, key.id, key.secrets[0]?.hint ?? ''),
    state: STATES[keyState(key, nowMs)],
    ownerId: key.ownerId,
    scopes: [...key.scopes],
    resourceAccess: toResourceAccess(key.resourceAccess),
    restrictions: undefined,
    policyIds: [],
    limits: [],
    metadata: new Map(Object.entries(key.metadata)),
    tags: [...key.tags],
    expireTime: toTimestamp(key.expireTimeMs),
    createTime: toTimestamp(key.createTimeMs),
    updateTime: toTimestamp(key.updateTimeMs),
    lastUsedTime: undefined,
    revokeTime: toTimestamp(key.revokeTimeMs),
    revokeReason: key.revokeReason,
    deleteTime: toTimestamp(key.deleteTimeMs),
    purgeTime: toTimestamp(key.purgeTimeMs),
    secrets: key.secrets.map((secret) => ({
      id: secret.id,
      hint: secret.hint,
      createTime: toTimestamp(secret.createTimeMs),
      expireTime: toTimestamp(secret.expireTimeMs),
    })),
    etag: formatEtag(key.version),
    createdBy: key.createdBy,
  };
}

function toResourceAccess(access: ResourceAccess): ResourceAccessMessage {
  return access.type === 'ALL'
    ? { access: { $case: 'all', value: {} } }
    : { access: { $case: 'listed', value: { ids: [...access.ids] } } };
}

/** The attributes of a new key, but its expiry. */
export function readAttributes(fields: Fields, key: Key): Omit<KeyAttributes, 'expireTimeMs'> {
  refuseRules(fields, key);
  return {
    displayName: readAttribute.displayName(fields, key),
    ownerId: readAttribute.ownerId(fields, key),
    scopes: readAttribute.scopes(fields, key),
    resourceAccess: readAttribute.resourceAccess(fields, key),
    metadata: readAttribute.metadata(fields, key),
    tags: readAttribute.tags(fields, key),
  };
}

/** The fields that an update mask may name, with the attribute that each stands for. */
const UPDATABLE = {
  display_name: 'displayName',
  owner_id: 'ownerId',
  scopes: 'scopes',
  resource_access: 'resourceAccess',
  metadata: 'metadata',
  tags: 'tags',
  expire_time: 'expireTimeMs',
} as const satisfies Record<string, keyof KeyAttributes>;

const NOT_YET_UPDATABLE: readonly string[] = ['restrictions', 'policy_ids', 'limits'];

/** The new values of the fields that an update mask names. */
export function readChange(
  fields: Fields,
  key: Key,
  mask: readonly string[] | undefined,
): Partial<KeyAttributes> {
  const paths = readMask(fields, mask, Object.keys(UPDATABLE), NOT_YET_UPDATABLE);
  const attributes = paths.map((path) => UPDATABLE[path as keyof typeof UPDATABLE]);
  return Object.fromEntries(
    attributes.map((attribute) => [attribute, readAttribute[attribute](fields, key)]),
  );
}

/** The paths of an update mask, each one of `known`. */
export function readMask(
  fields: Fields,
  mask: readonly string[] | undefined,
  known: readonly string[],
  notYet: readonly string[],
): readonly string[] {
  if (mask === undefined || mask.length === 0) {
    fields.refuse('update_mask', `must name at least one of ${known.join(', ')}`);
    return [];
  }
  if (mask.length > 64) {
    fields.refuse('update_mask', 'must have at most 64 paths');
    return [];
  }
  mask.forEach((path, index) => {
    const field = `update_mask.paths[${index}]`;
    if (notYet.includes(path)) fields.unsupported(field, path);
    else if (!known.includes(path)) fields.refuse(field, `must be one of ${known.join(', ')}`);
  });
  return known.filter((path) => mask.includes(path));
}

/** How each attribute is read from a message. */
const readAttribute: { readonly [A in keyof KeyAttributes]: (fields: Fields, key: Key) => KeyAttributes[A] } =
  {
    displayName: (fields, key) => fields.text('key.display_name', key.displayName, { max: 128 }),
    ownerId: (fields, key) => fields.text('key.owner_id', key.ownerId, { max: OWNER_ID_MAX }),
    scopes: (fields, key) =>
      fields.texts('key.scopes', key.scopes, {
        countMax: 256,
        max: SCOPE_MAX,
        pattern: GRANTED_SCOPE_PATTERN,
        shape: 'made of A-Z a-z 0-9 _ - . / : with a wildcard `*` only as the last character',
      }),
    resourceAccess: (fields, { resourceAccess }) => {
      if (resourceAccess === undefined) return { type: 'ALL' };
      const field = 'key.resource_access';
      const { access } = resourceAccess;
      if (access === undefined) fields.refuse(field, 'must be one of all and listed');
      if (access?.$case !== 'listed') return { type: 'ALL' };
      const ids = fields.texts(`${field}.listed.ids`, access.value.ids, {
        countMax: 1000,
        max: RESOURCE_ID_MAX,
      });
      if (ids.length === 0) fields.refuse(`${field}.listed.ids`, 'must have at least one entry');
      return { type: 'LISTED', ids };
    },
    metadata: (fields, { metadata }) => {
      if (metadata.size > 64)
        fields.refuse('key.metadata', `must have at most 64 entries, has ${metadata.size}`);
      let bytes = 0;
      for (const [name, value] of metadata) {
        bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
        if (bytes > METADATA_BYTES_MAX) break;
        fields.text('key.metadata', name, { max: METADATA_NAME_MAX, required: true });
        fields.text('key.metadata', value, { max: METADATA_BYTES_MAX, multiline: true });
      }
      if (bytes > METADATA_BYTES_MAX) {
        fields.refuse('key.metadata', `must have at most ${METADATA_BYTES_MAX} bytes of names and values`);
      }
      return Object.fromEntries(metadata);
    },
    tags: (fields, key) => fields.texts('key.tags', key.tags, { countMax: 32, max: TAG_MAX }),
    expireTimeMs: (fields, key) => fields.time('key.expire_time', key.expireTime) ?? null,
  };

/** What the contract has and this version cannot honour must not be lost in silence. */
function refuseRules(fields: Fields, { restrictions, policyIds, limits }: Key): void {
  if (restrictions !== undefined) fields.unsupported('key.restrictions');
  if (policyIds.length > 0) fields.unsupported('key.policy_ids');
  if (limits.length > 0) fields.unsupported('key.limits');
}
