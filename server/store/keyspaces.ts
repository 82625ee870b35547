import type { Knex } from 'knex';
import { Fault } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID } from '../../core/key.ts';
import type { KeyspaceRepository } from '../lifecycle/ports.ts';
import { isUniqueViolation } from './errors.ts';
import { readKeyspace, writeKeyspace, type KeyspaceRow } from './rows.ts';

export function createKeyspaceRepository(knex: Knex): KeyspaceRepository {
  return {
    async get(id, lock = 'none') {
      const query = knex<KeyspaceRow>('keyspaces').where({ id });
      const [row] = await (lock === 'update' ? query.forUpdate() : query);
      return row === undefined ? undefined : readKeyspace(row);
    },

    async list({ ids, withRoot, afterSlug, limit }) {
      const query = knex<KeyspaceRow>('keyspaces').orderBy('slug').limit(limit);
      if (ids !== undefined) query.whereIn('id', ids);
      if (!withRoot) query.whereNot('id', ROOT_KEYSPACE_ID);
      if (afterSlug !== undefined) query.where('slug', '>', afterSlug);
      return (await query).map(readKeyspace);
    },

    async insert(keyspace) {
      try {
        await knex('keyspaces').insert(writeKeyspace(keyspace));
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new Fault('SLUG_TAKEN', `keyspace.slug: there is a keyspace ${keyspace.slug} already`, {
          cause: error,
        });
      }
    },

    async update(keyspace) {
      await knex('keyspaces').where({ id: keyspace.id }).update(writeKeyspace(keyspace));
    },

    async delete(id) {
      await knex('keyspaces').where({ id }).delete();
    },
  };
}
