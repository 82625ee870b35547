import type { Knex } from 'knex';
import type { KeyFilter, KeyPage, KeyPosition } from '../lifecycle/ports.ts';
import { applyFilter, inKeyspaces, readInherited, whereOwner } from './key-filter.ts';
import type { KeyRow } from './rows.ts';

/** So many keys are looked at in the order of the list before the other way is taken; docs/list-plans.md. */
const STRETCH = 5000;

/**
 * Reads the rows of one page of keys, in order.
 *
 * Two ways lead to a page. Along an index in the order of the list, until enough keys have matched: fast where many do.
 * And all that match, by an index of what is asked for, sorted then: fast where few do. The planner would choose by its
 * statistics, which say nothing about values that are rare, or that only keys of another time have, and then walk through
 * a million keys to find none. So the first way is taken for a stretch of bounded length, and the second for the rest.
 *
 * Its statements each see the database of their own moment, like pages do: each covers other positions than the one
 * before, so that no key comes twice and none that matched all the time is left out.
 */
export async function readKeyPage(
  knex: Knex,
  page: KeyPage,
  stretch: number = STRETCH,
): Promise<readonly KeyRow[]> {
  const { filter, newestFirst, after, limit, nowMs } = page;
  const order = newestFirst ? 'desc' : 'asc';
  const inherited = await readInherited(knex, filter);
  const [past, upTo] = newestFirst ? (['<', '>='] as const) : (['>', '<='] as const);

  const matching = (
    query: Knex.QueryBuilder<KeyRow>,
    from: KeyPosition | undefined,
    walking: boolean,
  ): void => {
    applyFilter(query, filter, { inherited, nowMs, walking });
    if (from !== undefined) query.whereRaw(`(create_time, id) ${past} (?, ?)`, positionOf(from));
  };
  const inOrder = (query: Knex.QueryBuilder): void => {
    query.orderBy([
      { column: 'create_time', order },
      { column: 'id', order },
    ]);
  };

  /** The last position of the stretch; undefined if the list ends before. */
  async function endOfStretch(): Promise<KeyPosition | undefined> {
    const query = knex<KeyRow>('keys').select('create_time', 'id');
    walkable(query, filter);
    if (after !== undefined) query.whereRaw(`(create_time, id) ${past} (?, ?)`, positionOf(after));
    const [row] = await query
      .modify(inOrder)
      .offset(stretch - 1)
      .limit(1);
    return row === undefined ? undefined : { createTimeMs: row.create_time.getTime(), id: row.id };
  }

  const end = isSelective(filter) ? await endOfStretch() : undefined;
  const query = knex<KeyRow>('keys').modify(matching, after, true);
  if (end !== undefined) query.whereRaw(`(create_time, id) ${upTo} (?, ?)`, positionOf(end));
  const rows = await query.modify(inOrder).limit(limit);
  if (end === undefined || rows.length === limit) return rows;

  // OFFSET 0 keeps the order out of the choice of an index.
  const rest = knex<KeyRow>('keys').modify(matching, end, false);
  const more = await knex
    .from<KeyRow>(knex.raw('(? OFFSET 0) AS matching', [rest]))
    .modify(inOrder)
    .limit(limit - rows.length);
  return [...rows, ...more];
}

function positionOf({ createTimeMs, id }: KeyPosition): [Date, string] {
  return [new Date(createTimeMs), id];
}

/** The part of a filter that an index answers in the order of the list: where the keys of a stretch are counted. */
function walkable(query: Knex.QueryBuilder, filter: KeyFilter): void {
  const { createdAfterMs, ownerId } = filter;
  inKeyspaces(query, filter);
  if (createdAfterMs !== undefined) query.where('create_time', '>', new Date(createdAfterMs));
  if (!isOfOneKeyspace(filter)) return;
  if (ownerId !== undefined) query.where(whereOwner(ownerId));
  const state = onlySwitch(filter);
  if (state !== undefined) query.where('switch', state);
}

/** Whether a filter asks for more than that. */
function isSelective(filter: KeyFilter): boolean {
  const { states, accessType, resource, ownerId, policyId, tag, scope, api, search } = filter;
  const { expiresBeforeMs, lastUsedBeforeMs } = filter;
  const asked = [accessType, resource, policyId, tag, scope, api, search, expiresBeforeMs, lastUsedBeforeMs];
  if (asked.some((value) => value !== undefined)) return true;
  if (!isOfOneKeyspace(filter)) return ownerId !== undefined || states.length > 0;
  // Each has an index of its own, in order; of both at once the rarer one is to be used.
  return states.length > 0 && (onlySwitch(filter) === undefined || ownerId !== undefined);
}

function isOfOneKeyspace({ keyspaceIds }: KeyFilter): boolean {
  return keyspaceIds?.length === 1;
}

/** The one state that is asked for, if it is one that few keys have. */
function onlySwitch({ states }: KeyFilter): 'DISABLED' | 'REVOKED' | undefined {
  const [state, ...others] = new Set(states);
  return others.length === 0 && (state === 'DISABLED' || state === 'REVOKED') ? state : undefined;
}
