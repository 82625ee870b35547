import type { Check, Refusal } from './check.ts';

const RESOURCE_NOT_ALLOWED: Refusal = { verdict: 'RESOURCE_NOT_ALLOWED' };

/**
 * A key with access to all resources passes always. A confined one passes for a resource that it lists; a request
 * that names none could be about any, so it does not pass.
 */
export const checkResource: Check = ({ snapshot, request }) =>
  snapshot.resources === undefined || snapshot.resources.has(request.resource)
    ? undefined
    : RESOURCE_NOT_ALLOWED;
