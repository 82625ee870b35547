import type { Knex } from 'knex';
import { Fault } from '../../core/fault.ts';
import type { KeyRecord } from '../../core/key.ts';
import type { KeyFilter, KeyPage, KeyRepository } from '../lifecycle/ports.ts';
import { isForeignKeyViolation } from './errors.ts';
import { readKey, writeKey, writeSecret, type KeyRow, type SecretRow } from './rows.ts';

export function createKeyRepository(knex: Knex): KeyRepository {
  async function withSecrets(rows: readonly KeyRow[]): Promise<KeyRecord[]> {
    if (rows.length === 0) return [];
    const secrets = await knex<SecretRow>('key_secrets')
      .whereIn(
        'key_id',
        rows.map(({ id }) => id),
      )
      .orderBy([{ column: 'create_time', order: 'desc' }, 'id']);
    const byKey = new Map<string, SecretRow[]>(rows.map(({ id }) => [id, []]));
    for (const secret of secrets) byKey.get(secret.key_id)?.push(secret);
    return rows.map((row) => readKey(row, byKey.get(row.id) ?? []));
  }

  return {
    async get(id, lock = 'none') {
      const query = knex<KeyRow>('keys').where({ id });
      const rows = await (lock === 'update' ? query.forUpdate() : query);
      return (await withSecrets(rows))[0];
    },

    async list({ filter, newestFirst, after, limit, nowMs }: KeyPage) {
      const query = knex<KeyRow>('keys');
      applyFilter(query, filter, nowMs);
      if (after !== undefined) {
        const position = [new Date(after.createTimeMs), after.id];
        query.whereRaw(`(create_time, id) ${newestFirst ? '<' : '>'} (?, ?)`, position);
      }
      const order = newestFirst ? 'desc' : 'asc';
      const rows = await query
        .orderBy([
          { column: 'create_time', order },
          { column: 'id', order },
        ])
        .limit(limit);
      return withSecrets(rows);
    },

    async insert(key) {
      try {
        await knex('keys').insert(writeKey(key));
      } catch (error) {
        if (!isForeignKeyViolation(error)) throw error;
        // The keyspace was deleted between its reading and this insert.
        throw new Fault('KEYSPACE_NOT_FOUND', `there is no keyspace ${key.keyspaceId}`, { cause: error });
      }
      await knex('key_secrets').insert(key.secrets.map((secret) => writeSecret(key.id, secret)));
    },

    async update(key) {
      await knex('keys').where({ id: key.id }).update(writeKey(key));
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

function applyFilter(query: Knex.QueryBuilder, filter: KeyFilter, nowMs: number): void {
  if (filter.keyspaceIds !== undefined) query.whereIn('keyspace_id', filter.keyspaceIds);
  if (filter.exceptKeyspaceIds.length > 0) query.whereNotIn('keyspace_id', filter.exceptKeyspaceIds);
  if (!filter.showDeleted) query.whereNull('delete_time');
  if (filter.states.length > 0) {
    query.where((states) => {
      for (const state of filter.states) void states.orWhere(whereState(state, nowMs));
    });
  }
  if (filter.accessType !== undefined) query.where('access_type', filter.accessType);
  if (filter.resource !== undefined) {
    query.whereRaw(`(access_type = 'ALL' OR resources @> ARRAY[?]::text[])`, [filter.resource]);
  }
  // The empty owner is none; saying so lets the planner use the partial index.
  if (filter.ownerId !== undefined) query.where('owner_id', filter.ownerId).where('owner_id', '<>', '');
  if (filter.tag !== undefined) query.whereRaw('tags @> ARRAY[?]::text[]', [filter.tag]);
  if (filter.scope !== undefined) query.whereRaw('scopes @> ARRAY[?]::text[]', [filter.scope]);
  if (filter.search !== undefined) {
    const pattern = `%${filter.search.replace(/[\\%_]/g, '\\$&')}%`;
    query.where((texts) => {
      void texts
        .whereILike('display_name', pattern)
        .orWhereILike('owner_id', pattern)
        .orWhereILike('id', pattern);
    });
  }
  if (filter.expiresBeforeMs !== undefined) query.where('expire_time', '<', new Date(filter.expiresBeforeMs));
  if (filter.createdAfterMs !== undefined) query.where('create_time', '>', new Date(filter.createdAfterMs));
}

function whereState(state: KeyFilter['states'][number], nowMs: number): (query: Knex.QueryBuilder) => void {
  const now = new Date(nowMs);
  return (query) => {
    void query.where('switch', state === 'EXPIRED' ? 'ACTIVE' : state);
    if (state === 'EXPIRED') void query.where('expire_time', '<=', now);
    if (state === 'ACTIVE') void query.whereRaw('(expire_time IS NULL OR expire_time > ?)', [now]);
  };
}
