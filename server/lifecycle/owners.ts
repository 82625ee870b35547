import { Fault, invalidFields } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID } from '../../core/key.ts';
import { ledgerId, ownerSubject } from '../../core/limit.ts';
import type { OwnerAttributes, OwnerRecord } from '../../core/owner.ts';
import { difference } from '../audit/audit-event.ts';
import type { Change } from '../../core/change.ts';
import { requireReach, requireScope, type Caller } from '../callers/caller.ts';
import { revokeKeys, SAMPLE_MAX } from './batch-revoke-keys.ts';
import { keyspaceNotFound, newOwner, requireEtag, type Etag } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import type { KeyCounts, Repositories } from './ports.ts';

/** Names an owner, and the version that the caller saw. */
export interface OwnerTarget extends MutationRequest {
  readonly keyspaceId: string;
  readonly id: string;
  readonly etag: Etag;
}

export interface CreateOwnerRequest extends MutationRequest {
  readonly keyspaceId: string;
  readonly id: string;
  readonly attributes: OwnerAttributes;
}

type OwnerAnswer = Promise<Mutated<{ readonly owner: OwnerRecord }>>;

/** Makes an owner. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, KEYSPACE_NOT_FOUND, OWNER_EXISTS, INVALID_FIELD */
export function createOwner(mutate: Mutate, request: CreateOwnerRequest): OwnerAnswer {
  const { caller, keyspaceId, id, attributes } = request;
  requireReach(caller, keyspaceId);
  requireRootOwnerRules(keyspaceId, attributes);
  return mutate('CreateOwner', request, async (tx, nowMs) => {
    if ((await tx.keyspaces.get(keyspaceId)) === undefined) throw keyspaceNotFound(keyspaceId);
    const owner = { ...newOwner(keyspaceId, id, nowMs), ...attributes };
    await tx.owners.insert(owner);
    return {
      answer: { owner },
      audit: { action: 'owner.create', keyspaceId, targetId: id, details: { ...owner } },
    };
  });
}

/** Reads one owner and counts its keys. @throws Fault OWNER_NOT_FOUND */
export async function getOwner(
  store: Repositories,
  caller: Caller,
  { keyspaceId, id }: { readonly keyspaceId: string; readonly id: string },
  nowMs: number,
): Promise<{ readonly owner: OwnerRecord; readonly keys: KeyCounts }> {
  const owner = await readOwner(store, caller, { keyspaceId, id });
  return { owner, keys: await store.owners.countKeys(keyspaceId, id, nowMs) };
}

/** Reads one owner. @throws Fault OWNER_NOT_FOUND */
export async function readOwner(
  store: Pick<Repositories, 'owners'>,
  caller: Caller,
  { keyspaceId, id }: { readonly keyspaceId: string; readonly id: string },
): Promise<OwnerRecord> {
  const owner = caller.reaches(keyspaceId) ? await store.owners.get(keyspaceId, id) : undefined;
  if (owner === undefined) throw ownerNotFound();
  return owner;
}

/** Lists the owners of a keyspace by id. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, INVALID_FIELD for a page token of another list */
export async function listOwners(
  store: Repositories,
  request: {
    readonly caller: Caller;
    readonly keyspaceId: string;
    readonly suspendedOnly: boolean;
    readonly pageSize: number;
    readonly pageToken: string;
  },
): Promise<{ readonly owners: readonly OwnerRecord[]; readonly nextPageToken: string }> {
  const { caller, keyspaceId, suspendedOnly, pageSize } = request;
  requireReach(caller, keyspaceId);
  const question = { list: 'owners', keyspaceId, suspendedOnly };
  const afterId = decodePageToken(request.pageToken, question, (position) => {
    const { id } = position as { readonly id?: unknown };
    return typeof id === 'string' && !id.includes('\0') ? id : undefined;
  });
  const rows = await store.owners.list({ keyspaceId, suspendedOnly, afterId, limit: pageSize + 1 });
  const owners = rows.slice(0, pageSize);
  const last = owners.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { owners, nextPageToken: more ? encodePageToken(question, { id: last.id }) : '' };
}

export interface UpdateOwnerRequest extends OwnerTarget {
  readonly change: Partial<OwnerAttributes>;
}

/** Changes what is known of an owner, and with its limits all its keys. @throws Fault OWNER_NOT_FOUND, ETAG_MISMATCH, INVALID_FIELD */
export function updateOwner(mutate: Mutate, request: UpdateOwnerRequest): OwnerAnswer {
  const { keyspaceId, id, change } = request;
  return mutate('UpdateOwner', request, async (tx, nowMs) => {
    const before = await lockOwner(tx, request);
    requireRootOwnerRules(keyspaceId, change);
    // Of all that can be changed here, verification reads the limits only.
    const awaited = change.limits !== undefined;
    const details = difference<OwnerRecord>(
      before,
      { ...before, ...change },
      Object.keys(change) as (keyof OwnerAttributes)[],
    );
    if (Object.keys(details).length === 0) return { answer: { owner: before }, awaited };
    const owner = changedOwner(before, change, nowMs);
    await tx.owners.update(owner);
    return {
      answer: { owner },
      audit: { action: 'owner.update', keyspaceId, targetId: id, details },
      changes: 'limits' in details ? [{ kind: 'owner', keyspaceId, id }] : [],
      awaited,
    };
  });
}

export interface SuspendOwnerRequest extends OwnerTarget {
  /** A word to count by. */
  readonly reason: string;
  /** For people; kept in the audit record only. */
  readonly note: string;
  /** Changes nothing. */
  readonly validateOnly: boolean;
}

/** Stops all keys of an owner. @throws Fault OWNER_NOT_FOUND, ETAG_MISMATCH */
export function suspendOwner(
  mutate: Mutate,
  request: SuspendOwnerRequest,
): Promise<Mutated<{ readonly owner: OwnerRecord; readonly keys: KeyCounts }>> {
  const { keyspaceId, id, reason, note, validateOnly } = request;
  return mutate('SuspendOwner', request, async (tx, nowMs) => {
    const before = await lockOwner(tx, request);
    const keys = await tx.owners.countKeys(keyspaceId, id, nowMs);
    if (validateOnly || before.suspendTimeMs !== null)
      return { answer: { owner: before, keys }, awaited: !validateOnly };
    const owner = changedOwner(before, { suspendTimeMs: nowMs, suspendReason: reason }, nowMs);
    await tx.owners.update(owner);
    return {
      answer: { owner, keys },
      audit: { action: 'owner.suspend', keyspaceId, targetId: id, details: { reason, note, keys } },
      changes: [{ kind: 'owner', keyspaceId, id }],
      awaited: true,
    };
  });
}

/** Lets the keys of an owner pass again. @throws Fault OWNER_NOT_FOUND, ETAG_MISMATCH */
export function resumeOwner(mutate: Mutate, request: OwnerTarget): OwnerAnswer {
  const { keyspaceId, id } = request;
  return mutate('ResumeOwner', request, async (tx, nowMs) => {
    const before = await lockOwner(tx, request);
    if (before.suspendTimeMs === null) return { answer: { owner: before } };
    const owner = changedOwner(before, { suspendTimeMs: null, suspendReason: '' }, nowMs);
    await tx.owners.update(owner);
    return {
      answer: { owner },
      audit: { action: 'owner.resume', keyspaceId, targetId: id, details: {} },
      changes: [{ kind: 'owner', keyspaceId, id }],
    };
  });
}

/** What becomes of the keys of an owner that is deleted. */
export type KeysFate = 'REVOKE' | 'DETACH';

export interface DeleteOwnerRequest extends OwnerTarget {
  /** Undefined: it must have none. */
  readonly keysFate: KeysFate | undefined;
  /** Changes nothing. */
  readonly validateOnly: boolean;
}

/**
 * Deletes an owner; its keys are revoked or let go, if the request says so.
 * @throws Fault OWNER_NOT_FOUND, OWNER_IN_USE, TOO_MANY_KEYS, ETAG_MISMATCH, CALLER_SCOPE_MISSING
 */
export function deleteOwner(
  mutate: Mutate,
  request: DeleteOwnerRequest,
): Promise<Mutated<{ readonly keys: KeyCounts; readonly sampleIds: readonly string[] }>> {
  const { caller, keyspaceId, id, keysFate, validateOnly } = request;
  if (keysFate === 'REVOKE') requireScope(caller, ['keys:revoke']);
  return mutate('DeleteOwner', request, async (tx, nowMs) => {
    const { limits } = await lockOwner(tx, request);
    const keys = await tx.owners.countKeys(keyspaceId, id, nowMs);
    const count = Object.values(keys).reduce((sum, one) => sum + one, 0);
    const answer = { keys, sampleIds: await tx.keys.idsOf({ keyspaceId, ownerId: id }, SAMPLE_MAX) };
    if (validateOnly) return { answer };
    if (count > 0 && keysFate === undefined) {
      throw new Fault(
        'OWNER_IN_USE',
        `the owner still has ${count} ${count === 1 ? 'key' : 'keys'}; say what becomes of them in keys_fate`,
        { metadata: { keyspace_id: keyspaceId, keys: String(count) } },
      );
    }
    const changes: Change[] = [{ kind: 'owner', keyspaceId, id }];
    if (keysFate === 'REVOKE') {
      const revoked = await revokeKeys(tx, {
        choice: { keyspaceId, ownerId: id },
        actor: caller.keyId,
        reason: 'owner-deleted',
        note: '',
        nowMs,
      });
      for (const keyId of revoked) changes.push({ kind: 'key', id: keyId });
    } else if (count > 0) {
      for (const keyId of await tx.keys.detachOwner(keyspaceId, id, nowMs))
        changes.push({ kind: 'key', id: keyId });
    }
    const subject = ownerSubject(keyspaceId, id);
    await tx.ledger.deleteOf(subject);
    // Another owner of this id shall not get what replicas hold of this one's.
    for (const limit of limits) changes.push({ kind: 'limit', id: ledgerId(subject, limit) });
    await tx.owners.delete(keyspaceId, id);
    return {
      answer,
      audit: {
        action: 'owner.delete',
        keyspaceId,
        targetId: id,
        details: { keysFate: keysFate ?? null, keys },
      },
      changes,
      awaited: true,
    };
  });
}

/** Root keys are not counted. @throws Fault INVALID_FIELD */
function requireRootOwnerRules(keyspaceId: string, { limits = [] }: Partial<OwnerAttributes>): void {
  if (keyspaceId !== ROOT_KEYSPACE_ID || limits.length === 0) return;
  throw invalidFields([{ field: 'owner.limits', description: 'an owner of root keys cannot have any' }]);
}

/** What was asked for is not told back: a token in its place would be told with it. */
function ownerNotFound(): Fault {
  return new Fault('OWNER_NOT_FOUND', 'there is no owner of this id in this keyspace');
}

/**
 * Reads an owner for a change and locks it until the transaction ends.
 * @throws Fault OWNER_NOT_FOUND, ETAG_MISMATCH
 */
export async function lockOwner(
  tx: Repositories,
  { caller, keyspaceId, id, etag }: Pick<OwnerTarget, 'caller' | 'keyspaceId' | 'id' | 'etag'>,
): Promise<OwnerRecord> {
  const owner = caller.reaches(keyspaceId) ? await tx.owners.get(keyspaceId, id, 'update') : undefined;
  if (owner === undefined) throw ownerNotFound();
  requireEtag(owner, etag);
  return owner;
}

/** The next version of an owner. */
export function changedOwner(owner: OwnerRecord, change: Partial<OwnerRecord>, nowMs: number): OwnerRecord {
  return { ...owner, ...change, updateTimeMs: nowMs, version: owner.version + 1 };
}
