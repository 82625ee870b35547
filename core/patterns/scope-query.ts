import { SCOPE_LENGTH_MAX, SCOPE_PATTERN, type ScopeMatcher } from './scopes.ts';

/** The longest scope query, in characters. */
export const SCOPE_QUERY_LENGTH_MAX = 1024;
/** The most parentheses in one another. */
export const SCOPE_QUERY_DEPTH_MAX = 16;
/** The most scopes in a query; one that is named twice counts twice. */
export const SCOPE_QUERY_SCOPES_MAX = 64;

/** An expression over scopes: `orders:read AND (orders:write OR admin)`. */
export interface ScopeQuery {
  /** Whether what is granted suffices. */
  satisfiedBy(grants: ScopeMatcher): boolean;
  /**
   * Scopes that would have sufficed in addition to what is granted, in the order of the query and without repetition;
   * empty if the query is satisfied. At each `OR` the alternative that lacks fewest is taken, of equals the first.
   * Where alternatives share scopes with other parts, fewer might do: to find them could cost an exponential time.
   */
  missing(grants: ScopeMatcher): readonly string[];
}

/** A query, or what is wrong with the text and where: a position of 1 is the first character (UTF-16 code unit). */
export type ScopeQueryResult =
  | { readonly ok: true; readonly query: ScopeQuery }
  | { readonly ok: false; readonly position: number; readonly message: string };

/** What stands between two parentheses: alternatives, the last of which is still being read. */
interface Group {
  readonly alternatives: ScopeQuery[];
  factors: ScopeQuery[];
}

/**
 * Reads a scope query: scopes without wildcards, `AND`, `OR` and parentheses, divided by spaces, tabs or line ends.
 * `AND` binds tighter. Both are written in upper case: `and` is a scope.
 *
 * @param text of any length; more than `SCOPE_QUERY_LENGTH_MAX` is refused before it is read
 */
export function parseScopeQuery(text: string): ScopeQueryResult {
  if (text.length > SCOPE_QUERY_LENGTH_MAX) {
    return fault(SCOPE_QUERY_LENGTH_MAX + 1, `expected at most ${SCOPE_QUERY_LENGTH_MAX} characters`);
  }
  // A stack of our own, not the machine's: nothing here recurses.
  const outer: Group[] = [];
  let group: Group = { alternatives: [], factors: [] };
  let scopes = 0;
  let expectsScope = true;
  const expected = (): string => {
    if (expectsScope) return 'expected a scope';
    return `expected AND, OR or ${outer.length > 0 ? '")"' : 'the end'}`;
  };

  for (const match of text.matchAll(/[()]|[^ \t\r\n()]+/g)) {
    const token = match[0];
    const position = match.index + 1;
    const opensOrNames = token !== ')' && token !== 'AND' && token !== 'OR';
    const parent = token === ')' ? outer.at(-1) : group;
    if (opensOrNames !== expectsScope || parent === undefined) {
      return fault(position, `${expected()}, found ${quote(token)}`);
    }
    if (token === '(') {
      if (outer.length === SCOPE_QUERY_DEPTH_MAX) {
        return fault(position, `expected at most ${SCOPE_QUERY_DEPTH_MAX} parentheses in one another`);
      }
      outer.push(group);
      group = { alternatives: [], factors: [] };
    } else if (token === ')') {
      parent.factors.push(close(group));
      outer.pop();
      group = parent;
    } else if (token === 'OR') {
      group.alternatives.push(allOf(group.factors));
      group.factors = [];
      expectsScope = true;
    } else if (token === 'AND') {
      expectsScope = true;
    } else {
      const wrong = scopeFault(token, position);
      if (wrong !== undefined) return wrong;
      scopes += 1;
      if (scopes > SCOPE_QUERY_SCOPES_MAX) {
        return fault(position, `expected at most ${SCOPE_QUERY_SCOPES_MAX} scopes`);
      }
      group.factors.push(one(token));
      expectsScope = false;
    }
  }

  if (expectsScope || outer.length > 0) return fault(text.length + 1, `${expected()}, found the end`);
  return { ok: true, query: close(group) };
}

function fault(position: number, message: string): ScopeQueryResult {
  return { ok: false, position, message };
}

/** A token for a message: what is not seen is escaped, what is long is cut. */
function quote(token: string): string {
  return JSON.stringify(token.length > 40 ? `${token.slice(0, 40)}…` : token);
}

function scopeFault(token: string, position: number): ScopeQueryResult | undefined {
  let at = position;
  for (const character of token) {
    if (!SCOPE_PATTERN.test(character)) return fault(at, `expected a scope without ${quote(character)}`);
    at += 1;
  }
  if (token.length <= SCOPE_LENGTH_MAX) return undefined;
  return fault(position, `expected a scope of at most ${SCOPE_LENGTH_MAX} characters`);
}

function close({ alternatives, factors }: Group): ScopeQuery {
  return anyOf([...alternatives, allOf(factors)]);
}

function one(scope: string): ScopeQuery {
  return {
    satisfiedBy: (grants) => grants(scope),
    missing: (grants) => (grants(scope) ? [] : [scope]),
  };
}

function allOf(parts: readonly ScopeQuery[]): ScopeQuery {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return {
    satisfiedBy: (grants) => parts.every((part) => part.satisfiedBy(grants)),
    missing: (grants) => [...new Set(parts.flatMap((part) => part.missing(grants)))],
  };
}

function anyOf(parts: readonly ScopeQuery[]): ScopeQuery {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return {
    satisfiedBy: (grants) => parts.some((part) => part.satisfiedBy(grants)),
    missing: (grants) =>
      parts
        .map((part) => part.missing(grants))
        .reduce((least, other) => (other.length < least.length ? other : least)),
  };
}
