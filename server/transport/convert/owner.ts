import type { OwnerAttributes, OwnerRecord } from '../../../core/owner.ts';
import { KeysFate as KeysFateCode, type Owner } from '../../../proto/gen/latchkey/v1/owner_service.ts';
import { formatEtag } from '../../lifecycle/key-rules.ts';
import type { KeysFate } from '../../lifecycle/owners.ts';
import type { KeyCounts } from '../../lifecycle/ports.ts';
import type { Fields } from './fields.ts';
import { DISPLAY_NAME_MAX, OWNER_ID_MAX } from './key.ts';
import { readLimits, toLimit, toLimitOverrides } from './limit.ts';
import { readMasked, type AttributeReaders } from './mask.ts';
import { readMetadata } from './rules.ts';
import { toTimestamp } from './times.ts';

export function toOwner(owner: OwnerRecord, nowMs: number): Owner {
  return {
    keyspaceId: owner.keyspaceId,
    id: owner.id,
    displayName: owner.displayName,
    metadata: new Map(Object.entries(owner.metadata)),
    limits: owner.limits.map(toLimit),
    limitOverrides: toLimitOverrides(owner.limitOverrides, nowMs),
    suspended: owner.suspendTimeMs !== null,
    suspendTime: toTimestamp(owner.suspendTimeMs),
    suspendReason: owner.suspendReason,
    createTime: toTimestamp(owner.createTimeMs),
    updateTime: toTimestamp(owner.updateTimeMs),
    etag: formatEtag(owner.version),
  };
}

export function toKeyCounts(keys: KeyCounts): {
  active: bigint;
  disabled: bigint;
  revoked: bigint;
  expired: bigint;
} {
  return {
    active: BigInt(keys.ACTIVE),
    disabled: BigInt(keys.DISABLED),
    revoked: BigInt(keys.REVOKED),
    expired: BigInt(keys.EXPIRED),
  };
}

/** An owner's id. */
export function readOwnerId(fields: Fields, field: string, id: string): string {
  return fields.text(field, id, { max: OWNER_ID_MAX, required: true });
}

/** The attributes of a new owner. */
export function readOwnerAttributes(fields: Fields, owner: Owner): OwnerAttributes {
  return {
    displayName: readAttribute.displayName(fields, owner),
    metadata: readAttribute.metadata(fields, owner),
    limits: readAttribute.limits(fields, owner),
  };
}

const UPDATABLE = {
  display_name: 'displayName',
  metadata: 'metadata',
  limits: 'limits',
} as const satisfies Record<string, keyof OwnerAttributes>;

/** The new values of the fields that an update mask names. */
export function readOwnerChange(
  fields: Fields,
  owner: Owner,
  mask: readonly string[] | undefined,
): Partial<OwnerAttributes> {
  return readMasked(fields, owner, mask, { updatable: UPDATABLE, read: readAttribute });
}

/** What becomes of an owner's keys. */
export function readKeysFate(fields: Fields, fate: KeysFateCode): KeysFate | undefined {
  switch (fate) {
    case KeysFateCode.KEYS_FATE_REVOKE:
      return 'REVOKE';
    case KeysFateCode.KEYS_FATE_DETACH:
      return 'DETACH';
    case KeysFateCode.KEYS_FATE_UNSPECIFIED:
      return undefined;
    default:
      fields.refuse('keys_fate', 'is not a fate');
      return undefined;
  }
}

const readAttribute: AttributeReaders<Owner, OwnerAttributes> = {
  displayName: (fields, owner) =>
    fields.text('owner.display_name', owner.displayName, { max: DISPLAY_NAME_MAX }),
  metadata: (fields, owner) => readMetadata(fields, 'owner.metadata', owner.metadata),
  limits: (fields, owner) => readLimits(fields, 'owner.limits', owner.limits),
};
