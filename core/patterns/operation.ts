import type { Api, ApiMethod, ApiTarget } from '../rules.ts';
import { compilePath, compilePaths, normalizePath, type PathMatcher } from './path.ts';

/** What a client wants to do with an API. */
export interface Operation {
  readonly api: string;
  /** HTTP verb in any case; empty for gRPC. */
  readonly verb: string;
  /** HTTP path or gRPC method, as it came. */
  readonly path: string;
}

/** An operation whose verb and path are in the form that is matched. */
interface NormalOperation {
  readonly api: string;
  readonly verb: string;
  /** Undefined: the path has no normal form, and no pattern matches it. */
  readonly path: string | undefined;
}

type Matcher = (operation: NormalOperation) => boolean;

/** Tells whether an operation is one of a set. */
export type OperationMatcher = (operation: Operation) => boolean;

/** A keyspace's catalogue, compiled. */
export interface Catalogue {
  /** The methods of a block; undefined: there is no such block. */
  group(api: string, name: string): Matcher | undefined;
  /** Whether the catalogue marks the operation as being about no resource. */
  isResourceless: OperationMatcher;
}

/** Compiles a keyspace's catalogue: once for all its keys. */
export function compileCatalogue(apis: readonly Api[]): Catalogue {
  const groups = new Map<string, Matcher>();
  const resourceless: Matcher[] = [];
  for (const { name: api, groups: blocks } of apis) {
    for (const { name, methods } of blocks)
      groups.set(groupKey(api, name), anyOf(methods.map(compileMethod)));
    const marked = blocks.flatMap(({ methods }) => methods.filter(({ noResource }) => noResource));
    if (marked.length > 0) resourceless.push(ofApi(api, anyOf(marked.map(compileMethod))));
  }
  return {
    group: (api, name) => groups.get(groupKey(api, name)),
    isResourceless: withNormalForm(anyOf(resourceless)),
  };
}

/**
 * Compiles api targets: an operation passes where any one of them matches. A block that is not in the catalogue any
 * more matches nothing.
 */
export function compileOperations(targets: readonly ApiTarget[], catalogue: Catalogue): OperationMatcher {
  return withNormalForm(anyOf(targets.map((target) => compileTarget(target, catalogue))));
}

function compileTarget({ api, verbs, paths, groups }: ApiTarget, catalogue: Catalogue): Matcher {
  const parts: Matcher[] = groups.map((name) => catalogue.group(api, name) ?? nothing);
  if (paths.length > 0) parts.push(onPath(compilePaths(paths)));
  const within = paths.length + groups.length === 0 ? everything : anyOf(parts);
  if (verbs.length === 0) return ofApi(api, within);
  const allowed = new Set(verbs);
  return ofApi(api, (operation) => allowed.has(operation.verb) && within(operation));
}

function compileMethod({ verb, path }: ApiMethod): Matcher {
  const onThePath = onPath(compilePath(path));
  return verb === '' ? onThePath : (operation) => operation.verb === verb && onThePath(operation);
}

const everything: Matcher = () => true;
const nothing: Matcher = () => false;

const anyOf =
  (matchers: readonly Matcher[]): Matcher =>
  (operation) =>
    matchers.some((matches) => matches(operation));

const ofApi =
  (api: string, matches: Matcher): Matcher =>
  (operation) =>
    operation.api === api && matches(operation);

const onPath =
  (matches: PathMatcher): Matcher =>
  ({ path }) =>
    path !== undefined && matches(path);

/** The path is normalized once an operation, whatever the number of patterns. */
const withNormalForm =
  (matches: Matcher): OperationMatcher =>
  ({ api, verb, path }) =>
    matches({ api, verb: verb.toUpperCase(), path: normalizePath(path) });

/** A name of one API and one block; a NUL stands in neither. */
const groupKey = (api: string, name: string): string => `${api}\0${name}`;
