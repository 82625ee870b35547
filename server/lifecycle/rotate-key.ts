import { Fault } from '../../core/fault.ts';
import { newId } from '../../core/ids.ts';
import { isSecretLive, type KeyRecord, type SecretRecord } from '../../core/key.ts';
import { digestToken, newToken, secretHint } from '../../core/token.ts';
import { changed, keyspaceNotFound, lockKey, requireAlive, type Etag } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import type { Repositories } from './ports.ts';

/** Names the key of a rotation. */
export interface RotationTarget extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
}

export interface RotateKeyRequest extends RotationTarget {
  /** How long the old secret goes on passing, ms; 0: it ends now. */
  readonly overlapMs: number;
}

export interface RotatedKey {
  readonly key: KeyRecord;
  /** Shown once. */
  readonly token: string;
}

/** Retired secrets that are kept, so that their tokens are SECRET_RETIRED instead of NOT_FOUND. */
const RETIRED_MAX = 5;

/**
 * Gives a key a new secret. Exactly one secret of a key has no end of its own: the newest.
 * @throws Fault KEY_NOT_FOUND, KEY_REVOKED, KEY_DELETED, ROTATION_UNDER_WAY, ETAG_MISMATCH
 */
export function rotateKey(mutate: Mutate, request: RotateKeyRequest): Promise<Mutated<RotatedKey>> {
  const { caller, id, etag, overlapMs } = request;
  return mutate<RotatedKey>('RotateKey', request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    requireAlive(before);
    const keyspace = await tx.keyspaces.get(before.keyspaceId);
    if (keyspace === undefined) throw keyspaceNotFound(before.keyspaceId);
    const passing = before.secrets.filter((secret) => isSecretLive(secret, nowMs));
    if (passing.length > 1 && overlapMs > 0) {
      throw new Fault(
        'ROTATION_UNDER_WAY',
        `the key ${id} is being rotated; complete or cancel that first, or rotate without an overlap`,
        { metadata: { id } },
      );
    }

    const { tokenPrefix } = keyspace;
    const token = newToken(tokenPrefix, id);
    const newest: SecretRecord = {
      id: newId('secret'),
      digestHex: digestToken(token).toString('hex'),
      hint: secretHint(token),
      imported: false,
      createTimeMs: newestTimeMs(before, nowMs),
      expireTimeMs: null,
      lastUsedTimeMs: null,
    };
    const retireTimeMs = Math.min(nowMs + overlapMs, before.expireTimeMs ?? Infinity);
    const key = await writeSecrets(tx, before, { tokenPrefix }, nowMs, [
      newest,
      ...before.secrets.map((secret) => (isSecretLive(secret, nowMs) ? ends(secret, retireTimeMs) : secret)),
    ]);
    return {
      answer: { key, token },
      audit: {
        action: 'key.rotate',
        keyspaceId: key.keyspaceId,
        targetId: id,
        details: { hint: newest.hint, retired: passing.map(({ hint }) => hint), retireTimeMs },
      },
      changes: [{ kind: 'key', id }],
      // With an overlap nothing ends yet, but the new token shall pass everywhere once it is shown.
      awaited: true,
    };
  });
}

/** Ends the old secret of a rotation now. @throws Fault KEY_NOT_FOUND, KEY_REVOKED, KEY_DELETED, ETAG_MISMATCH */
export function completeRotation(
  mutate: Mutate,
  request: RotationTarget,
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, id, etag } = request;
  return mutate('CompleteRotation', request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    requireAlive(before);
    const old = before.secrets.filter(
      (secret) => secret.expireTimeMs !== null && isSecretLive(secret, nowMs),
    );
    if (old.length === 0) return { answer: { key: before }, awaited: true };
    const secrets = before.secrets.map((secret) => (old.includes(secret) ? ends(secret, nowMs) : secret));
    const key = await writeSecrets(tx, before, {}, nowMs, secrets);
    return {
      answer: { key },
      audit: {
        action: 'key.complete-rotation',
        keyspaceId: key.keyspaceId,
        targetId: id,
        details: { retired: old.map(({ hint }) => hint) },
      },
      changes: [{ kind: 'key', id }],
      awaited: true,
    };
  });
}

/**
 * Ends the new secret of a rotation now; the old one goes on as if nothing had been.
 * @throws Fault KEY_NOT_FOUND, KEY_REVOKED, KEY_DELETED, NO_ROTATION, ETAG_MISMATCH
 */
export function cancelRotation(
  mutate: Mutate,
  request: RotationTarget,
): Promise<Mutated<{ readonly key: KeyRecord }>> {
  const { caller, id, etag } = request;
  return mutate('CancelRotation', request, async (tx, nowMs) => {
    const before = await lockKey(tx, caller, id, etag);
    requireAlive(before);
    const old = before.secrets.find((secret) => secret.expireTimeMs !== null && isSecretLive(secret, nowMs));
    const newest = before.secrets.find(({ expireTimeMs }) => expireTimeMs === null);
    if (old === undefined || newest === undefined) {
      throw new Fault(
        'NO_ROTATION',
        `the key ${id} is not being rotated: there is no old secret that still passes`,
        { metadata: { id } },
      );
    }
    const secrets = before.secrets.map((secret) => {
      if (secret === newest) return ends(secret, nowMs);
      return secret === old ? { ...secret, expireTimeMs: null } : secret;
    });
    const key = await writeSecrets(tx, before, {}, nowMs, secrets);
    return {
      answer: { key },
      audit: {
        action: 'key.cancel-rotation',
        keyspaceId: key.keyspaceId,
        targetId: id,
        details: { retired: [newest.hint] },
      },
      changes: [{ kind: 'key', id }],
      awaited: true,
    };
  });
}

/** Secrets are told apart by their time: a new one is the newest, also within one millisecond, or if the clock was set back. */
function newestTimeMs({ secrets }: KeyRecord, nowMs: number): number {
  return Math.max(nowMs, ...secrets.map(({ createTimeMs }) => createTimeMs + 1));
}

function ends(secret: SecretRecord, expireTimeMs: number): SecretRecord {
  return { ...secret, expireTimeMs };
}

/** The next version of a key, with these secrets; of those that are over, the newest few are kept. */
async function writeSecrets(
  tx: Repositories,
  before: KeyRecord,
  change: Partial<KeyRecord>,
  nowMs: number,
  secrets: readonly SecretRecord[],
): Promise<KeyRecord> {
  const passing = secrets.filter((secret) => isSecretLive(secret, nowMs));
  const over = secrets.filter((secret) => !isSecretLive(secret, nowMs)).slice(0, RETIRED_MAX);
  const kept = [...passing, ...over].toSorted((one, other) => other.createTimeMs - one.createTimeMs);
  const key = changed(before, { ...change, secrets: kept }, nowMs);
  await tx.keys.update(key);
  await tx.keys.replaceSecrets(key);
  return key;
}
