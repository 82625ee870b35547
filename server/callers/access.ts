/** The scopes that a root key can hold. `admin` stands for all of them. */
export const CALLER_SCOPES = [
  'verify',
  'keys:read',
  'keys:write',
  'keys:revoke',
  'config:read',
  'config:write',
  'usage:read',
  'audit:read',
  'admin',
] as const;

/** A scope of a root key. */
export type CallerScope = (typeof CALLER_SCOPES)[number];

/** Who may call an RPC: anybody, or callers with one of the scopes. */
export type Access = 'open' | { readonly anyOf: readonly CallerScope[] };

/** The access rule for callers with one of the scopes. */
export function needs(...anyOf: [CallerScope, ...CallerScope[]]): Access {
  return { anyOf };
}
