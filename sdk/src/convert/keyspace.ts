import {
  Keyspace as KeyspaceMessage,
  type Api as ApiMessage,
  type ApiMethod as ApiMethodMessage,
} from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type { Api, ApiMethod, Keyspace, KeyspaceChange, NewKeyspace } from '../types/keyspace.ts';
import { defined } from './defined.ts';
import { fromDuration } from './from-duration.ts';
import { requiredTime, toDuration } from './times.ts';

/** The keyspace of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromKeyspace(keyspace: KeyspaceMessage | undefined): Keyspace {
  if (keyspace === undefined) throw unexpectedResponse('no keyspace');
  const { id, slug, tokenPrefix, displayName, defaultTtl, maxTtl, requireExpiry, etag } = keyspace;
  return {
    id,
    slug,
    tokenPrefix,
    displayName,
    defaultTtlMs: defaultTtl === undefined ? null : fromDuration(defaultTtl),
    maxTtlMs: maxTtl === undefined ? null : fromDuration(maxTtl),
    requireExpiry,
    apis: keyspace.apis.map(fromApi),
    createTime: requiredTime('create_time', keyspace.createTime),
    updateTime: requiredTime('update_time', keyspace.updateTime),
    etag,
  };
}

/** The message of a keyspace to create. @throws LatchkeyError INVALID_FIELD */
export function toNewKeyspace({ slug, ...attributes }: NewKeyspace): KeyspaceMessage {
  return KeyspaceMessage.fromPartial({ slug, ...toAttributes(attributes) });
}

/** The message of a keyspace with what is to change of it. @throws LatchkeyError INVALID_FIELD */
export function toChangedKeyspace(
  id: string,
  change: KeyspaceChange,
  etag: string | undefined,
): KeyspaceMessage {
  return KeyspaceMessage.fromPartial({ id, ...toAttributes(change), ...defined({ etag }) });
}

/** The properties of a change, with their paths in the contract. */
export const KEYSPACE_PATHS = {
  tokenPrefix: 'token_prefix',
  displayName: 'display_name',
  defaultTtlMs: 'default_ttl',
  maxTtlMs: 'max_ttl',
  requireExpiry: 'require_expiry',
  apis: 'apis',
} as const satisfies Record<keyof KeyspaceChange, string>;

function toAttributes({
  tokenPrefix,
  displayName,
  defaultTtlMs,
  maxTtlMs,
  requireExpiry,
  apis,
}: KeyspaceChange) {
  return defined({
    tokenPrefix,
    displayName,
    defaultTtl: toDuration('defaultTtlMs', defaultTtlMs),
    maxTtl: toDuration('maxTtlMs', maxTtlMs),
    requireExpiry,
    apis: apis?.map(toApi),
  });
}

function toApi({ name, groups }: Api): ApiMessage {
  return {
    name,
    groups: groups.map((group) => ({ name: group.name, methods: group.methods.map(toMethod) })),
  };
}

function toMethod({ verb = '', path, noResource = false }: ApiMethod): ApiMethodMessage {
  return { verb, path, noResource };
}

function fromApi({ name, groups }: ApiMessage): Api {
  return {
    name,
    groups: groups.map((group) => ({ name: group.name, methods: group.methods.map(fromMethod) })),
  };
}

function fromMethod({ verb, path, noResource }: ApiMethodMessage): ApiMethod {
  return { ...(verb === '' ? {} : { verb }), path, ...(noResource ? { noResource } : {}) };
}
