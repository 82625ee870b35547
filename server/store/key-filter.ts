import type { Knex } from 'knex';
import type { KeyFilter } from '../lifecycle/ports.ts';
import type { PolicyRow } from './rows.ts';

/** The ids of the policies that matter to the keys that refer to them, by what a filter asks for. */
export interface Inherited {
  /** Policies with access to all resources. */
  readonly toAll: readonly string[];
  /** Policies with access to listed resources. */
  readonly toListed: readonly string[];
  /** Those of them that list the resource. */
  readonly toResource: readonly string[];
  /** Policies that say nothing of resources. */
  readonly toNoneSaid: readonly string[];
  readonly withScope: readonly string[];
  readonly withApi: readonly string[];
}

const NOTHING_INHERITED: Inherited = {
  toAll: [],
  toListed: [],
  toResource: [],
  toNoneSaid: [],
  withScope: [],
  withApi: [],
};

/**
 * Reads what keys can inherit of what a filter asks for. Policies are few and keys are many: with the ids of the
 * policies the condition on a key is one on its own row, which an index answers.
 */
export async function readInherited(knex: Knex, filter: KeyFilter): Promise<Inherited> {
  const { accessType, resource, scope, api } = filter;
  const byAccess = accessType !== undefined || resource !== undefined;
  if (!byAccess && scope === undefined && api === undefined) return NOTHING_INHERITED;
  const query = knex<PolicyRow>('policies').select<
    readonly {
      readonly id: string;
      readonly access_type: 'ALL' | 'LISTED' | null;
      readonly has_resource: boolean;
      readonly has_scope: boolean;
      readonly has_api: boolean;
    }[]
  >(
    'id',
    'access_type',
    has(knex, 'resources', resource, 'has_resource'),
    has(knex, 'scopes', scope, 'has_scope'),
    has(knex, 'apis', api, 'has_api'),
  );
  inKeyspaces(query, filter);
  // Of resources, also what says nothing matters.
  if (!byAccess) {
    query.where((useful) => {
      if (scope !== undefined) void useful.orWhereRaw('scopes @> ARRAY[?]::text[]', [scope]);
      if (api !== undefined) void useful.orWhereRaw('apis @> ARRAY[?]::text[]', [api]);
    });
  }
  const policies = await query;
  const ids = (is: (policy: (typeof policies)[number]) => boolean): readonly string[] =>
    policies.filter(is).map(({ id }) => id);
  return {
    toAll: ids((policy) => policy.access_type === 'ALL'),
    toListed: ids((policy) => policy.access_type === 'LISTED'),
    toResource: ids((policy) => policy.access_type === 'LISTED' && policy.has_resource),
    toNoneSaid: ids((policy) => policy.access_type === null),
    withScope: ids((policy) => policy.has_scope),
    withApi: ids((policy) => policy.has_api),
  };
}

function has(knex: Knex, column: string, value: string | undefined, name: string): Knex.Raw {
  return value === undefined
    ? knex.raw('false AS ??', [name])
    : knex.raw('?? @> ARRAY[?]::text[] AS ??', [column, value, name]);
}

/** Rows of the keyspaces that a filter is about. */
export function inKeyspaces(query: Knex.QueryBuilder, filter: KeyFilter): void {
  const { keyspaceIds, exceptKeyspaceIds } = filter;
  if (keyspaceIds !== undefined) query.whereIn('keyspace_id', keyspaceIds);
  if (exceptKeyspaceIds.length > 0) query.whereNotIn('keyspace_id', exceptKeyspaceIds);
}

/** The keys that match every field of a filter. `nowMs` is the time by which EXPIRED is judged. */
export function applyFilter(
  query: Knex.QueryBuilder,
  filter: KeyFilter,
  { inherited, nowMs }: { readonly inherited: Inherited; readonly nowMs: number },
): void {
  inKeyspaces(query, filter);
  if (!filter.showDeleted) query.whereNull('delete_time');
  if (filter.states.length > 0) {
    query.where((states) => {
      for (const state of filter.states) void states.orWhere(whereState(state, nowMs));
    });
  }
  if (filter.accessType !== undefined) query.where(whereAccess(filter.accessType, inherited));
  if (filter.resource !== undefined) query.where(whereResource(filter.resource, inherited));
  // The empty owner is none; saying so lets the planner use the partial index.
  if (filter.ownerId !== undefined) query.where('owner_id', filter.ownerId).where('owner_id', '<>', '');
  if (filter.policyId !== undefined) query.whereRaw('policy_ids @> ARRAY[?]::text[]', [filter.policyId]);
  if (filter.tag !== undefined) query.whereRaw('tags @> ARRAY[?]::text[]', [filter.tag]);
  if (filter.scope !== undefined) query.where(whereHas('scopes', filter.scope, inherited.withScope));
  if (filter.api !== undefined) query.where(whereHas('apis', filter.api, inherited.withApi));
  if (filter.search !== undefined) query.where(whereContains(filter.search));
  if (filter.expiresBeforeMs !== undefined) query.where('expire_time', '<', new Date(filter.expiresBeforeMs));
  if (filter.createdAfterMs !== undefined) query.where('create_time', '>', new Date(filter.createdAfterMs));
}

type Condition = (query: Knex.QueryBuilder) => void;

function whereState(state: KeyFilter['states'][number], nowMs: number): Condition {
  const now = new Date(nowMs);
  return (query) => {
    void query.where('switch', state === 'EXPIRED' ? 'ACTIVE' : state);
    if (state === 'EXPIRED') void query.where('expire_time', '<=', now);
    if (state === 'ACTIVE') void query.whereRaw('(expire_time IS NULL OR expire_time > ?)', [now]);
  };
}

/** Keys that list a value themselves, or list none and have it by a policy. */
function whereHas(column: 'scopes' | 'apis', value: string, policyIds: readonly string[]): Condition {
  return (query) => {
    void query.whereRaw('?? @> ARRAY[?]::text[]', [column, value]);
    if (policyIds.length === 0) return;
    void query.orWhere((inheriting) => {
      void inheriting.whereRaw(`?? = '{}'`, [column]).where(whereReferring(policyIds));
    });
  };
}

/** Of a key's policies one with access to all wins over listed ones; if none says anything, it is access to all. */
function whereAccess(type: 'ALL' | 'LISTED', inherited: Inherited): Condition {
  const { toAll, toListed } = inherited;
  return (query) => {
    void query.where('access_type', type);
    if (type === 'ALL') {
      void query.orWhere(whereGranted(toAll, inherited));
    } else if (toListed.length > 0) {
      void query.orWhere((inheriting) => {
        void inheriting.whereNull('access_type').where(whereReferring(toListed));
        if (toAll.length > 0) void inheriting.whereNot(whereReferring(toAll));
      });
    }
  };
}

function whereResource(resource: string, inherited: Inherited): Condition {
  return (query) => {
    void query
      .where('access_type', 'ALL')
      .orWhereRaw('resources @> ARRAY[?]::text[]', [resource])
      .orWhere(whereGranted([...inherited.toAll, ...inherited.toResource], inherited));
  };
}

/**
 * Of the keys without access of their own: those with a policy that grants it, and those without one that confines them.
 *
 * The latter are taken apart into those without policies and those with one that says nothing, so that there is an index
 * for each: keys that a policy confines may be many.
 */
function whereGranted(granting: readonly string[], { toListed, toNoneSaid }: Inherited): Condition {
  if (toListed.length === 0) return (query) => void query.whereNull('access_type');
  return (query) => {
    void query.where((bare) => {
      void bare.whereNull('access_type').whereRaw(`policy_ids = '{}'`);
    });
    if (granting.length > 0) {
      void query.orWhere((granted) => {
        void granted.whereNull('access_type').where(whereReferring(granting));
      });
    }
    if (toNoneSaid.length > 0) {
      void query.orWhere((untold) => {
        void untold
          .whereNull('access_type')
          .where(whereReferring(toNoneSaid))
          .whereNot(whereReferring(toListed));
      });
    }
  };
}

/** Keys that refer to one of some policies. */
function whereReferring(policyIds: readonly string[]): Condition {
  return (query) => void query.whereRaw('policy_ids && ?::text[]', [[...policyIds]]);
}

/**
 * Keys with a text in one of three. Nothing of Postgres' own finds the middle of a text by an index, so this looks at each
 * key; one `strpos` takes half as long as three `ILIKE`. What is upper and lower case is as the database's locale says: in
 * the locale C only of A to Z.
 */
function whereContains(text: string): Condition {
  // Between the texts stands what is not in the one that is looked for, so that no end and beginning make it.
  const separator = SEPARATORS.find((candidate) => !text.includes(candidate)) ?? '';
  return (query) => {
    void query.whereRaw(
      'strpos(lower(display_name || ?::text || owner_id || ?::text || id), lower(?::text)) > 0',
      [separator, separator, text],
    );
  };
}

/** Characters for private use, which have no case: more than a text has that is looked for. */
const SEPARATORS = Array.from({ length: 257 }, (_, index) => String.fromCharCode(0xe000 + index));
