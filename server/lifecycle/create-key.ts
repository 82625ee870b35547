import { newId } from '../../core/ids.ts';
import type { KeyAttributes, KeyRecord, KeyspaceRecord, SecretRecord } from '../../core/key.ts';
import { digestToken, newToken, secretHint } from '../../core/token.ts';
import { requireReach } from '../callers/caller.ts';
import {
  allowedExpiry,
  ensureOwners,
  keyspaceNotFound,
  requireReferences,
  requireRootKeyRules,
} from './key-rules.ts';
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

/** Makes a key. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, KEYSPACE_NOT_FOUND, POLICY_NOT_FOUND, INVALID_FIELD */
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
    await requireReferences(tx, keyspace, attributes);
    await ensureOwners(tx, keyspaceId, [attributes.ownerId], nowMs);

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
      changes: [{ kind: 'key', id: created.key.id }],
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

interface NewKey {
  readonly keyspace: Pick<KeyspaceRecord, 'id' | 'tokenPrefix'>;
  readonly attributes: KeyAttributes;
  readonly createdBy: string;
  readonly nowMs: number;
  readonly id: string;
}

/** The record of a key for a token that exists already. */
export function keyWithToken({ token, ...key }: NewKey & { readonly token: string }): KeyRecord {
  const digestHex = digestToken(token).toString('hex');
  return newKey({ ...key, secret: { digestHex, hint: secretHint(token), imported: false } });
}

/** The record of a key for a digest. */
export function newKey(
  options: NewKey & { readonly secret: Pick<SecretRecord, 'digestHex' | 'hint' | 'imported'> },
): KeyRecord {
  const { keyspace, attributes, createdBy, nowMs, id, secret } = options;
  return {
    ...attributes,
    id,
    keyspaceId: keyspace.id,
    tokenPrefix: keyspace.tokenPrefix,
    switch: 'ACTIVE',
    limitOverrides: [],
    createTimeMs: nowMs,
    updateTimeMs: nowMs,
    revokeTimeMs: null,
    revokeReason: '',
    deleteTimeMs: null,
    purgeTimeMs: null,
    lastUsedTimeMs: null,
    secrets: [
      { ...secret, id: newId('secret'), createTimeMs: nowMs, expireTimeMs: null, lastUsedTimeMs: null },
    ],
    version: 1,
    createdBy,
  };
}
