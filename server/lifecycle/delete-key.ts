import type { KeyRecord } from '../../core/key.ts';
import { changed, ensureOwners, lockKey, type Etag } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';

/** How long a deleted key can be brought back, ms. */
export const PURGE_DELAY_MS = 30 * 24 * 60 * 60 * 1000;

export interface DeleteKeyRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
}

/** Deletes a key; for 30 days it can be undeleted. @throws Fault KEY_NOT_FOUND, ETAG_MISMATCH */
export function deleteKey(
  mutate: Mutate,
  request: DeleteKeyRequest,
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, id, etag } = request;
  return mutate('DeleteKey', request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    if (before.deleteTimeMs !== null) return { answer: { key: before }, awaited: true };
    const key = changed(before, { deleteTimeMs: nowMs, purgeTimeMs: nowMs + PURGE_DELAY_MS }, nowMs);
    await tx.keys.update(key);
    return {
      answer: { key },
      audit: { action: 'key.delete', keyspaceId: key.keyspaceId, targetId: id, details: {} },
      changes: [{ kind: 'key', id }],
      awaited: true,
    };
  });
}

/** Brings a deleted key back, in the state that it had. @throws Fault KEY_NOT_FOUND, ETAG_MISMATCH */
export function undeleteKey(
  mutate: Mutate,
  request: DeleteKeyRequest,
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, id, etag } = request;
  return mutate('UndeleteKey', request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    if (before.deleteTimeMs === null) return { answer: { key: before } };
    // It may have been deleted meanwhile.
    await ensureOwners(tx, before.keyspaceId, [before.ownerId], nowMs);
    const key = changed(before, { deleteTimeMs: null, purgeTimeMs: null }, nowMs);
    await tx.keys.update(key);
    return {
      answer: { key },
      audit: { action: 'key.undelete', keyspaceId: key.keyspaceId, targetId: id, details: {} },
      // The digest of an imported token may be known to belong to no key.
      changes: key.secrets.some(({ imported }) => imported)
        ? [{ kind: 'key', id }, { kind: 'imports' }]
        : [{ kind: 'key', id }],
    };
  });
}
