import type { ServiceImplementation } from 'nice-grpc';
import type { PolicyRecord } from '../../core/policy.ts';
import { Policy, type PolicyServiceDefinition } from '../../proto/gen/latchkey/v1/policy_service.ts';
import type { Mutate, Mutated } from '../lifecycle/mutation.ts';
import { createPolicy, deletePolicy, getPolicy, listPolicies, updatePolicy } from '../lifecycle/policies.ts';
import type { Repositories } from '../lifecycle/ports.ts';
import { toEffect } from './convert/effect.ts';
import { readFields } from './convert/fields.ts';
import { PAGE_TOKEN_MAX } from './convert/list.ts';
import { readPolicyAttributes, readPolicyChange, toPolicy } from './convert/policy.ts';
import { ETAG_MAX, readTarget } from './convert/target.ts';
import type { CallerContext } from './middleware.ts';

/** PolicyService: convert, command, convert. */
export function createPolicyService(options: {
  readonly store: Repositories;
  readonly mutate: Mutate;
}): ServiceImplementation<PolicyServiceDefinition, CallerContext> {
  const { store, mutate } = options;
  const answer = ({ policy, revision }: Mutated<{ readonly policy: PolicyRecord }>) => ({
    policy: toPolicy(policy),
    revision,
  });

  return {
    async createPolicy({ policy = Policy.fromPartial({}), requestId }, { caller }) {
      const fields = readFields();
      if (policy.id !== '') fields.refuse('policy.id', 'is chosen by the server; leave it empty');
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        keyspaceId: fields.keyspaceId('policy.keyspace_id', policy.keyspaceId),
        attributes: readPolicyAttributes(fields, policy),
      };
      fields.finish();
      return answer(await createPolicy(mutate, request));
    },

    async getPolicy({ id }, { caller }) {
      const fields = readFields();
      fields.policyId('id', id);
      fields.finish();
      const { policy, keyCount } = await getPolicy(store, caller, id);
      return { policy: toPolicy(policy), keyCount: BigInt(keyCount) };
    },

    async listPolicies(message, { caller }) {
      const fields = readFields();
      const request = {
        caller,
        keyspaceId: fields.keyspaceId('keyspace_id', message.keyspaceId),
        pageSize: fields.pageSize(message.pageSize),
        pageToken: fields.text('page_token', message.pageToken, { max: PAGE_TOKEN_MAX }),
      };
      fields.finish();
      const { policies, nextPageToken } = await listPolicies(store, request);
      return { policies: policies.map(toPolicy), nextPageToken };
    },

    async updatePolicy({ policy = Policy.fromPartial({}), updateMask, requestId, wait = true }, { caller }) {
      const fields = readFields();
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        id: fields.policyId('policy.id', policy.id),
        etag: fields.text('policy.etag', policy.etag, { max: ETAG_MAX }),
        change: readPolicyChange(fields, policy, updateMask),
        wait,
      };
      fields.finish();
      const updated = await updatePolicy(mutate, request);
      return { ...answer(updated), ...toEffect(updated) };
    },

    async deletePolicy(message, { caller }) {
      const target = readTarget(message, caller, (fields, { id }) => ({ id: fields.policyId('id', id) }));
      const { revision } = await deletePolicy(mutate, target);
      return { revision };
    },
  };
}
