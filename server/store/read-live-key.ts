import type { Knex } from 'knex';
import type { Limit, LimitOverride } from '../../core/limit.ts';
import type { LiveKey } from '../../core/snapshot.ts';
import type { Api } from '../../core/rules.ts';
import { digestOfRef } from '../../core/token.ts';
import { KEY_COLUMNS, readKey, readPolicy, type KeyRow, type PolicyRow, type SecretRow } from './rows.ts';

type Row = Omit<KeyRow, 'search_text'> & {
  readonly secret_id: string;
  readonly secret_digest: Buffer;
  readonly secret_hint: string;
  readonly secret_imported: boolean;
  readonly secret_create_time: Date;
  readonly secret_expire_time: Date | null;
  readonly owner_suspended: boolean;
  /** Null: the key has no owner. */
  readonly owner_limits: readonly Limit[] | null;
  readonly owner_limit_overrides: readonly LimitOverride[] | null;
  readonly keyspace_version: string;
  /** In JSON, times as texts. */
  readonly policies: readonly (Omit<PolicyRow, 'create_time' | 'update_time' | 'version'> & {
    readonly create_time: string;
    readonly update_time: string;
    readonly version: number;
  })[];
};

/** Reads keys for verification. */
export interface LiveKeyReader {
  /** A key that is not deleted with all that it is judged by, found by its id or by the digest of a foreign token. */
  read(ref: string): Promise<LiveKey | undefined>;
  /** Whether there are imported keys. */
  hasImports(): Promise<boolean>;
}

/** Catalogues kept of so many keyspaces. */
const CATALOGUES_MAX = 1000;

/**
 * The read behind a cold verification: one round trip over primary indexes, so that the key, its policies and its owner
 * are of one moment. It is the only query on the way of a verification; a keyspace's catalogue, which may be large, is
 * read in a second one if its version is not the one that is known.
 */
export function createLiveKeyReader(knex: Knex, { prepared }: { readonly prepared: boolean }): LiveKeyReader {
  /** By keyspace. Of one version there is one object, so that it is compiled once for all keys. */
  const catalogues = new Map<string, { readonly version: string; readonly apis: readonly Api[] }>();

  async function catalogueOf(row: Row): Promise<readonly Api[]> {
    const { keyspace_id: id, keyspace_version: version } = row;
    const known = catalogues.get(id);
    if (known?.version === version) return known.apis;
    const [keyspace] = await knex<{ id: string; version: string; apis: readonly Api[] }>('keyspaces')
      .select('version', 'apis')
      .where({ id });
    // It may be newer than the key's row; then its change is told after this read began, which is not remembered.
    const read = { version: keyspace?.version ?? version, apis: keyspace?.apis ?? [] };
    if (catalogues.size >= CATALOGUES_MAX) catalogues.clear();
    catalogues.set(id, read);
    return read.apis;
  }

  return {
    async read(ref) {
      const digestHex = digestOfRef(ref);
      const byDigest = digestHex !== undefined;
      const statement = knex.raw(
        `SELECT ${KEY_COLUMNS.map((column) => `k.${column}`).join(', ')},
                s.id AS secret_id, s.digest AS secret_digest, s.hint AS secret_hint, s.imported AS secret_imported,
                s.create_time AS secret_create_time, s.expire_time AS secret_expire_time,
                ks.version AS keyspace_version,
                o.suspend_time IS NOT NULL AS owner_suspended, o.limits AS owner_limits,
                o.limit_overrides AS owner_limit_overrides,
                CASE WHEN k.policy_ids = '{}' THEN '[]'::jsonb
                     ELSE (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY array_position(k.policy_ids, p.id)), '[]')
                             FROM policies p WHERE p.id = ANY (k.policy_ids)) END AS policies
           FROM keys k
           JOIN key_secrets s ON s.key_id = k.id
           JOIN keyspaces ks ON ks.id = k.keyspace_id
           LEFT JOIN owners o ON o.keyspace_id = k.keyspace_id AND o.id = k.owner_id
          WHERE k.id = ${byDigest ? '(SELECT key_id FROM key_secrets WHERE digest = ? AND imported)' : '?'}
            AND k.delete_time IS NULL
          ORDER BY s.create_time DESC, s.id`,
        [byDigest ? Buffer.from(digestHex, 'hex') : ref],
      );
      // Prepared once a connection: to plan it takes Postgres ten times as long as to run it.
      const name = byDigest ? 'latchkey_key_by_digest' : 'latchkey_key_by_id';
      const { rows } = (await (prepared ? statement.options({ name }) : statement)) as unknown as {
        readonly rows: readonly Row[];
      };
      const first = rows[0];
      if (first === undefined) return undefined;
      return {
        key: readKey(first, rows.map(secretOf)),
        policies: first.policies.map((policy) =>
          readPolicy({
            ...policy,
            create_time: new Date(policy.create_time),
            update_time: new Date(policy.update_time),
            version: String(policy.version),
          }),
        ),
        ownerSuspended: first.owner_suspended,
        ownerLimits: first.owner_limits ?? [],
        ownerLimitOverrides: first.owner_limit_overrides ?? [],
        apis: await catalogueOf(first),
      };
    },

    async hasImports() {
      return (await knex('key_secrets').select(knex.raw('1')).where('imported', true).limit(1)).length > 0;
    },
  };
}

function secretOf(row: Row): SecretRow {
  return {
    id: row.secret_id,
    key_id: row.id,
    digest: row.secret_digest,
    hint: row.secret_hint,
    imported: row.secret_imported,
    create_time: row.secret_create_time,
    expire_time: row.secret_expire_time,
  };
}
