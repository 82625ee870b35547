import { parseScopeQuery, type ScopeQueryResult } from '../../../core/patterns/scope-query.ts';

/** Scope queries by their text, parsed once. */
export interface ScopeQueries {
  get(text: string): ScopeQueryResult;
}

/**
 * A cache: services ask the same few questions over and over. Key: the text of a query, at most 1024 characters; value:
 * the query, which never changes. Bound: `max` entries; when they are reached, it begins anew. What is wrong is not kept.
 */
export function createScopeQueries({ max }: { readonly max: number }): ScopeQueries {
  const known = new Map<string, ScopeQueryResult>();
  return {
    get(text) {
      const before = known.get(text);
      if (before !== undefined) return before;
      const result = parseScopeQuery(text);
      if (result.ok) {
        if (known.size >= max) known.clear();
        known.set(text, result);
      }
      return result;
    },
  };
}
