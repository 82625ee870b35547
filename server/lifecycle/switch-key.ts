import type { KeyRecord } from '../../core/key.ts';
import { changed, lockKey, requireAlive, type Etag } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';

export interface SwitchKeyRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
}

type SwitchKey = (mutate: Mutate, request: SwitchKeyRequest) => Promise<Mutated<{ readonly key: KeyRecord }>>;

/** Switches a disabled key on again. @throws Fault KEY_NOT_FOUND, KEY_REVOKED, KEY_DELETED, ETAG_MISMATCH */
export const enableKey: SwitchKey = (mutate, request) =>
  switchKey(mutate, request, 'EnableKey', 'ACTIVE', 'key.enable');

/** Switches a key off until it is enabled. @throws Fault KEY_NOT_FOUND, KEY_REVOKED, KEY_DELETED, ETAG_MISMATCH */
export const disableKey: SwitchKey = (mutate, request) =>
  switchKey(mutate, request, 'DisableKey', 'DISABLED', 'key.disable');

function switchKey(
  mutate: Mutate,
  request: SwitchKeyRequest,
  rpc: string,
  wanted: 'ACTIVE' | 'DISABLED',
  action: 'key.enable' | 'key.disable',
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, id, etag } = request;
  return mutate(rpc, request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    requireAlive(before);
    const awaited = wanted === 'DISABLED';
    if (before.switch === wanted) return { answer: { key: before }, awaited };
    const key = changed(before, { switch: wanted }, nowMs);
    await tx.keys.update(key);
    return {
      answer: { key },
      audit: { action, keyspaceId: key.keyspaceId, targetId: id, details: {} },
      changes: [{ kind: 'key', id }],
      awaited,
    };
  });
}
