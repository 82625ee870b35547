import type { Check, CheckInput, Refusal } from './check.ts';
import { checkClient } from './client.ts';
import { checkOperation } from './operation.ts';
import { checkResource } from './resource.ts';
import { checkScopes } from './scopes.ts';
import {
  checkDisabled,
  checkExpired,
  checkOwnerSuspended,
  checkRevoked,
  checkSecretRetired,
} from './state.ts';

/**
 * The order of the checks, which is part of the contract (`Verdict`): from what concerns the key as a whole to what
 * concerns this request. MALFORMED and NOT_FOUND come before: they are found by whoever looks for the key.
 */
export const CHECKS: readonly Check[] = [
  checkRevoked,
  checkDisabled,
  checkOwnerSuspended,
  checkExpired,
  checkSecretRetired,
  checkClient,
  checkOperation,
  checkResource,
  checkScopes,
];

/** The first refusal, or undefined if every check passes. */
export function runChecks(input: CheckInput): Refusal | undefined {
  for (const check of CHECKS) {
    const refusal = check(input);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
