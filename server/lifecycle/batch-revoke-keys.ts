import { Fault } from '../../core/fault.ts';
import { newAuditEvent } from '../audit/audit-event.ts';
import { requireReach } from '../callers/caller.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import type { KeyChoice, Repositories } from './ports.ts';

/** The most keys that one transaction changes. */
const KEYS_MAX = 100_000;

/** How many of the keys that are hit are named. */
export const SAMPLE_MAX = 100;

export interface BatchRevokeKeysRequest extends MutationRequest {
  readonly choice: KeyChoice;
  /** A word to count by. */
  readonly reason: string;
  /** For people; kept in the audit records only. */
  readonly note: string;
  /** Changes nothing. */
  readonly validateOnly: boolean;
}

export interface BatchRevoked {
  /** How many keys were revoked, or would be. */
  readonly count: number;
  readonly sampleIds: readonly string[];
}

/** Ends all keys of a choice for good, in one transaction. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, TOO_MANY_KEYS */
export function batchRevokeKeys(
  mutate: Mutate,
  request: BatchRevokeKeysRequest,
): Promise<Mutated<BatchRevoked>> {
  const { caller, choice, reason, note, validateOnly } = request;
  const { keyspaceId } = choice;
  requireReach(caller, keyspaceId);
  return mutate<BatchRevoked>('BatchRevokeKeys', request, async (tx, nowMs) => {
    const ids = validateOnly
      ? await revocableIds(tx, choice)
      : await revokeKeys(tx, { choice, actor: caller.keyId, reason, note, nowMs });
    const answer = { count: ids.length, sampleIds: ids.slice(0, SAMPLE_MAX) };
    if (validateOnly || ids.length === 0) return { answer, awaited: !validateOnly };
    const { ownerId, policyId, tag, createdBeforeMs } = choice;
    const details = { reason, note, ownerId, policyId, tag, createdBeforeMs, count: ids.length };
    return {
      answer,
      audit: { action: 'key.batch-revoke', keyspaceId, targetId: keyspaceId, details },
      changes: ids.map((id) => ({ kind: 'key', id })),
      awaited: true,
    };
  });
}

/**
 * Revokes the keys of a choice that are not revoked yet, with an audit record for each.
 * @returns their ids
 * @throws Fault TOO_MANY_KEYS
 */
export async function revokeKeys(
  tx: Repositories,
  options: {
    readonly choice: KeyChoice;
    readonly actor: string;
    readonly reason: string;
    readonly note: string;
    readonly nowMs: number;
  },
): Promise<readonly string[]> {
  const { choice, actor, reason, note, nowMs } = options;
  const ids = await revocableIds(tx, choice);
  await tx.keys.revokeMany(ids, { timeMs: nowMs, reason });
  await tx.audit.appendAll(
    ids.map((targetId) =>
      newAuditEvent({
        timeMs: nowMs,
        actor,
        action: 'key.revoke',
        keyspaceId: choice.keyspaceId,
        targetId,
        details: { reason, note },
      }),
    ),
  );
  return ids;
}

/** Locked until the transaction ends. */
async function revocableIds(tx: Repositories, choice: KeyChoice): Promise<readonly string[]> {
  const ids = await tx.keys.idsOf({ ...choice, revocableOnly: true }, KEYS_MAX + 1, 'update');
  if (ids.length <= KEYS_MAX) return ids;
  throw new Fault(
    'TOO_MANY_KEYS',
    `more than ${KEYS_MAX.toLocaleString('en')} keys match; narrow the choice, by created_before for one`,
    { metadata: { max: String(KEYS_MAX) } },
  );
}
