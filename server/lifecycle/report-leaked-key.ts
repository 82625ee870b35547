import type { KeyRecord } from '../../core/key.ts';
import { changed, lockKey } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import { lookupToken } from './read-key.ts';

export interface ReportLeakedKeyRequest extends MutationRequest {
  /** What was found in the open. */
  readonly token: string;
  /** Where; kept in the audit record only. */
  readonly note: string;
}

/** Revokes the key of a token that was found in the open, whatever its state. @throws Fault KEY_NOT_FOUND */
export function reportLeakedKey(
  mutate: Mutate,
  request: ReportLeakedKeyRequest,
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, token, note } = request;
  return mutate('ReportLeakedKey', request, async (tx, nowMs) => {
    const { id } = await lookupToken(tx, caller, token);
    const before = await lockKey(tx, caller, id, '');
    const key =
      before.switch === 'REVOKED'
        ? before
        : changed(before, { switch: 'REVOKED', revokeTimeMs: nowMs, revokeReason: 'leaked' }, nowMs);
    if (key !== before) await tx.keys.update(key);
    return {
      answer: { key },
      // Also of a key that was revoked before: that it leaked is worth knowing.
      audit: { action: 'key.report-leaked', keyspaceId: key.keyspaceId, targetId: id, details: { note } },
      changes: [{ kind: 'key', id }],
      awaited: true,
    };
  });
}
