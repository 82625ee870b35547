import { newId } from '../../core/ids.ts';
import { type KeyAttributes, type KeyRecord, type KeyspaceRecord } from '../../core/key.ts';
import { digestToken, newToken, secretHint } from '../../core/token.ts';
import { requireReach } from '../callers/caller.ts';
import { allowedExpiry, keyspaceNotFound, requireRootKeyRules } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';

export interface CreateKeyRequest extends MutationRequest {
  readonly keyspaceId: string;
  readonly attributes: Omit<KeyAttributes, 'expireTimeMs'>;
  /** When it shall expire, ms since 1970; undefined: see `ttlMs`. */
  readonly expireTimeMs: number | undefined;
  /** How long it shall live, ms; undefined: as the keyspace says. */
  readonly ttlMs: number | undefined;
}

export interface CreatedKey {
  readonly key: KeyRecord;
  /** Shown once. */
  readonly token: string;
}

/** Makes a key. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, KEYSPACE_NOT_FOUND, INVALID_FIELD */
export function createKey(mutate: Mutate, request: CreateKeyRequest): Promise<Mutated<CreatedKey>> {
  const { caller, keyspaceId, attributes } = request;
  requireReach(caller, keyspaceId);
  requireRootKeyRules(keyspaceId, attributes);

  return mutate('CreateKey', request, async (tx, nowMs) => {
    const keyspace = await tx.keyspaces.get(keyspaceId);
    if (keyspace === undefined) throw keyspaceNotFound(keyspaceId);
    const wanted = request.ttlMs === undefined ? request.expireTimeMs : nowMs + request.ttlMs;
    const expireTimeMs = allowedExpiry(
      keyspace,
      wanted,
      nowMs,
      request.ttlMs === undefined ? 'key.expire_time' : 'ttl',
    );

    const created = makeKey({
      keyspace,
      attributes: { ...attributes, expireTimeMs },
      createdBy: caller.keyId,
      nowMs,
    });
    await tx.keys.insert(created.key);
    return {
      answer: created,
      audit: {
        action: 'key.create',
        keyspaceId,
        targetId: created.key.id,
        details: { ...created.key, secrets: undefined },
      },
      changes: [{ kind: 'key', keyId: created.key.id }],
    };
  });
}

/** A new key with a new secret, not yet stored. */
function makeKey(options: {
  readonly keyspace: Pick<KeyspaceRecord, 'id' | 'tokenPrefix'>;
  readonly attributes: KeyAttributes;
  readonly createdBy: string;
  readonly nowMs: number;
}): CreatedKey {
  const { keyspace, attributes, createdBy, nowMs } = options;
  const id = newId('key');
  const token = newToken(keyspace.tokenPrefix, id);
  return { token, key: keyWithToken({ keyspace, attributes, createdBy, nowMs, id, token }) };
}

/** The record of a key for a token that exists already. */
export function keyWithToken(options: {
  readonly keyspace: Pick<KeyspaceRecord, 'id' | 'tokenPrefix'>;
  readonly attributes: KeyAttributes;
  readonly createdBy: string;
  readonly nowMs: number;
  readonly id: string;
  readonly token: string;
}): KeyRecord {
  const { keyspace, attributes, createdBy, nowMs, id, token } = options;
  return {
    ...attributes,
    id,
    keyspaceId: keyspace.id,
    tokenPrefix: keyspace.tokenPrefix,
    switch: 'ACTIVE',
    createTimeMs: nowMs,
    updateTimeMs: nowMs,
    revokeTimeMs: null,
    revokeReason: '',
    deleteTimeMs: null,
    purgeTimeMs: null,
    secrets: [
      {
        id: newId('secret'),
        digestHex: digestToken(token).toString('hex'),
        hint: secretHint(token),
        createTimeMs: nowMs,
        expireTimeMs: null,
      },
    ],
    version: 1,
    createdBy,
  };
}
