import type { Check, Refusal } from './check.ts';

const RESOURCE_NOT_ALLOWED: Refusal = { verdict: 'RESOURCE_NOT_ALLOWED' };

/**
 * A key with access to all resources passes always. A confined one passes for a resource that it lists; a request
 * that names none could be about any, so it passes only if the catalogue says that the operation is about none.
 */
export const checkResource: Check = ({ snapshot, request: { resource, operation } }) => {
  const { resources, isResourceless } = snapshot;
  if (resources === undefined) return undefined;
  const passes =
    resource === '' ? operation !== undefined && isResourceless(operation) : resources.has(resource);
  return passes ? undefined : RESOURCE_NOT_ALLOWED;
};
