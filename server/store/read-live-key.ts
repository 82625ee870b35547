import type { Knex } from 'knex';
import type { KeyRecord } from '../../core/key.ts';
import { readKey, type KeyRow, type SecretRow } from './rows.ts';

type Row = KeyRow & {
  readonly secret_id: string;
  readonly secret_digest: Buffer;
  readonly secret_hint: string;
  readonly secret_create_time: Date;
  readonly secret_expire_time: Date | null;
};

/**
 * The read behind a cold verification: a key that is not deleted, with its secrets, in one round trip over two primary
 * indexes. It is the only query on the way of a verification.
 */
export async function readLiveKey(knex: Knex, id: string): Promise<KeyRecord | undefined> {
  const { rows } = (await knex.raw(
    `SELECT k.*, s.id AS secret_id, s.digest AS secret_digest, s.hint AS secret_hint,
            s.create_time AS secret_create_time, s.expire_time AS secret_expire_time
       FROM keys k JOIN key_secrets s ON s.key_id = k.id
      WHERE k.id = ? AND k.delete_time IS NULL
      ORDER BY s.create_time DESC, s.id`,
    [id],
  )) as unknown as { readonly rows: readonly Row[] };
  const first = rows[0];
  return first === undefined ? undefined : readKey(first, rows.map(secretOf));
}

function secretOf(row: Row): SecretRow {
  return {
    id: row.secret_id,
    key_id: row.id,
    digest: row.secret_digest,
    hint: row.secret_hint,
    create_time: row.secret_create_time,
    expire_time: row.secret_expire_time,
  };
}
