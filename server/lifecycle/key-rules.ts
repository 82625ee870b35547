import { Fault, invalidFields } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID, type KeyAttributes, type KeyRecord, type KeyspaceRecord } from '../../core/key.ts';
import type { OwnerRecord } from '../../core/owner.ts';
import { NO_RESTRICTIONS, type Restrictions } from '../../core/rules.ts';
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

export function policyNotFound(id: string): Fault {
  return new Fault('POLICY_NOT_FOUND', `there is no policy ${id}`, { metadata: { id } });
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
export function requireRootKeyRules(keyspaceId: string, change: Partial<KeyAttributes>): void {
  if (keyspaceId !== ROOT_KEYSPACE_ID) return;
  const { scopes = [], restrictions = NO_RESTRICTIONS, policyIds = [], limits = [] } = change;
  const known: readonly string[] = CALLER_SCOPES;
  const violations = scopes.flatMap((scope, index) =>
    known.includes(scope)
      ? []
      : [{ field: `key.scopes[${index}]`, description: `a root key's scope is one of ${known.join(', ')}` }],
  );
  // Where a caller is and what it wants is not asked; a restriction could only lock it out.
  if (Object.values<readonly unknown[]>({ ...restrictions }).some((list) => list.length > 0))
    violations.push({ field: 'key.restrictions', description: 'a root key cannot have any' });
  if (policyIds.length > 0)
    violations.push({ field: 'key.policy_ids', description: 'a root key cannot have any' });
  if (limits.length > 0) violations.push({ field: 'key.limits', description: 'a root key cannot have any' });
  if (violations.length > 0) throw invalidFields(violations);
}

/**
 * Makes sure that what a key refers to is there, and stays there until the transaction ends.
 *
 * @param before the rules that the key had: what it refers to already need not be there any more
 * @throws Fault POLICY_NOT_FOUND, INVALID_FIELD for a block that is not in the catalogue
 */
export async function requireReferences(
  tx: Repositories,
  keyspace: KeyspaceRecord,
  { restrictions, policyIds }: Pick<KeyAttributes, 'restrictions' | 'policyIds'>,
  before: Pick<KeyAttributes, 'restrictions' | 'policyIds'> = {
    restrictions: NO_RESTRICTIONS,
    policyIds: [],
  },
): Promise<void> {
  requireGroups(keyspace, 'key.restrictions', restrictions, before.restrictions);
  const wanted = policyIds.filter((id) => !before.policyIds.includes(id));
  const found = await tx.policies.getMany(wanted, 'share');
  const missing = wanted.find(
    (id) => !found.some((policy) => policy.id === id && policy.keyspaceId === keyspace.id),
  );
  if (missing !== undefined) throw policyNotFound(missing);
}

/** @throws Fault INVALID_FIELD for a block that is not in the catalogue and was not chosen before */
export function requireGroups(
  { apis }: Pick<KeyspaceRecord, 'apis'>,
  field: string,
  { apiTargets }: Restrictions,
  before: Restrictions = NO_RESTRICTIONS,
): void {
  const wasChosen = (api: string, group: string): boolean =>
    before.apiTargets.some((target) => target.api === api && target.groups.includes(group));
  const violations = apiTargets.flatMap(({ api, groups }, index) =>
    groups.flatMap((group, at) =>
      wasChosen(api, group) ||
      apis.some(({ name, groups: blocks }) => name === api && blocks.some((block) => block.name === group))
        ? []
        : [
            {
              field: `${field}.api_targets[${index}].groups[${at}]`,
              description: "is not a block of this API in the keyspace's catalogue",
            },
          ],
    ),
  );
  if (violations.length > 0) throw invalidFields(violations.slice(0, 20));
}

/** Makes an owner that a key names for the first time, and keeps it from being deleted until the transaction ends. */
export async function ensureOwners(
  tx: Repositories,
  keyspaceId: string,
  ids: readonly string[],
  nowMs: number,
): Promise<void> {
  const owners = [...new Set(ids)].filter((id) => id !== '').map((id) => newOwner(keyspaceId, id, nowMs));
  await tx.owners.ensure(owners);
}

/** An owner of which nothing is known but its id. */
export function newOwner(keyspaceId: string, id: string, nowMs: number): OwnerRecord {
  return {
    keyspaceId,
    id,
    displayName: '',
    metadata: {},
    suspendTimeMs: null,
    limits: [],
    suspendReason: '',
    limitOverrides: [],
    createTimeMs: nowMs,
    updateTimeMs: nowMs,
    version: 1,
  };
}
