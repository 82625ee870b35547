import type { PolicyAttributes, PolicyRecord } from '../../../core/policy.ts';
import type { Policy } from '../../../proto/gen/latchkey/v1/policy_service.ts';
import { formatEtag } from '../../lifecycle/key-rules.ts';
import type { Fields } from './fields.ts';
import { DISPLAY_NAME_MAX } from './key.ts';
import { readMasked, type AttributeReaders } from './mask.ts';
import { readRule, toRules } from './rules.ts';
import { toTimestamp } from './times.ts';

export function toPolicy(policy: PolicyRecord): Policy {
  return {
    ...toRules(policy),
    id: policy.id,
    keyspaceId: policy.keyspaceId,
    displayName: policy.displayName,
    createTime: toTimestamp(policy.createTimeMs),
    updateTime: toTimestamp(policy.updateTimeMs),
    etag: formatEtag(policy.version),
  };
}

/** The attributes of a new policy. */
export function readPolicyAttributes(fields: Fields, policy: Policy): PolicyAttributes {
  return {
    displayName: readAttribute.displayName(fields, policy),
    scopes: readAttribute.scopes(fields, policy),
    resourceAccess: readAttribute.resourceAccess(fields, policy),
    restrictions: readAttribute.restrictions(fields, policy),
    limits: readAttribute.limits(fields, policy),
    metadata: readAttribute.metadata(fields, policy),
    tags: readAttribute.tags(fields, policy),
  };
}

const UPDATABLE = {
  display_name: 'displayName',
  scopes: 'scopes',
  resource_access: 'resourceAccess',
  restrictions: 'restrictions',
  limits: 'limits',
  metadata: 'metadata',
  tags: 'tags',
} as const satisfies Record<string, keyof PolicyAttributes>;

/** The new values of the fields that an update mask names. */
export function readPolicyChange(
  fields: Fields,
  policy: Policy,
  mask: readonly string[] | undefined,
): Partial<PolicyAttributes> {
  return readMasked(fields, policy, mask, { updatable: UPDATABLE, read: readAttribute });
}

const readAttribute: AttributeReaders<Policy, PolicyAttributes> = {
  displayName: (fields, policy) =>
    fields.text('policy.display_name', policy.displayName, { max: DISPLAY_NAME_MAX, required: true }),
  scopes: (fields, policy) => readRule.scopes(fields, 'policy', policy),
  resourceAccess: (fields, policy) => readRule.resourceAccess(fields, 'policy', policy),
  restrictions: (fields, policy) => readRule.restrictions(fields, 'policy', policy),
  limits: (fields, policy) => readRule.limits(fields, 'policy', policy),
  metadata: (fields, policy) => readRule.metadata(fields, 'policy', policy),
  tags: (fields, policy) => readRule.tags(fields, 'policy', policy),
};
