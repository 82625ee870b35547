/** The longest scope, required or granted, in characters. */
export const SCOPE_LENGTH_MAX = 128;
/** What a scope may be made of; a wildcard stands only last, and only on the granting side. */
export const SCOPE_PATTERN = /^[A-Za-z0-9_\-./:]+$/;
export const GRANTED_SCOPE_PATTERN = /^(?:\*|[A-Za-z0-9_\-./:]+\*?)$/;

/** Tells whether a required scope is granted. */
export type ScopeMatcher = (required: string) => boolean;

/**
 * Compiles granted scopes: a set for exact ones, a list of beginnings for those that end in `*`.
 *
 * @param granted scopes as granted: `orders:read`, `orders:*`, `*`
 */
export function compileScopes(granted: readonly string[]): ScopeMatcher {
  const exact = new Set<string>();
  const beginnings: string[] = [];
  for (const scope of granted) {
    if (scope.endsWith('*')) beginnings.push(scope.slice(0, -1));
    else exact.add(scope);
  }
  if (beginnings.includes('')) return () => true;
  if (beginnings.length === 0) return (required) => exact.has(required);
  return (required) => exact.has(required) || beginnings.some((beginning) => required.startsWith(beginning));
}
