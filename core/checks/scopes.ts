import type { Check } from './check.ts';

/** Every required scope must be granted; all that lack are named, so that a developer asks for them once. */
export const checkScopes: Check = ({ snapshot, request }) => {
  if (request.scopes.every(snapshot.grants)) return undefined;
  return {
    verdict: 'SCOPE_MISSING',
    missingScopes: request.scopes.filter((scope) => !snapshot.grants(scope)),
  };
};
