import { newId } from '../../../core/ids.ts';
import type { PolicyRecord } from '../../../core/policy.ts';
import { NO_RESTRICTIONS, type Rules } from '../../../core/rules.ts';
import { CREATE_TIME_MS, KEYSPACE_ID } from './issue-key.ts';

/** Rules that say nothing. */
export const NO_RULES: Rules = {
  scopes: [],
  resourceAccess: null,
  restrictions: NO_RESTRICTIONS,
  limits: [],
  metadata: {},
  tags: [],
};

/** A policy with these rules. */
export function policyOf(change: Partial<PolicyRecord> = {}): PolicyRecord {
  return {
    ...NO_RULES,
    id: newId('policy'),
    keyspaceId: KEYSPACE_ID,
    displayName: 'A policy',
    createTimeMs: CREATE_TIME_MS,
    updateTimeMs: CREATE_TIME_MS,
    version: 1,
    ...change,
  };
}
