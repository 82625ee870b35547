import { Fault } from '../../core/fault.ts';
import { newId } from '../../core/ids.ts';
import { ROOT_KEYSPACE_ID, type KeyspaceRecord } from '../../core/key.ts';
import type { PolicyAttributes, PolicyRecord } from '../../core/policy.ts';
import { difference } from '../audit/audit-event.ts';
import { requireReach, type Caller } from '../callers/caller.ts';
import { keyspaceNotFound, policyNotFound, requireEtag, requireGroups, type Etag } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import type { Repositories } from './ports.ts';

export interface CreatePolicyRequest extends MutationRequest {
  readonly keyspaceId: string;
  readonly attributes: PolicyAttributes;
}

type PolicyAnswer = Promise<Mutated<{ readonly policy: PolicyRecord }>>;

/** Makes a policy. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, KEYSPACE_NOT_FOUND, POLICY_NAME_TAKEN, INVALID_FIELD */
export function createPolicy(mutate: Mutate, request: CreatePolicyRequest): PolicyAnswer {
  const { caller, keyspaceId, attributes } = request;
  requireReach(caller, keyspaceId);
  if (keyspaceId === ROOT_KEYSPACE_ID) {
    throw new Fault(
      'KEYSPACE_BUILT_IN',
      `the keyspace ${keyspaceId} is built in: root keys have no policies`,
    );
  }
  return mutate('CreatePolicy', request, async (tx, nowMs) => {
    requireGroups(await requireKeyspace(tx, keyspaceId), 'policy.restrictions', attributes.restrictions);
    const id = newId('policy');
    const policy = { ...attributes, id, keyspaceId, createTimeMs: nowMs, updateTimeMs: nowMs, version: 1 };
    await tx.policies.insert(policy);
    return {
      answer: { policy },
      audit: { action: 'policy.create', keyspaceId, targetId: id, details: { ...policy } },
    };
  });
}

/** Reads one policy and counts the keys that refer to it. @throws Fault POLICY_NOT_FOUND */
export async function getPolicy(
  store: Repositories,
  caller: Caller,
  id: string,
): Promise<{ readonly policy: PolicyRecord; readonly keyCount: number }> {
  const policy = await store.policies.get(id);
  if (policy === undefined || !caller.reaches(policy.keyspaceId)) throw policyNotFound(id);
  return { policy, keyCount: await store.policies.countKeys(policy) };
}

/** Lists the policies of a keyspace by display name. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, INVALID_FIELD for a page token of another list */
export async function listPolicies(
  store: Repositories,
  request: {
    readonly caller: Caller;
    readonly keyspaceId: string;
    readonly pageSize: number;
    readonly pageToken: string;
  },
): Promise<{ readonly policies: readonly PolicyRecord[]; readonly nextPageToken: string }> {
  const { caller, keyspaceId, pageSize } = request;
  requireReach(caller, keyspaceId);
  const question = { list: 'policies', keyspaceId };
  const afterName = decodePageToken(request.pageToken, question, (position) => {
    const { name } = position as { readonly name?: unknown };
    return typeof name === 'string' && !name.includes('\0') ? name : undefined;
  });
  const rows = await store.policies.list({ keyspaceId, afterName, limit: pageSize + 1 });
  const policies = rows.slice(0, pageSize);
  const last = policies.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { policies, nextPageToken: more ? encodePageToken(question, { name: last.displayName }) : '' };
}

export interface UpdatePolicyRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
  readonly change: Partial<PolicyAttributes>;
}

/** Changes a policy, and with it all its keys. @throws Fault POLICY_NOT_FOUND, POLICY_NAME_TAKEN, ETAG_MISMATCH, INVALID_FIELD */
export function updatePolicy(mutate: Mutate, request: UpdatePolicyRequest): PolicyAnswer {
  const { caller, id, etag, change } = request;
  return mutate('UpdatePolicy', request, async (tx, nowMs) => {
    const before = await lockPolicy(tx, caller, id, etag);
    const { keyspaceId } = before;
    const after = { ...before, ...change };
    requireGroups(
      await requireKeyspace(tx, keyspaceId),
      'policy.restrictions',
      after.restrictions,
      before.restrictions,
    );
    const details = difference<PolicyRecord>(
      before,
      after,
      Object.keys(change) as (keyof PolicyAttributes)[],
    );
    if (Object.keys(details).length === 0) return { answer: { policy: before }, awaited: true };

    const policy = { ...after, updateTimeMs: nowMs, version: before.version + 1 };
    await tx.policies.update(policy);
    return {
      answer: { policy },
      audit: { action: 'policy.update', keyspaceId, targetId: id, details },
      changes: [{ kind: 'policy', id }],
      awaited: true,
    };
  });
}

export interface DeletePolicyRequest extends MutationRequest {
  readonly id: string;
  readonly etag: Etag;
}

/** Deletes a policy that no key refers to. @throws Fault POLICY_NOT_FOUND, POLICY_IN_USE, ETAG_MISMATCH */
export function deletePolicy(mutate: Mutate, request: DeletePolicyRequest): Promise<Mutated<object>> {
  const { caller, id, etag } = request;
  return mutate<object>('DeletePolicy', request, async (tx) => {
    const before = await lockPolicy(tx, caller, id, etag);
    const keys = await tx.policies.countKeys(before);
    if (keys > 0) {
      throw new Fault(
        'POLICY_IN_USE',
        `${keys} ${keys === 1 ? 'key refers' : 'keys refer'} to the policy ${id}; take it from them first`,
        { metadata: { id, keys: String(keys) } },
      );
    }
    await tx.policies.delete(id);
    const { keyspaceId, displayName } = before;
    return {
      answer: {},
      audit: { action: 'policy.delete', keyspaceId, targetId: id, details: { displayName } },
    };
  });
}

async function lockPolicy(tx: Repositories, caller: Caller, id: string, etag: Etag): Promise<PolicyRecord> {
  const policy = await tx.policies.get(id, 'update');
  if (policy === undefined || !caller.reaches(policy.keyspaceId)) throw policyNotFound(id);
  requireEtag(policy, etag);
  return policy;
}

async function requireKeyspace(tx: Repositories, id: string): Promise<KeyspaceRecord> {
  const keyspace = await tx.keyspaces.get(id);
  if (keyspace === undefined) throw keyspaceNotFound(id);
  return keyspace;
}
