import {
  KeysFate,
  Owner as OwnerMessage,
  type OwnerKeyCounts as OwnerKeyCountsMessage,
} from '../../../proto/gen/latchkey/v1/owner_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type { NewOwner, Owner, OwnerChange, OwnerKeyCounts, OwnerRef } from '../types/owner.ts';
import { defined } from './defined.ts';
import { fromLimit, fromLimitOverride, toLimits } from './limit.ts';
import { fromMap, toMap } from './metadata.ts';
import { requiredTime } from './times.ts';

/** The owner of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromOwner(owner: OwnerMessage | undefined): Owner {
  if (owner === undefined) throw unexpectedResponse('no owner');
  return {
    keyspaceId: owner.keyspaceId,
    id: owner.id,
    displayName: owner.displayName,
    metadata: fromMap(owner.metadata),
    limits: owner.limits.map(fromLimit),
    limitOverrides: owner.limitOverrides.map(fromLimitOverride),
    suspendTime: owner.suspended ? requiredTime('suspend_time', owner.suspendTime) : null,
    suspendReason: owner.suspendReason,
    createTime: requiredTime('create_time', owner.createTime),
    updateTime: requiredTime('update_time', owner.updateTime),
    etag: owner.etag,
  };
}

/** The numbers of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromKeyCounts(keys: OwnerKeyCountsMessage | undefined): OwnerKeyCounts {
  if (keys === undefined) throw unexpectedResponse('no numbers of keys');
  return {
    active: Number(keys.active),
    disabled: Number(keys.disabled),
    revoked: Number(keys.revoked),
    expired: Number(keys.expired),
  };
}

/** The message of an owner to create. @throws LatchkeyError INVALID_FIELD */
export function toNewOwner({ keyspaceId, id, ...attributes }: NewOwner): OwnerMessage {
  return OwnerMessage.fromPartial({ keyspaceId, id, ...toAttributes(attributes) });
}

/** The message of an owner with what is to change of it. @throws LatchkeyError INVALID_FIELD */
export function toChangedOwner(
  { keyspaceId, id }: OwnerRef,
  change: OwnerChange,
  etag: string | undefined,
): OwnerMessage {
  return OwnerMessage.fromPartial({ keyspaceId, id, ...toAttributes(change), ...defined({ etag }) });
}

/** The properties of a change, with their paths in the contract. */
export const OWNER_PATHS = {
  displayName: 'display_name',
  metadata: 'metadata',
  limits: 'limits',
} as const satisfies Record<keyof OwnerChange, string>;

/** What can become of an owner's keys. */
export const KEYS_FATES = { REVOKE: KeysFate.KEYS_FATE_REVOKE, DETACH: KeysFate.KEYS_FATE_DETACH } as const;

function toAttributes({ displayName, metadata, limits }: OwnerChange) {
  return defined({
    displayName,
    metadata: metadata === undefined ? undefined : toMap(metadata),
    limits: limits === undefined ? undefined : toLimits(limits),
  });
}
