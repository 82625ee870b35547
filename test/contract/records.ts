import { newId } from '../../core/ids.ts';
import type { KeyRecord, KeyspaceRecord, SecretRecord } from '../../core/key.ts';
import type { OwnerRecord } from '../../core/owner.ts';
import type { PolicyRecord } from '../../core/policy.ts';
import { NO_RESTRICTIONS } from '../../core/rules.ts';
import { digestToken, newToken, secretHint } from '../../core/token.ts';
import { EVERY_KEY, type KeyFilter } from '../../server/lifecycle/ports.ts';

/** When the records of these tests are made, ms since 1970. */
export const CREATED_MS = Date.UTC(2026, 4, 17, 8, 30, 0, 123);

/** A keyspace that is not stored yet. */
export function newKeyspace(change: Partial<KeyspaceRecord> = {}): KeyspaceRecord {
  const id = newId('keyspace');
  return {
    id,
    slug: `slug-${id.slice(3).toLowerCase()}`,
    tokenPrefix: 'acme',
    displayName: 'A keyspace',
    defaultTtlMs: null,
    maxTtlMs: null,
    requireExpiry: false,
    apis: [],
    createTimeMs: CREATED_MS,
    updateTimeMs: CREATED_MS,
    version: 1,
    ...change,
  };
}

/** A secret of a new token. */
export function newSecret(keyId: string, change: Partial<SecretRecord> = {}): SecretRecord {
  const token = newToken('acme', keyId);
  return {
    id: newId('secret'),
    digestHex: digestToken(token).toString('hex'),
    hint: secretHint(token),
    imported: false,
    createTimeMs: CREATED_MS,
    expireTimeMs: null,
    lastUsedTimeMs: null,
    ...change,
  };
}

/** A policy that is not stored yet. */
export function newPolicy(keyspaceId: string, change: Partial<PolicyRecord> = {}): PolicyRecord {
  const id = newId('policy');
  return {
    id,
    keyspaceId,
    displayName: `Policy ${id}`,
    scopes: [],
    resourceAccess: null,
    restrictions: NO_RESTRICTIONS,
    limits: [],
    metadata: {},
    tags: [],
    createTimeMs: CREATED_MS,
    updateTimeMs: CREATED_MS,
    version: 1,
    ...change,
  };
}

/** An owner that is not stored yet. */
export function newOwner(keyspaceId: string, id: string, change: Partial<OwnerRecord> = {}): OwnerRecord {
  return {
    keyspaceId,
    id,
    displayName: '',
    metadata: {},
    suspendTimeMs: null,
    limits: [],
    suspendReason: '',
    limitOverrides: [],
    createTimeMs: CREATED_MS,
    updateTimeMs: CREATED_MS,
    version: 1,
    ...change,
  };
}

/** A key with one imported secret that is not stored yet. */
export function newImportedKey(
  keyspaceId: string,
  digestHex: string,
  change: Partial<KeyRecord> = {},
): KeyRecord {
  const id = newId('key');
  return newKey(keyspaceId, {
    id,
    secrets: [newSecret(id, { digestHex, hint: '', imported: true })],
    ...change,
  });
}

/** A plain active key that is not stored yet. */
export function newKey(keyspaceId: string, change: Partial<KeyRecord> = {}): KeyRecord {
  const id = change.id ?? newId('key');
  return {
    id,
    keyspaceId,
    tokenPrefix: 'acme',
    displayName: 'A key',
    switch: 'ACTIVE',
    ownerId: '',
    scopes: [],
    resourceAccess: { type: 'ALL' },
    restrictions: NO_RESTRICTIONS,
    limits: [],
    policyIds: [],
    limitOverrides: [],
    metadata: {},
    tags: [],
    expireTimeMs: null,
    createTimeMs: CREATED_MS,
    updateTimeMs: CREATED_MS,
    revokeTimeMs: null,
    revokeReason: '',
    deleteTimeMs: null,
    purgeTimeMs: null,
    lastUsedTimeMs: null,
    secrets: [newSecret(id)],
    version: 1,
    createdBy: 'system',
    ...change,
  };
}

/** A filter that lets every key of a keyspace pass. */
export function everyKeyOf(keyspaceId: string): KeyFilter {
  return { ...EVERY_KEY, keyspaceIds: [keyspaceId], exceptKeyspaceIds: [], showDeleted: true };
}
