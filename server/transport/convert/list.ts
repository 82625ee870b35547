import type { KeyState as State } from '../../../core/key.ts';
import { SCOPE_LENGTH_MAX } from '../../../core/patterns/scopes.ts';
import { KeyState } from '../../../proto/gen/latchkey/v1/key.ts';
import {
  AccessType,
  type BatchRevokeKeysRequest,
  type ListKeysFilter,
  type ListKeysRequest as Message,
} from '../../../proto/gen/latchkey/v1/key_service.ts';
import type { ListKeysRequest } from '../../lifecycle/list-keys.ts';
import type { KeyChoice } from '../../lifecycle/ports.ts';
import type { Fields } from './fields.ts';
import { OWNER_ID_MAX } from './key.ts';
import { API_NAME_MAX, RESOURCE_ID_MAX, TAG_MAX } from './rules.ts';

export const PAGE_TOKEN_MAX = 4096;

/** What to list, out of the message. */
export function readList(fields: Fields, message: Message): Omit<ListKeysRequest, 'caller' | 'nowMs'> {
  const { orderBy } = message;
  if (!['', 'create_time', 'create_time desc'].includes(orderBy)) {
    fields.refuse('order_by', 'must be `create_time` or `create_time desc`');
  }
  return {
    pageSize: fields.pageSize(message.pageSize),
    pageToken: fields.text('page_token', message.pageToken, { max: PAGE_TOKEN_MAX }),
    filter: readFilter(fields, message.filter),
    newestFirst: orderBy !== 'create_time',
  };
}

const STATES = new Map<number, State>([
  [KeyState.KEY_STATE_ACTIVE, 'ACTIVE'],
  [KeyState.KEY_STATE_DISABLED, 'DISABLED'],
  [KeyState.KEY_STATE_REVOKED, 'REVOKED'],
  [KeyState.KEY_STATE_EXPIRED, 'EXPIRED'],
]);

const ACCESS_TYPES = new Map<number, 'ALL' | 'LISTED' | undefined>([
  [AccessType.ACCESS_TYPE_UNSPECIFIED, undefined],
  [AccessType.ACCESS_TYPE_ALL, 'ALL'],
  [AccessType.ACCESS_TYPE_LISTED, 'LISTED'],
]);

function readFilter(fields: Fields, filter: ListKeysFilter | undefined): ListKeysRequest['filter'] {
  const optional = (name: string, value: string | undefined, max: number): string | undefined =>
    value === undefined || value === '' ? undefined : fields.text(`filter.${name}`, value, { max });

  if (filter !== undefined) {
    if (filter.states.length > 8) fields.refuse('filter.states', 'must have at most 8 entries');
    if (!ACCESS_TYPES.has(filter.accessType)) fields.refuse('filter.access_type', 'is not an access type');
  }
  const keyspaceId = filter?.keyspaceId;
  return {
    keyspaceId:
      keyspaceId === undefined || keyspaceId === ''
        ? undefined
        : fields.keyspaceId('filter.keyspace_id', keyspaceId),
    states: readStates(fields, filter?.states ?? []),
    accessType: ACCESS_TYPES.get(filter?.accessType ?? AccessType.ACCESS_TYPE_UNSPECIFIED),
    resource: optional('resource', filter?.resource, RESOURCE_ID_MAX),
    ownerId: optional('owner_id', filter?.ownerId, OWNER_ID_MAX),
    policyId:
      filter === undefined || filter.policyId === ''
        ? undefined
        : fields.policyId('filter.policy_id', filter.policyId),
    tag: optional('tag', filter?.tag, TAG_MAX),
    scope: optional('scope', filter?.scope, SCOPE_LENGTH_MAX),
    api: optional('api', filter?.api, API_NAME_MAX),
    search: optional('search', filter?.search, 128),
    expiresBeforeMs: fields.time('filter.expires_before', filter?.expiresBefore),
    lastUsedBeforeMs: fields.time('filter.last_used_before', filter?.lastUsedBefore),
    createdAfterMs: fields.time('filter.created_after', filter?.createdAfter),
    showDeleted: filter?.showDeleted ?? false,
  };
}

/** Which keys to revoke. A choice without any condition would be a whole keyspace, by mistake. */
export function readChoice(fields: Fields, message: BatchRevokeKeysRequest): KeyChoice {
  const optional = (name: string, value: string, max: number): string | undefined =>
    value === '' ? undefined : fields.text(name, value, { max });
  const choice = {
    keyspaceId: fields.keyspaceId('keyspace_id', message.keyspaceId),
    ownerId: optional('owner_id', message.ownerId, OWNER_ID_MAX),
    policyId: message.policyId === '' ? undefined : fields.policyId('policy_id', message.policyId),
    tag: optional('tag', message.tag, TAG_MAX),
    createdBeforeMs: fields.time('created_before', message.createdBefore),
  };
  const { keyspaceId: _, ...conditions } = choice;
  if (Object.values(conditions).every((condition) => condition === undefined)) {
    fields.refuse(
      'created_before',
      'one of owner_id, policy_id, tag and created_before is required; for all keys of a keyspace give the present time',
    );
  }
  return choice;
}

function readStates(fields: Fields, states: readonly number[]): readonly State[] {
  return states.slice(0, 8).flatMap((value, index) => {
    const state = STATES.get(value);
    if (state === undefined) fields.refuse(`filter.states[${index}]`, 'is not a state of a key');
    return state ?? [];
  });
}
