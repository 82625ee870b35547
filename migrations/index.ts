import type { Knex } from 'knex';
import * as initial from './0001-initial.ts';
import * as rules from './0002-rules.ts';
import * as searchAndUses from './0003-search-and-uses.ts';
import * as changeLog from './0004-change-log.ts';
import * as limits from './0005-limits.ts';

/** A step of the schema. Once released it is never changed; the next step mends it. */
export interface Migration {
  up(knex: Knex): Promise<void>;
  down(knex: Knex): Promise<void>;
}

/**
 * The steps of the schema, oldest first. knex keeps the names in its table, so they never change; they are not file
 * names, which differ between development (`.ts`) and production (`.js`).
 */
export const MIGRATIONS: readonly (readonly [name: string, migration: Migration])[] = [
  ['0001-initial', initial],
  ['0002-rules', rules],
  ['0003-search-and-uses', searchAndUses],
  ['0004-change-log', changeLog],
  ['0005-limits', limits],
];
