import { Fault, invalidFields } from '../../core/fault.ts';
import { newId } from '../../core/ids.ts';
import {
  ROOT_KEYSPACE_ID,
  SLUG_PATTERN,
  type KeyspaceAttributes,
  type KeyspaceRecord,
} from '../../core/key.ts';
import { difference } from '../audit/audit-event.ts';
import { type Caller } from '../callers/caller.ts';
import { keyspaceNotFound, requireEtag, type Etag } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import type { Repositories } from './ports.ts';

export interface CreateKeyspaceRequest extends MutationRequest {
  readonly slug: string;
  readonly attributes: KeyspaceAttributes;
}

type KeyspaceAnswer = Promise<Mutated<{ readonly keyspace: KeyspaceRecord }>>;

/** Makes a keyspace. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED for a confined caller, SLUG_TAKEN, INVALID_FIELD */
export function createKeyspace(mutate: Mutate, request: CreateKeyspaceRequest): KeyspaceAnswer {
  const { caller, slug, attributes } = request;
  if (caller.confinedTo !== undefined) {
    throw new Fault(
      'CALLER_KEYSPACE_NOT_ALLOWED',
      'only a root key with access to all keyspaces can create one',
    );
  }
  requireSoundTtls(attributes);
  return mutate('CreateKeyspace', request, async (tx, nowMs) => {
    const id = newId('keyspace');
    const keyspace = { ...attributes, id, slug, createTimeMs: nowMs, updateTimeMs: nowMs, version: 1 };
    await tx.keyspaces.insert(keyspace);
    return {
      answer: { keyspace },
      audit: { action: 'keyspace.create', keyspaceId: id, targetId: id, details: { ...keyspace } },
    };
  });
}

/** Reads one keyspace. @throws Fault KEYSPACE_NOT_FOUND */
export async function getKeyspace(store: Repositories, caller: Caller, id: string): Promise<KeyspaceRecord> {
  const keyspace = caller.reaches(id) ? await store.keyspaces.get(id) : undefined;
  if (keyspace === undefined) throw keyspaceNotFound(id);
  return keyspace;
}

/** Lists the keyspaces that the caller reaches, by slug. @throws Fault INVALID_FIELD for a page token of another list */
export async function listKeyspaces(
  store: Repositories,
  request: { readonly caller: Caller; readonly pageSize: number; readonly pageToken: string },
): Promise<{ readonly keyspaces: readonly KeyspaceRecord[]; readonly nextPageToken: string }> {
  const { caller, pageSize } = request;
  const question = 'keyspaces by slug';
  const afterSlug = decodePageToken(request.pageToken, question, (position) => {
    const { slug } = position as { readonly slug?: unknown };
    return typeof slug === 'string' && SLUG_PATTERN.test(slug) ? slug : undefined;
  });
  const rows = await store.keyspaces.list({
    ids: caller.confinedTo,
    withRoot: caller.managesRootKeys,
    afterSlug,
    limit: pageSize + 1,
  });
  const keyspaces = rows.slice(0, pageSize);
  const last = keyspaces.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { keyspaces, nextPageToken: more ? encodePageToken(question, { slug: last.slug }) : '' };
}

export interface UpdateKeyspaceRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
  readonly change: Partial<KeyspaceAttributes>;
}

/** Changes a keyspace's rules for new keys. @throws Fault KEYSPACE_NOT_FOUND, KEYSPACE_BUILT_IN, ETAG_MISMATCH, INVALID_FIELD */
export function updateKeyspace(mutate: Mutate, request: UpdateKeyspaceRequest): KeyspaceAnswer {
  const { caller, id, etag, change } = request;
  return mutate('UpdateKeyspace', request, async (tx, nowMs) => {
    const before = await lockKeyspace(tx, caller, id, etag);
    const after = { ...before, ...change };
    requireSoundTtls(after);
    const details = difference<KeyspaceRecord>(
      before,
      after,
      Object.keys(change) as (keyof KeyspaceAttributes)[],
    );
    if (Object.keys(details).length === 0) return { answer: { keyspace: before }, awaited: true };

    const keyspace = { ...after, updateTimeMs: nowMs, version: before.version + 1 };
    await tx.keyspaces.update(keyspace);
    return {
      answer: { keyspace },
      audit: { action: 'keyspace.update', keyspaceId: id, targetId: id, details },
      changes: [{ kind: 'keyspace', id }],
      awaited: true,
    };
  });
}

export interface DeleteKeyspaceRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
}

/** Deletes a keyspace without keys. @throws Fault KEYSPACE_NOT_FOUND, KEYSPACE_BUILT_IN, KEYSPACE_IN_USE, ETAG_MISMATCH */
export function deleteKeyspace(mutate: Mutate, request: DeleteKeyspaceRequest): Promise<Mutated<object>> {
  const { caller, id, etag } = request;
  return mutate<object>('DeleteKeyspace', request, async (tx) => {
    const before = await lockKeyspace(tx, caller, id, etag);
    const keys = await tx.keys.countIn(id);
    if (keys > 0) {
      throw new Fault(
        'KEYSPACE_IN_USE',
        `the keyspace ${id} still has ${keys} ${keys === 1 ? 'key' : 'keys'}; delete them first`,
        {
          metadata: { keyspace_id: id, keys: String(keys) },
        },
      );
    }
    await tx.keys.purgeDeletedIn(id);
    await tx.keyspaces.delete(id);
    return {
      answer: {},
      audit: { action: 'keyspace.delete', keyspaceId: id, targetId: id, details: { slug: before.slug } },
      // Its deleted keys are known as absent already; nothing that memory holds can pass.
      changes: [],
    };
  });
}

async function lockKeyspace(
  tx: Repositories,
  caller: Caller,
  id: string,
  etag: Etag,
): Promise<KeyspaceRecord> {
  const keyspace = caller.reaches(id) ? await tx.keyspaces.get(id, 'update') : undefined;
  if (keyspace === undefined) throw keyspaceNotFound(id);
  if (id === ROOT_KEYSPACE_ID) {
    throw new Fault('KEYSPACE_BUILT_IN', `the keyspace ${id} is built in and cannot be changed`);
  }
  requireEtag(keyspace, etag);
  return keyspace;
}

function requireSoundTtls({ defaultTtlMs, maxTtlMs }: KeyspaceAttributes): void {
  if (defaultTtlMs === null || maxTtlMs === null || defaultTtlMs <= maxTtlMs) return;
  throw invalidFields([{ field: 'keyspace.default_ttl', description: 'must not be longer than max_ttl' }]);
}
