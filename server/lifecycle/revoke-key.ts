import type { KeyRecord } from '../../core/key.ts';
import { changed, lockKey, type Etag } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';

export interface RevokeKeyRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
  /** A word to count by. */
  readonly reason: string;
  /** For people; kept in the audit record only. */
  readonly note: string;
}

/** Ends a key for good. A deleted key too: it could be undeleted. @throws Fault KEY_NOT_FOUND, ETAG_MISMATCH */
export function revokeKey(
  mutate: Mutate,
  request: RevokeKeyRequest,
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, id, etag, reason, note } = request;
  return mutate('RevokeKey', request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    if (before.switch === 'REVOKED') return { answer: { key: before }, awaited: true };
    const key = changed(before, { switch: 'REVOKED', revokeTimeMs: nowMs, revokeReason: reason }, nowMs);
    await tx.keys.update(key);
    return {
      answer: { key },
      audit: { action: 'key.revoke', keyspaceId: key.keyspaceId, targetId: id, details: { reason, note } },
      changes: [{ kind: 'key', id }],
      awaited: true,
    };
  });
}
