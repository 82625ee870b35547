import { newId } from '../../../core/ids.ts';
import type { KeyRecord, SecretRecord } from '../../../core/key.ts';
import { NO_RESTRICTIONS } from '../../../core/rules.ts';
import { digestToken, newToken, secretHint } from '../../../core/token.ts';

/** The keyspace that keys of these tests belong to, if nothing else is said. */
export const KEYSPACE_ID = 'ks_0000000000000000';

/** The instant at which keys of these tests are made: 2025-01-01, ms since 1970. */
export const CREATE_TIME_MS = Date.UTC(2025, 0, 1);

/** What is stored of a token. */
export function secretOf(token: string, expireTimeMs: number | null = null): SecretRecord {
  return {
    id: newId('secret'),
    digestHex: digestToken(token).toString('hex'),
    hint: secretHint(token),
    imported: false,
    createTimeMs: CREATE_TIME_MS,
    expireTimeMs,
    lastUsedTimeMs: null,
  };
}

/** A plain active key with one secret, changed as the test wants it, and the token of that secret. */
export function issueKey(change: Partial<KeyRecord> = {}): {
  readonly key: KeyRecord;
  readonly token: string;
} {
  const id = change.id ?? newId('key');
  const tokenPrefix = change.tokenPrefix ?? 'acme';
  const token = newToken(tokenPrefix, id);
  const key: KeyRecord = {
    id,
    keyspaceId: KEYSPACE_ID,
    tokenPrefix,
    displayName: '',
    ownerId: '',
    scopes: [],
    resourceAccess: { type: 'ALL' },
    restrictions: NO_RESTRICTIONS,
    limits: [],
    limitOverrides: [],
    policyIds: [],
    metadata: {},
    tags: [],
    expireTimeMs: null,
    switch: 'ACTIVE',
    createTimeMs: CREATE_TIME_MS,
    updateTimeMs: CREATE_TIME_MS,
    revokeTimeMs: null,
    revokeReason: '',
    deleteTimeMs: null,
    purgeTimeMs: null,
    lastUsedTimeMs: null,
    secrets: [secretOf(token)],
    version: 1,
    createdBy: 'system',
    ...change,
  };
  return { key, token };
}
