import type { Knex } from 'knex';
import { Fault } from '../../core/fault.ts';
import type { PolicyRecord } from '../../core/policy.ts';
import type { PolicyRepository } from '../lifecycle/ports.ts';
import { isForeignKeyViolation, isUniqueViolation } from './errors.ts';
import { readPolicy, writePolicy, type PolicyRow } from './rows.ts';

export function createPolicyRepository(knex: Knex): PolicyRepository {
  return {
    async get(id, lock = 'none') {
      const query = knex<PolicyRow>('policies').where({ id });
      const [row] = await (lock === 'update' ? query.forUpdate() : query);
      return row === undefined ? undefined : readPolicy(row);
    },

    async getMany(ids, lock = 'none') {
      if (ids.length === 0) return [];
      const query = knex<PolicyRow>('policies').whereIn('id', ids).orderBy('id');
      return (await (lock === 'share' ? query.forShare() : query)).map(readPolicy);
    },

    async list({ keyspaceId, afterName, limit }) {
      const query = knex<PolicyRow>('policies').where({ keyspace_id: keyspaceId });
      if (afterName !== undefined) query.whereRaw('display_name COLLATE "C" > ?', [afterName]);
      return (await query.orderByRaw('display_name COLLATE "C"').limit(limit)).map(readPolicy);
    },

    insert: (policy) => naming(policy, () => knex('policies').insert(writePolicy(policy))),

    update: (policy) =>
      naming(policy, () => knex('policies').where({ id: policy.id }).update(writePolicy(policy))),

    async delete(id) {
      await knex('policies').where({ id }).delete();
    },

    async countKeys({ id, keyspaceId }) {
      const rows = await knex('keys')
        .where({ keyspace_id: keyspaceId })
        .whereRaw('policy_ids @> ARRAY[?]::text[]', [id])
        .count({ keys: '*' });
      return Number(rows[0]?.['keys'] ?? 0);
    },
  };
}

/** Runs a write, and says what is wrong with a name or a keyspace. */
async function naming(policy: PolicyRecord, write: () => PromiseLike<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (isUniqueViolation(error)) {
      throw new Fault(
        'POLICY_NAME_TAKEN',
        `policy.display_name: the keyspace ${policy.keyspaceId} has a policy of this name already`,
        { cause: error },
      );
    }
    if (!isForeignKeyViolation(error)) throw error;
    throw new Fault('KEYSPACE_NOT_FOUND', `there is no keyspace ${policy.keyspaceId}`, { cause: error });
  }
}
