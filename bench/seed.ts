import type pg from 'pg';
import { newId } from '../core/ids.ts';
import type { KeyAttributes } from '../core/key.ts';
import { RATE_MAX, type Limit } from '../core/limit.ts';
import { NO_RESTRICTIONS } from '../core/rules.ts';
import { digestToken, newToken } from '../core/token.ts';
import { keyWithToken } from '../server/lifecycle/create-key.ts';
import type { Store } from '../server/lifecycle/ports.ts';

/** The key that all others are copies of. */
export interface Template {
  readonly id: string;
  readonly token: string;
  readonly keyspaceId: string;
  readonly tokenPrefix: string;
  /** A key with nothing but one scope. */
  readonly bare: SeededKey;
  /** A key with 20 path patterns, 20 address ranges and 50 scopes; what the benchmark asks for matches the last of each. */
  readonly ruled: SeededKey;
  /** Keys like `bare` with rate limits that nothing reaches: one, and three. */
  readonly limited: SeededKey;
  readonly limitedThrice: SeededKey;
  /** A key with a limit of 100 per 10 s. */
  readonly tight: SeededKey;
}

/** A key whose token is known. */
export interface SeededKey {
  readonly id: string;
  readonly token: string;
}

/** Makes a keyspace and one key in it such as a user would: an owner, some scopes, some metadata. */
export async function seedTemplate(store: Store): Promise<Template> {
  const nowMs = Date.now();
  const keyspace = {
    id: newId('keyspace'),
    slug: 'bench',
    tokenPrefix: 'bench',
    displayName: 'Keys of the benchmark',
    defaultTtlMs: null,
    maxTtlMs: null,
    requireExpiry: false,
    apis: [],
    createTimeMs: nowMs,
    updateTimeMs: nowMs,
    version: 1,
  };
  await store.keyspaces.insert(keyspace);

  async function insert(attributes: Partial<KeyAttributes>): Promise<SeededKey> {
    const id = newId('key');
    const token = newToken(keyspace.tokenPrefix, id);
    const nothing = {
      displayName: '',
      ownerId: '',
      policyIds: [],
      scopes: [],
      resourceAccess: null,
      restrictions: NO_RESTRICTIONS,
      limits: [],
      metadata: {},
      tags: [],
      expireTimeMs: null,
    };
    const key = {
      id,
      token,
      keyspace,
      attributes: { ...nothing, ...attributes },
      createdBy: 'system',
      nowMs,
    };
    await store.keys.insert(keyWithToken(key));
    return { id, token };
  }

  const key = await insert({
    displayName: 'Orders export, production',
    ownerId: 'customer-4711',
    scopes: ['orders:read', 'orders:write', 'catalogue:*'],
    resourceAccess: { type: 'LISTED', ids: ['store-1', 'store-2', 'store-3'] },
    metadata: { plan: 'gold', region: 'eu-west' },
    tags: ['partner'],
    expireTimeMs: nowMs + 365 * 24 * 60 * 60 * 1000,
  });
  const bare = await insert({ scopes: ['orders:read'] });
  const ruled = await insert({
    scopes: [...Array.from({ length: 49 }, (_, index) => `area-${index}:*`), 'orders:read'],
    restrictions: {
      ...NO_RESTRICTIONS,
      allowedIps: [
        ...Array.from({ length: 19 }, (_, index) => `10.${index}.0.0/${index + 16}`),
        '203.0.113.0/24',
      ],
      apiTargets: [
        {
          api: 'orders',
          verbs: [],
          paths: [
            ...Array.from({ length: 19 }, (_, index) => `/api/v*/area-${index}/*`),
            '/api/v*/orders/statuses',
          ],
          groups: [],
        },
      ],
    },
  });
  const limits = [
    { name: 'calls', windowMs: 10_000 },
    { name: 'burst', windowMs: 1000 },
    { name: 'sustained', windowMs: 3_600_000 },
  ].map(({ name, windowMs }) => rateLimit(name, RATE_MAX, windowMs));
  const limited = await insert({ scopes: ['orders:read'], limits: limits.slice(0, 1) });
  const limitedThrice = await insert({ scopes: ['orders:read'], limits });
  return {
    ...key,
    keyspaceId: keyspace.id,
    tokenPrefix: keyspace.tokenPrefix,
    bare,
    ruled,
    limited,
    limitedThrice,
    tight: await insert({ scopes: ['orders:read'], limits: [rateLimit('calls', 100, 10_000)] }),
  };
}

/** A rate limit that every verification charges. */
export function rateLimit(name: string, limit: number, windowMs: number): Limit {
  return { name, rule: { kind: 'RATE', limit, windowMs }, onDemand: false, onUnavailable: 'DENY' };
}

/**
 * Copies the template `count` times inside the database: a million rows take it about a minute. `known` of the copies
 * get tokens, which are returned; the digests of the others are those of no token.
 */
export async function seedKeys(
  client: pg.Client,
  options: { readonly template: Template; readonly count: number; readonly known: number },
): Promise<readonly SeededKey[]> {
  const { template, count } = options;
  const keys = Array.from({ length: Math.min(options.known, count) }, () => {
    const id = newId('key');
    return { id, token: newToken(template.tokenPrefix, id) };
  });
  const digests = keys.map(({ token }) => digestToken(token));
  await client.query('BEGIN');
  await client.query('SET LOCAL statement_timeout = 0');
  await client.query('CREATE TEMPORARY TABLE copies (id text, digest bytea) ON COMMIT DROP');
  // The other ids have 64 random bits instead of 95: the same shape, and no two alike.
  await client.query(
    `INSERT INTO copies
       SELECT 'key_' || left(md5(random()::text || n), 16), sha256(n::text::bytea)
         FROM generate_series(1, $1::integer) AS n`,
    [count - keys.length],
  );
  await client.query('INSERT INTO copies SELECT * FROM unnest($1::text[], $2::bytea[])', [
    keys.map(({ id }) => id),
    digests,
  ]);
  await copyRows(client, 'keys', { id: 'copies.id' }, ['id', template.id]);
  const secretColumns = {
    id: `'sec_' || substr(copies.id, 5)`,
    key_id: 'copies.id',
    digest: 'copies.digest',
  };
  await copyRows(client, 'key_secrets', secretColumns, ['key_id', template.id]);
  await client.query('COMMIT');
  await client.query('VACUUM ANALYZE keys, key_secrets');
  return keys;
}

/** Inserts one copy of a row for each of `copies`, ordered by id: some columns differ, all others are the row's own. */
async function copyRows(
  client: pg.Client,
  table: 'keys' | 'key_secrets',
  different: Readonly<Record<string, string>>,
  [column, value]: readonly [column: string, value: string],
): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
      WHERE table_schema = current_schema() AND table_name = $1`,
    [table],
  );
  const names = rows.map(({ name }) => name);
  const values = names.map((name) => different[name] ?? `template."${name}"`);
  await client.query(
    `INSERT INTO ${table} (${names.map((name) => `"${name}"`).join(', ')})
       SELECT ${values.join(', ')} FROM ${table} AS template, copies
        WHERE template.${column} = $1 ORDER BY copies.id COLLATE "C"`,
    [value],
  );
}
