import type { Policy as PolicyMessage } from '../../proto/gen/latchkey/v1/policy_service.ts';
import { defined } from './convert/defined.ts';
import { fromEffect } from './convert/effect.ts';
import { fieldMask } from './convert/field-mask.ts';
import { fromPolicy, POLICY_PATHS, toChangedPolicy, toNewPolicy } from './convert/policy.ts';
import type { Connection } from './transport/connection.ts';
import { ALL_PAGE_SIZE, allPages } from './transport/pages.ts';
import { newNarrowingRequest, newRequest, target } from './transport/requests.ts';
import type {
  CallOptions,
  ChangeOptions,
  MutationOptions,
  NarrowOptions,
  PageOptions,
} from './types/call.ts';
import type {
  ChangedPolicy,
  CountedPolicy,
  NarrowedPolicy,
  NewPolicy,
  Policy,
  PolicyChange,
  PolicyPage,
  PolicyQuery,
} from './types/policy.ts';

/**
 * Policies: named bundles of rules that keys of their keyspace refer to (`policyIds`). A policy of a keyspace that the
 * root token may not touch is NOT_FOUND.
 *
 * Every method is rejected with a LatchkeyError; changes with ALREADY_EXISTS if the name is taken (POLICY_NAME_TAKEN)
 * and with ABORTED if the `etag` does not match (ETAG_MISMATCH).
 */
export interface Policies {
  /** Creates a policy. Scope `config:write`. */
  create(policy: NewPolicy, options?: MutationOptions): Promise<ChangedPolicy>;
  /** Reads one policy by its id and counts its keys. Scope `config:read`. */
  get(id: string, options?: CallOptions): Promise<CountedPolicy>;
  /** Reads one page of policies of a keyspace, by their display name. Scope `config:read`. */
  list(query: PolicyQuery, options?: PageOptions): Promise<PolicyPage>;
  /** All policies of a keyspace, page by page while you iterate; `deadlineMs` is for each page. Scope `config:read`. */
  listAll(query: PolicyQuery, options?: CallOptions): AsyncIterableIterator<Policy>;
  /** Changes the properties that `change` has, for all keys that refer to the policy. Scope `config:write`. */
  update(id: string, change: PolicyChange, options?: NarrowOptions): Promise<NarrowedPolicy>;
  /**
   * Deletes a policy that no key refers to. Scope `config:write`. FAILED_PRECONDITION, reason POLICY_IN_USE, with the
   * number of keys in `metadata.keys`, if one does.
   */
  delete(id: string, options?: ChangeOptions): Promise<{ readonly revision: string }>;
}

/** @internal */
export function createPolicies({ policies, call }: Connection): Policies {
  async function list({ keyspaceId, pageSize }: PolicyQuery, options: PageOptions = {}): Promise<PolicyPage> {
    const request = { keyspaceId, ...defined({ pageSize, pageToken: options.pageToken }) };
    const answer = await call(policies.listPolicies, request, options);
    return {
      policies: answer.policies.map(fromPolicy),
      ...(answer.nextPageToken === '' ? {} : { nextPageToken: answer.nextPageToken }),
    };
  }

  return {
    async create(policy, options = {}) {
      const request = { policy: toNewPolicy(policy), ...newRequest(options) };
      return toChanged(await call(policies.createPolicy, request, options));
    },

    async get(id, options = {}) {
      const { policy, keyCount } = await call(policies.getPolicy, { id }, options);
      return { ...fromPolicy(policy), keyCount: Number(keyCount) };
    },

    list,

    listAll({ keyspaceId, pageSize = ALL_PAGE_SIZE }, options = {}) {
      return allPages(async (pageToken) => {
        const page = await list({ keyspaceId, pageSize }, { ...options, pageToken });
        return { ...page, entries: page.policies };
      });
    },

    async update(id, change, options = {}) {
      const request = {
        policy: toChangedPolicy(id, change, options.etag),
        updateMask: fieldMask(change, POLICY_PATHS),
        ...newNarrowingRequest(options),
      };
      const answer = await call(policies.updatePolicy, request, options);
      return { ...toChanged(answer), ...fromEffect(answer) };
    },

    async delete(id, options = {}) {
      const { revision } = await call(policies.deletePolicy, target(id, options), options);
      return { revision };
    },
  };
}

function toChanged(answer: {
  readonly policy: PolicyMessage | undefined;
  readonly revision: string;
}): ChangedPolicy {
  return { policy: fromPolicy(answer.policy), revision: answer.revision };
}
