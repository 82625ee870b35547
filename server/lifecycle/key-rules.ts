import { Fault, invalidFields } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID, type KeyAttributes, type KeyRecord, type KeyspaceRecord } from '../../core/key.ts';
import { CALLER_SCOPES } from '../callers/access.ts';
import type { Caller } from '../callers/caller.ts';
import type { Repositories } from './ports.ts';

/** The version that the caller saw, as a text; empty: any. */
export type Etag = string;

/** The text that stands for a version in the contract. */
export function formatEtag(version: number): Etag {
  return String(version);
}

/** @throws Fault ETAG_MISMATCH */
export function requireEtag(record: { readonly version: number }, etag: Etag): void {
  const current = formatEtag(record.version);
  if (etag === '' || etag === current) return;
  throw new Fault('ETAG_MISMATCH', `etag: it was changed meanwhile; read it again (etag is now ${current})`, {
    metadata: { etag: current },
  });
}

/** A key that the caller does not reach is as unknown as one that does not exist. */
export function keyNotFound(id: string): Fault {
  return new Fault('KEY_NOT_FOUND', `there is no key ${id}`, { metadata: { id } });
}

export function keyspaceNotFound(id: string): Fault {
  return new Fault('KEYSPACE_NOT_FOUND', `there is no keyspace ${id}`, { metadata: { keyspace_id: id } });
}

/**
 * Reads a key for a change and locks it until the transaction ends.
 * @throws Fault KEY_NOT_FOUND, ETAG_MISMATCH
 */
export async function lockKey(tx: Repositories, caller: Caller, id: string, etag: Etag): Promise<KeyRecord> {
  const key = await tx.keys.get(id, 'update');
  if (key === undefined || !caller.reaches(key.keyspaceId)) throw keyNotFound(id);
  requireEtag(key, etag);
  return key;
}

/** @throws Fault KEY_DELETED, KEY_REVOKED */
export function requireAlive(key: KeyRecord): void {
  if (key.deleteTimeMs !== null) {
    throw new Fault('KEY_DELETED', `the key ${key.id} is deleted; undelete it first`, {
      metadata: { id: key.id },
    });
  }
  if (key.switch === 'REVOKED') {
    throw new Fault('KEY_REVOKED', `the key ${key.id} is revoked, which is for good; create a new one`, {
      metadata: { id: key.id },
    });
  }
}

/** The next version of a key. */
export function changed(key: KeyRecord, change: Partial<KeyRecord>, nowMs: number): KeyRecord {
  return { ...key, ...change, updateTimeMs: nowMs, version: key.version + 1 };
}

/**
 * The expiry that a keyspace allows a key.
 *
 * @param wanted when the key shall expire, ms since 1970; null: never; undefined: as the keyspace says
 * @param field the field of the request that says so, for the error
 * @throws Fault INVALID_FIELD
 */
export function allowedExpiry(
  keyspace: KeyspaceRecord,
  wanted: number | null | undefined,
  nowMs: number,
  field: string,
): number | null {
  const fail = (description: string): Fault => invalidFields([{ field, description }]);
  const { defaultTtlMs, maxTtlMs, requireExpiry } = keyspace;
  if (wanted === undefined && defaultTtlMs !== null) return nowMs + defaultTtlMs;
  if (wanted === undefined || wanted === null) {
    if (requireExpiry || maxTtlMs !== null)
      throw fail('keys of this keyspace must expire; give a time or a ttl');
    return null;
  }
  if (wanted <= nowMs) throw fail('must be in the future');
  if (maxTtlMs !== null && wanted > nowMs + maxTtlMs) {
    throw fail(`keys of this keyspace live at most ${maxTtlMs / 1000} s from now`);
  }
  return wanted;
}

/**
 * Root keys are ordinary keys with scopes of Latchkey's own; a wrong one would grant nothing, silently.
 * @throws Fault INVALID_FIELD
 */
export function requireRootKeyRules(keyspaceId: string, { scopes }: Pick<KeyAttributes, 'scopes'>): void {
  if (keyspaceId !== ROOT_KEYSPACE_ID) return;
  const known: readonly string[] = CALLER_SCOPES;
  const violations = scopes.flatMap((scope, index) =>
    known.includes(scope)
      ? []
      : [{ field: `key.scopes[${index}]`, description: `a root key's scope is one of ${known.join(', ')}` }],
  );
  if (violations.length > 0) throw invalidFields(violations);
}
