import type { Knex } from 'knex';
import type { KeyFilter } from '../lifecycle/ports.ts';
import type { PolicyRow } from './rows.ts';
import { foldText, gramsQuery } from './search-text.ts';

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
      if (scope !== undefined) void useful.orWhere(whereLists('scopes', scope));
      if (api !== undefined) void useful.orWhere(whereLists('apis', api));
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

/**
 * The keys that match every field of a filter.
 *
 * @param options.nowMs the time by which EXPIRED is judged
 * @param options.walking whether few rows are looked at anyway: then a text is looked for in each of them only, because
 *   the planner would go to its grams, which may take longer
 */
export function applyFilter(
  query: Knex.QueryBuilder,
  filter: KeyFilter,
  options: { readonly inherited: Inherited; readonly nowMs: number; readonly walking: boolean },
): void {
  const { inherited, nowMs, walking } = options;
  inKeyspaces(query, filter);
  if (!filter.showDeleted) query.whereNull('delete_time');
  if (filter.states.length > 0) {
    query.where((states) => {
      for (const state of filter.states) void states.orWhere(whereState(state, nowMs));
    });
  }
  if (filter.accessType !== undefined) query.where(whereAccess(filter.accessType, inherited));
  if (filter.resource !== undefined) query.where(whereResource(filter.resource, inherited));
  if (filter.ownerId !== undefined) query.where(whereOwner(filter.ownerId));
  if (filter.policyId !== undefined) query.where(whereLists('policy_ids', filter.policyId));
  if (filter.tag !== undefined) query.where(whereLists('tags', filter.tag));
  if (filter.scope !== undefined) query.where(whereHas('scopes', filter.scope, inherited.withScope));
  if (filter.api !== undefined) query.where(whereHas('apis', filter.api, inherited.withApi));
  if (filter.search !== undefined) query.where(whereContains(filter.search, walking));
  if (filter.expiresBeforeMs !== undefined) query.where('expire_time', '<', new Date(filter.expiresBeforeMs));
  if (filter.lastUsedBeforeMs !== undefined) query.where(whereIdleSince(filter.lastUsedBeforeMs));
  if (filter.createdAfterMs !== undefined) query.where('create_time', '>', new Date(filter.createdAfterMs));
}

type Condition = (query: Knex.QueryBuilder) => void;

/** Keys of an owner. The empty owner is none; saying so lets the planner use the partial index. */
export function whereOwner(ownerId: string): Condition {
  return (query) => void query.where('owner_id', ownerId).where('owner_id', '<>', '');
}

/** Keys that list a value themselves. */
export function whereLists(
  column: 'apis' | 'policy_ids' | 'resources' | 'scopes' | 'tags',
  value: string,
): Condition {
  return (query) => void query.whereRaw('?? @> ARRAY[?]::text[]', [column, value]);
}

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
    void query.where(whereLists(column, value));
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
      .orWhere(whereLists('resources', resource))
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

/** Keys none of whose secrets was used since a time; one that was never used has been idle since the key was made. */
function whereIdleSince(timeMs: number): Condition {
  const time = new Date(timeMs);
  return (query) => {
    void query
      .whereRaw('id IN (SELECT key_id FROM secret_uses WHERE idle_since < ?)', [time])
      .whereRaw(
        'NOT EXISTS (SELECT 1 FROM secret_uses AS u WHERE u.key_id = keys.id AND u.idle_since >= ?)',
        [time],
      );
  };
}

/** Keys that refer to one of some policies. */
function whereReferring(policyIds: readonly string[]): Condition {
  return (query) => void query.whereRaw('policy_ids && ?::text[]', [[...policyIds]]);
}

/**
 * Keys with a text in what people know of them (search-text.ts). The grams find them by an index, and may stand elsewhere
 * or in another order.
 */
function whereContains(text: string, walking: boolean): Condition {
  const folded = foldText(text);
  return (query) => {
    void query.whereRaw('strpos(search_text, ?) > 0', [folded]);
    if (!walking) void query.whereRaw('latchkey_grams(search_text) @@ ?::tsquery', [gramsQuery(folded)]);
  };
}
