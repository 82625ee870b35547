import type { KeyAttributes, KeyRecord } from '../../core/key.ts';
import { difference } from '../audit/audit-event.ts';
import {
  allowedExpiry,
  changed,
  ensureOwners,
  keyspaceNotFound,
  lockKey,
  requireAlive,
  requireReferences,
  requireRootKeyRules,
  type Etag,
} from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';

export interface UpdateKeyRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
  /** The new values of the fields to change; a list or map is replaced whole. */
  readonly change: Partial<KeyAttributes>;
}

/** Changes what an operator may set of a key. @throws Fault KEY_NOT_FOUND, KEY_REVOKED, KEY_DELETED, ETAG_MISMATCH, POLICY_NOT_FOUND, INVALID_FIELD */
export function updateKey(
  mutate: Mutate,
  request: UpdateKeyRequest,
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, id, etag, change } = request;
  return mutate('UpdateKey', request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    requireAlive(before);
    requireRootKeyRules(before.keyspaceId, change);
    const keyspace = await tx.keyspaces.get(before.keyspaceId);
    if (keyspace === undefined) throw keyspaceNotFound(before.keyspaceId);
    if (change.expireTimeMs !== undefined)
      allowedExpiry(keyspace, change.expireTimeMs, nowMs, 'key.expire_time');
    await requireReferences(tx, keyspace, { ...before, ...change }, before);
    if (change.ownerId !== undefined) await ensureOwners(tx, keyspace.id, [change.ownerId], nowMs);
    const details = difference<KeyRecord>(
      before,
      { ...before, ...change },
      Object.keys(change) as (keyof KeyAttributes)[],
    );
    if (Object.keys(details).length === 0) return { answer: { key: before }, awaited: true };

    const key = changed(before, change, nowMs);
    await tx.keys.update(key);
    return {
      answer: { key },
      audit: { action: 'key.update', keyspaceId: key.keyspaceId, targetId: id, details },
      changes: [{ kind: 'key', id }],
      awaited: true,
    };
  });
}
