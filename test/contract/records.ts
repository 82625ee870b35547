import { newId } from '../../core/ids.ts';
import type { KeyRecord, KeyspaceRecord, SecretRecord } from '../../core/key.ts';
import { digestToken, newToken, secretHint } from '../../core/token.ts';
import type { KeyFilter } from '../../server/lifecycle/ports.ts';

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
    createTimeMs: CREATED_MS,
    expireTimeMs: null,
    ...change,
  };
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
    metadata: {},
    tags: [],
    expireTimeMs: null,
    createTimeMs: CREATED_MS,
    updateTimeMs: CREATED_MS,
    revokeTimeMs: null,
    revokeReason: '',
    deleteTimeMs: null,
    purgeTimeMs: null,
    secrets: [newSecret(id)],
    version: 1,
    createdBy: 'system',
    ...change,
  };
}

/** A filter that lets every key of a keyspace pass. */
export function everyKeyOf(keyspaceId: string): KeyFilter {
  return {
    keyspaceIds: [keyspaceId],
    exceptKeyspaceIds: [],
    states: [],
    accessType: undefined,
    resource: undefined,
    ownerId: undefined,
    tag: undefined,
    scope: undefined,
    search: undefined,
    expiresBeforeMs: undefined,
    createdAfterMs: undefined,
    showDeleted: true,
  };
}
