import type { Knex } from 'knex';
import { Fault } from '../../core/fault.ts';
import type { KeyRecord } from '../../core/key.ts';
import type { KeyRepository } from '../lifecycle/ports.ts';
import { isForeignKeyViolation } from './errors.ts';
import { inBatches } from './in-batches.ts';
import { whereLists, whereOwner } from './key-filter.ts';
import { readKeyPage } from './read-key-page.ts';
import { SEARCH_TEXT_WITHOUT_OWNER } from './search-text.ts';
import {
  readUsedKey,
  writeKey,
  writeSecret,
  type KeyRow,
  type SecretRow,
  type UsedSecretRow,
} from './rows.ts';

export function createKeyRepository(knex: Knex): KeyRepository {
  async function withSecrets(rows: readonly KeyRow[]): Promise<KeyRecord[]> {
    if (rows.length === 0) return [];
    const secrets = await knex<SecretRow>('key_secrets as s')
      .leftJoin('secret_uses as u', 'u.secret_id', 's.id')
      .select<readonly UsedSecretRow[]>(
        's.*',
        'u.last_used_time',
        // Of secrets that are gone too.
        knex.raw(
          '(SELECT max(last_used_time) FROM secret_uses WHERE key_id = s.key_id) AS key_last_used_time',
        ),
      )
      .whereIn(
        's.key_id',
        rows.map(({ id }) => id),
      )
      .orderBy([{ column: 's.create_time', order: 'desc' }, 's.id']);
    const byKey = new Map<string, UsedSecretRow[]>(rows.map(({ id }) => [id, []]));
    for (const secret of secrets) byKey.get(secret.key_id)?.push(secret);
    return rows.map((row) => readUsedKey(row, byKey.get(row.id) ?? []));
  }

  async function insertWithoutSecrets(key: KeyRecord): Promise<void> {
    try {
      await knex('keys').insert(writeKey(key));
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
      // The keyspace was deleted between its reading and this insert.
      throw new Fault('KEYSPACE_NOT_FOUND', `there is no keyspace ${key.keyspaceId}`, { cause: error });
    }
  }

  /** From its making on, a key is idle. */
  async function insertUses({ id, createTimeMs, secrets }: KeyRecord): Promise<void> {
    const idleSince = new Date(createTimeMs);
    await knex('secret_uses').insert(
      secrets.map((secret) => ({ secret_id: secret.id, key_id: id, idle_since: idleSince })),
    );
  }

  return {
    async get(id, lock = 'none') {
      const query = knex<KeyRow>('keys').where({ id });
      const rows = await (lock === 'update' ? query.forUpdate() : query);
      return (await withSecrets(rows))[0];
    },

    list: async (page) => withSecrets(await readKeyPage(knex, page)),

    async insert(key) {
      await insertWithoutSecrets(key);
      await knex('key_secrets').insert(key.secrets.map((secret) => writeSecret(key.id, secret)));
      await insertUses(key);
    },

    async update(key) {
      await knex('keys').where({ id: key.id }).update(writeKey(key));
    },

    async idsOf(
      { keyspaceId, ownerId, policyId, tag, createdBeforeMs, revocableOnly },
      limit,
      lock = 'none',
    ) {
      const query = knex<KeyRow>('keys')
        .select('id')
        .where('keyspace_id', keyspaceId)
        .whereNull('delete_time');
      if (ownerId !== undefined) query.where(whereOwner(ownerId));
      if (policyId !== undefined) query.where(whereLists('policy_ids', policyId));
      if (tag !== undefined) query.where(whereLists('tags', tag));
      if (createdBeforeMs !== undefined) query.where('create_time', '<', new Date(createdBeforeMs));
      if (revocableOnly === true) query.whereNot('switch', 'REVOKED');
      query.orderBy(['create_time', 'id']).limit(limit);
      return (await (lock === 'update' ? query.forUpdate() : query)).map(({ id }) => id);
    },

    revokeMany: (ids, { timeMs, reason }) =>
      inBatches(ids, async (batch) => {
        await knex('keys')
          .whereIn('id', batch)
          .update({
            switch: 'REVOKED',
            revoke_time: new Date(timeMs),
            revoke_reason: reason,
            update_time: new Date(timeMs),
            version: knex.raw('version + 1'),
          });
      }),

    async detachOwner(keyspaceId, ownerId, nowMs) {
      const rows = await knex<KeyRow>('keys')
        .where('keyspace_id', keyspaceId)
        .where(whereOwner(ownerId))
        .update(
          {
            owner_id: '',
            search_text: knex.raw(SEARCH_TEXT_WITHOUT_OWNER),
            update_time: new Date(nowMs),
            version: knex.raw('version + 1'),
          },
          ['id'],
        );
      return rows.map(({ id }) => id);
    },

    async importedBy(digestsHex) {
      if (digestsHex.length === 0) return [];
      const rows = await knex('key_secrets as s')
        .join('keys as k', 'k.id', 's.key_id')
        .select<
          readonly {
            readonly digest: Buffer;
            readonly id: string;
            readonly keyspace_id: string;
            readonly delete_time: Date | null;
          }[]
        >('s.digest', 'k.id', 'k.keyspace_id', 'k.delete_time')
        .where('s.imported', true)
        .whereIn(
          's.digest',
          digestsHex.map((digestHex) => Buffer.from(digestHex, 'hex')),
        );
      return rows.map(({ digest, id, keyspace_id: keyspaceId, delete_time: deleteTime }) => [
        digest.toString('hex'),
        { id, keyspaceId, deleted: deleteTime !== null },
      ]);
    },

    async insertImported(key) {
      await insertWithoutSecrets(key);
      const secrets = await knex('key_secrets')
        .insert(key.secrets.map((secret) => writeSecret(key.id, secret)))
        .onConflict(knex.raw('(digest) WHERE imported'))
        .ignore()
        .returning('id');
      if (secrets.length > 0) {
        await insertUses(key);
        return true;
      }
      await knex('keys').where({ id: key.id }).delete();
      return false;
    },

    async replaceSecrets({ id, secrets }) {
      await knex('key_secrets')
        .where('key_id', id)
        .whereNotIn(
          'id',
          secrets.map((secret) => secret.id),
        )
        .delete();
      await knex('key_secrets')
        .insert(secrets.map((secret) => writeSecret(id, secret)))
        .onConflict('id')
        .merge(['expire_time']);
    },

    async countIn(keyspaceId) {
      const rows = await knex('keys')
        .where({ keyspace_id: keyspaceId })
        .whereNull('delete_time')
        .count({ keys: '*' });
      return Number(rows[0]?.['keys'] ?? 0);
    },

    async purgeDeletedIn(keyspaceId) {
      await knex('keys').where({ keyspace_id: keyspaceId }).whereNotNull('delete_time').delete();
    },

    async purgeDue(nowMs, limit) {
      const due = knex('keys').select('id').where('purge_time', '<=', new Date(nowMs)).limit(limit);
      return knex('keys').whereIn('id', due).delete();
    },
  };
}
