import type { Knex } from 'knex';
import { Fault } from '../../core/fault.ts';
import type { KeyCounts, OwnerRepository } from '../lifecycle/ports.ts';
import { isForeignKeyViolation, isUniqueViolation } from './errors.ts';
import { readOwner, writeOwner, type OwnerRow } from './rows.ts';

export function createOwnerRepository(knex: Knex): OwnerRepository {
  return {
    async get(keyspaceId, id, lock = 'none') {
      const query = knex<OwnerRow>('owners').where({ keyspace_id: keyspaceId, id });
      const [row] = await (lock === 'update' ? query.forUpdate() : query);
      return row === undefined ? undefined : readOwner(row);
    },

    async list({ keyspaceId, suspendedOnly, afterId, limit }) {
      const query = knex<OwnerRow>('owners').where({ keyspace_id: keyspaceId });
      if (suspendedOnly) query.whereNotNull('suspend_time');
      if (afterId !== undefined) query.where('id', '>', afterId);
      return (await query.orderBy('id').limit(limit)).map(readOwner);
    },

    async insert(owner) {
      try {
        await knex('owners').insert(writeOwner(owner));
      } catch (error) {
        if (isUniqueViolation(error)) {
          const { keyspaceId } = owner;
          throw new Fault(
            'OWNER_EXISTS',
            `owner.id: the keyspace ${keyspaceId} has an owner of this id already`,
            {
              cause: error,
            },
          );
        }
        if (!isForeignKeyViolation(error)) throw error;
        throw new Fault('KEYSPACE_NOT_FOUND', `there is no keyspace ${owner.keyspaceId}`, { cause: error });
      }
    },

    async ensure(owners) {
      if (owners.length === 0) return [];
      // In one order everywhere, so that two transactions that name the same owners cannot wait for each other.
      const ordered = [...owners].toSorted((one, other) => (one.id < other.id ? -1 : 1));
      const names = ordered.map(({ keyspaceId, id }) => [keyspaceId, id]);
      const inserted: OwnerRow[] = [];
      for (;;) {
        try {
          const rows = (await knex('owners')
            .insert(ordered.map(writeOwner))
            .onConflict(['keyspace_id', 'id'])
            .ignore()
            .returning('*')) as OwnerRow[];
          inserted.push(...rows);
        } catch (error) {
          if (!isForeignKeyViolation(error)) throw error;
          // The keyspace was deleted meanwhile.
          throw new Fault('KEYSPACE_NOT_FOUND', 'there is no such keyspace any more', { cause: error });
        }
        const held = await knex('owners')
          .select('id')
          .whereIn(['keyspace_id', 'id'], names)
          .orderBy('id')
          .forShare();
        // One that another transaction deleted while this one waited for it is made anew.
        if (held.length === new Set(ordered.map(({ id }) => id)).size) return inserted.map(readOwner);
      }
    },

    async update(owner) {
      await knex('owners').where({ keyspace_id: owner.keyspaceId, id: owner.id }).update(writeOwner(owner));
    },

    async delete(keyspaceId, id) {
      await knex('owners').where({ keyspace_id: keyspaceId, id }).delete();
    },

    async countKeys(keyspaceId, id, nowMs) {
      const { rows } = (await knex.raw(
        `SELECT CASE WHEN switch = 'ACTIVE' AND expire_time <= ? THEN 'EXPIRED' ELSE switch END AS state,
                count(*)::integer AS keys
           FROM keys
          WHERE keyspace_id = ? AND owner_id = ? AND owner_id <> '' AND delete_time IS NULL
          GROUP BY 1`,
        [new Date(nowMs), keyspaceId, id],
      )) as unknown as {
        readonly rows: readonly { readonly state: keyof KeyCounts; readonly keys: number }[];
      };
      const counts = { ACTIVE: 0, DISABLED: 0, REVOKED: 0, EXPIRED: 0 };
      for (const { state, keys } of rows) counts[state] = keys;
      return counts;
    },
  };
}
