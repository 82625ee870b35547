import type { Check } from './check.ts';

/** Every required scope must be granted and the expression hold; all that lacks is named, so that a developer asks for it once. */
export const checkScopes: Check = ({ snapshot: { grants }, request: { scopes, scopeQuery } }) => {
  if (scopes.every(grants) && scopeQuery?.satisfiedBy(grants) !== false) return undefined;
  const missing = new Set(scopes.filter((scope) => !grants(scope)));
  for (const scope of scopeQuery?.missing(grants) ?? []) missing.add(scope);
  return { verdict: 'SCOPE_MISSING', missingScopes: [...missing] };
};
