import { Policy as PolicyMessage } from '../../../proto/gen/latchkey/v1/policy_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type { NewPolicy, Policy, PolicyChange } from '../types/policy.ts';
import { defined } from './defined.ts';
import { fromRules, RULE_PATHS, toRules } from './rules.ts';
import { requiredTime } from './times.ts';

/** The policy of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromPolicy(policy: PolicyMessage | undefined): Policy {
  if (policy === undefined) throw unexpectedResponse('no policy');
  return {
    ...fromRules(policy),
    id: policy.id,
    keyspaceId: policy.keyspaceId,
    displayName: policy.displayName,
    createTime: requiredTime('create_time', policy.createTime),
    updateTime: requiredTime('update_time', policy.updateTime),
    etag: policy.etag,
  };
}

/** The message of a policy to create. @throws LatchkeyError INVALID_FIELD */
export function toNewPolicy({ keyspaceId, ...attributes }: NewPolicy): PolicyMessage {
  return PolicyMessage.fromPartial({ keyspaceId, ...toAttributes(attributes) });
}

/** The message of a policy with what is to change of it. @throws LatchkeyError INVALID_FIELD */
export function toChangedPolicy(id: string, change: PolicyChange, etag: string | undefined): PolicyMessage {
  return PolicyMessage.fromPartial({ id, ...toAttributes(change), ...defined({ etag }) });
}

/** The properties of a change, with their paths in the contract. */
export const POLICY_PATHS = {
  displayName: 'display_name',
  ...RULE_PATHS,
} as const satisfies Record<keyof PolicyChange, string>;

function toAttributes({ displayName, ...rules }: PolicyChange) {
  return { ...defined({ displayName }), ...toRules(rules) };
}
