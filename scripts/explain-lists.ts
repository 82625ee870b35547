/**
 * Shows what lists of keys cost at a million keys: `npx tsx scripts/explain-lists.ts [keys]` fills a Postgres with skewed
 * data, lists by each filter, and prints for each what the database did, how long it took, and how long the statement
 * would take that leaves all to the planner; then what the indexes cost an insert. Takes some minutes.
 */
import createKnex, { type Knex } from 'knex';
import { describeMachine } from '../bench/machine.ts';
import { createDatabase, type BenchDatabase } from '../bench/database.ts';
import { usePostgres } from '../bench/postgres.ts';
import { EVERY_KEY, type KeyFilter, type KeyPage } from '../server/lifecycle/ports.ts';
import { applyFilter, readInherited } from '../server/store/key-filter.ts';
import { readKeyPage } from '../server/store/read-key-page.ts';

const COUNT = Number(process.argv[2] ?? 1_000_000);
const NOW_MS = Date.UTC(2026, 0, 1);
const PAGE = 51;
const ROUNDS = 3;
const SLOW_MS = 20;

/** Indexes that only lists need. */
const LIST_INDEXES = [
  'keys_by_element',
  'keys_by_access_type',
  'keys_by_switch',
  'keys_by_expire_time',
  'keys_by_gram',
];

const BIG: Partial<KeyFilter> = { keyspaceIds: ['ks_big'] };

/** What is asked for, with a word on how many keys have it. */
const QUESTIONS: readonly (readonly [about: string, filter: Partial<KeyFilter>])[] = [
  ['nothing', {}],
  ['one keyspace', BIG],
  ['a keyspace with few keys', { keyspaceIds: ['ks_small'] }],
  ['owner, 20 keys', { ...BIG, ownerId: 'customer-4711' }],
  ['owner in all keyspaces', { ownerId: 'customer-4711' }],
  ['scope, most keys', { ...BIG, scope: 'orders:read' }],
  ['scope, 1 of 200', { ...BIG, scope: 'area-17:read' }],
  ['scope, the oldest 2 % only', { ...BIG, scope: 'legacy:read' }],
  ['scope, 3 keys', { ...BIG, scope: 'rare:admin' }],
  ['scope, by a policy of 0.1 %', { ...BIG, scope: 'reports:read' }],
  ['scope, no key', { ...BIG, scope: 'no:such' }],
  ['tag, 30 %', { ...BIG, tag: 'partner' }],
  ['tag, the oldest 0.5 %', { ...BIG, tag: 'vip' }],
  ['tag, no key', { ...BIG, tag: 'no-such' }],
  ['api, 20 %', { ...BIG, api: 'orders' }],
  ['api, 20 keys', { ...BIG, api: 'ledger' }],
  ['policy, 0.1 %', { ...BIG, policyId: 'pol_store17' }],
  ['policy, 20 old keys', { ...BIG, policyId: 'pol_toall' }],
  ['resource, few of all, some by policy', { ...BIG, resource: 'store-17' }],
  ['resource, where most have access to all', { keyspaceIds: ['ks_open'], resource: 'store-17' }],
  ['access to all, 20 old keys', { ...BIG, accessType: 'ALL' }],
  ['access to listed ones, most', { ...BIG, accessType: 'LISTED' }],
  ['access to listed ones, few', { keyspaceIds: ['ks_open'], accessType: 'LISTED' }],
  ['active', { ...BIG, states: ['ACTIVE'] }],
  ['expired, 5 %', { ...BIG, states: ['EXPIRED'] }],
  ['revoked, the oldest 10 %', { ...BIG, states: ['REVOKED'] }],
  ['disabled, 100 old keys', { ...BIG, states: ['DISABLED'] }],
  ['disabled or revoked', { ...BIG, states: ['DISABLED', 'REVOKED'] }],
  ['expires before, 5 %', { ...BIG, expiresBeforeMs: NOW_MS }],
  ['expires before, few', { ...BIG, expiresBeforeMs: NOW_MS - 364 * 86_400_000 }],
  ['search, most', { ...BIG, search: 'EXPORT' }],
  ['search, one key', { ...BIG, search: 'NUMBER 4711 ' }],
  ['search, no key', { ...BIG, search: 'no such text' }],
  ['search, one of some thousand keys with its grams', { ...BIG, search: 'number 4711 of a customer' }],
  ['search, two characters, most', { ...BIG, search: 'po' }],
  ['search, two characters, no key', { ...BIG, search: 'zz' }],
  ['search, part of an id', { ...BIG, search: '1a2b3c' }],
  ['not used for a year, 0.1 %', { ...BIG, lastUsedBeforeMs: NOW_MS - 365 * 86_400_000 }],
  ['not used for a month, half', { ...BIG, lastUsedBeforeMs: NOW_MS - 30 * 86_400_000 }],
  [
    'not used for a year, the newest few',
    { ...BIG, ownerId: 'customer-4711', lastUsedBeforeMs: NOW_MS - 365 * 86_400_000 },
  ],
  ['not used for ten years, no key', { ...BIG, lastUsedBeforeMs: NOW_MS - 3650 * 86_400_000 }],
  ['scope and tag, 1 of 1000', { ...BIG, scope: 'area-17:read', tag: 'partner' }],
  ['scope of 3 keys, active', { ...BIG, scope: 'rare:admin', states: ['ACTIVE'] }],
  ['scope of 3 keys in all keyspaces', { scope: 'rare:admin' }],
  ['created in the last minute', { ...BIG, createdAfterMs: NOW_MS - 60_000 }],
];

/** Keys such as three keyspaces would have: what is asked for is common, rare, or only with old ones. */
async function fill({ query }: BenchDatabase): Promise<void> {
  const time = `to_timestamp(${NOW_MS / 1000}) - ($1::integer - n) * interval '1 second'`;
  await query(`SET statement_timeout = 0`);
  for (const name of ['big', 'small', 'open']) {
    await query(
      `INSERT INTO keyspaces (id, slug, token_prefix, display_name, require_expiry, create_time, update_time, version)
       VALUES ($1, $2, 'acme', '', false, now(), now(), 1)`,
      [`ks_${name}`, name],
    );
  }
  const policy = (id: string, keyspace: string, rules: readonly unknown[]): Promise<unknown> =>
    query(
      `INSERT INTO policies (id, keyspace_id, display_name, scopes, access_type, resources, apis, restrictions, metadata,
                             tags, create_time, update_time, version)
       VALUES ($1, $2, $1, $3, $4, $5, '{}', '{}', '{}', '{}', now(), now(), 1)`,
      [id, keyspace, ...rules],
    );
  await policy('pol_store17', 'ks_big', [[], 'LISTED', ['store-17']]);
  await policy('pol_stores', 'ks_big', [['reports:write'], 'LISTED', ['store-18', 'store-19']]);
  await policy('pol_toall', 'ks_big', [[], 'ALL', []]);
  await policy('pol_reports', 'ks_big', [['reports:read'], null, []]);
  await policy('pol_open', 'ks_open', [[], 'LISTED', ['store-20']]);
  // `part` runs through 0 … 1 with age; the newest has 1. Decided by n, so that every run has the same data.
  await query(
    `INSERT INTO keys (id, keyspace_id, token_prefix, display_name, switch, owner_id, scopes, access_type, resources,
                       restrictions, apis, policy_ids, metadata, tags, expire_time, create_time, update_time,
                       revoke_reason, delete_time, version, created_by, search_text)
     SELECT 'key_' || left(md5(n::text), 16), keyspace_id, 'acme',
            CASE WHEN n % 3 = 0 THEN 'Import number ' ELSE 'Orders export, number ' END || n || ' of a customer',
            CASE WHEN part < 0.0001 THEN 'DISABLED' WHEN part < 0.1 THEN 'REVOKED' ELSE 'ACTIVE' END,
            'customer-' || n % ($1::integer / 20),
            CASE WHEN n % 50 = 7 THEN '{}'
                 ELSE ARRAY['orders:read', 'area-' || n % 200 || ':read']
                      || CASE WHEN part < 0.02 THEN ARRAY['legacy:read'] ELSE '{}' END
                      || CASE WHEN n IN (11, 12, 13) THEN ARRAY['rare:admin'] ELSE '{}' END END,
            access_type,
            CASE WHEN access_type = 'LISTED'
                 THEN ARRAY['store-' || n % ($1::integer / 10), 'store-' || (n * 7) % ($1::integer / 10)] ELSE '{}' END,
            '{}',
            CASE WHEN n % 5 = 0 THEN ARRAY['orders'] WHEN n % ($1::integer / 20) = 1 THEN ARRAY['ledger'] ELSE '{}' END,
            CASE WHEN keyspace_id = 'ks_open' THEN CASE WHEN n % 1000 = 9 THEN ARRAY['pol_open'] ELSE '{}' END
                 WHEN n <= 20 THEN ARRAY['pol_stores', 'pol_toall']
                 WHEN n % 1000 = 7 THEN ARRAY['pol_store17', 'pol_reports']
                 WHEN n % 50 = 7 THEN ARRAY['pol_stores'] ELSE '{}' END,
            '{"plan": "gold"}',
            CASE WHEN part < 0.005 THEN ARRAY['vip'] WHEN n % 10 < 3 THEN ARRAY['partner', 'tag-' || n % 1000] ELSE '{}' END,
            CASE WHEN n % 20 = 3 THEN $2::timestamptz - (n % 365) * interval '1 day'
                 WHEN n % 2 = 0 THEN $2::timestamptz + (1 + n % 365) * interval '1 day' END,
            ${time}, ${time}, '', CASE WHEN n % 100 = 99 THEN $2::timestamptz END, 1, 'system',
            lower(CASE WHEN n % 3 = 0 THEN 'Import number ' ELSE 'Orders export, number ' END || n || ' of a customer'
                  || E'\\ncustomer-' || n % ($1::integer / 20) || E'\\nkey_' || left(md5(n::text), 16))
       FROM (SELECT n, n::float8 / $1 AS part,
                    CASE WHEN n % 1000 = 0 THEN 'ks_small' WHEN n % 20 = 9 THEN 'ks_open' ELSE 'ks_big' END AS keyspace_id,
                    CASE WHEN n % 20 = 9 THEN CASE WHEN n % 1000 = 9 THEN NULL ELSE 'ALL' END
                         WHEN n <= 20 OR n % 50 = 7 THEN NULL ELSE 'LISTED' END AS access_type
               FROM generate_series(1, $1::integer) AS n) AS numbered`,
    [COUNT, new Date(NOW_MS)],
  );
  await query(
    `INSERT INTO secret_uses (secret_id, key_id, last_used_time, idle_since)
     SELECT 'sec_' || substr(id, 5), id, used, used
       FROM (SELECT id, $1::timestamptz - CASE WHEN hashtext(id) % 1000 = 0 THEN 400 WHEN hashtext(id) % 2 = 0 THEN 60 ELSE 1 END
                        * interval '1 day' AS used FROM keys) AS uses`,
    [new Date(NOW_MS)],
  );
  await query('VACUUM ANALYZE keys');
  await query('VACUUM ANALYZE secret_uses');
  await query('ANALYZE policies');
}

interface Statement {
  readonly sql: string;
  readonly bindings: readonly unknown[];
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Plan[];
}

/** `keys_by_element`, `Seq Scan`: what a plan reads by. */
function waysOf(plan: Plan): readonly string[] {
  const own = plan['Index Name'] ?? (plan['Node Type'] === 'Seq Scan' ? 'all rows' : undefined);
  return [...(own === undefined ? [] : [own]), ...(plan.Plans ?? []).flatMap(waysOf)];
}

async function explain(database: BenchDatabase, statement: Statement): Promise<string> {
  const [row] = await database.query<{ 'QUERY PLAN': readonly { Plan: Plan; 'Execution Time': number }[] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement.sql}`,
    statement.bindings,
  );
  const result = row?.['QUERY PLAN'][0];
  if (result === undefined) throw new Error('no plan came back');
  const { Plan: plan } = result;
  const pages = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  const ways = [...new Set(waysOf(plan))].join(' + ') || plan['Node Type'];
  return `${ways} (${result['Execution Time'].toFixed(1)} ms, ${pages} pages)`;
}

/** What is sent while something runs, but the reads of policies. */
async function statementsOf(knex: Knex, work: () => Promise<unknown>): Promise<readonly Statement[]> {
  const statements: Statement[] = [];
  const listen = ({ sql, bindings }: { sql: string; bindings?: readonly unknown[] }): void => {
    if (!sql.includes('from "policies"')) statements.push({ sql, bindings: bindings ?? [] });
  };
  knex.on('query', listen);
  await work();
  knex.off('query', listen);
  return statements;
}

/** The median of some runs, ms. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startMs = performance.now();
    await work();
    times.push(performance.now() - startMs);
  }
  return median(times);
}

function pageOf(change: Partial<KeyFilter>): KeyPage {
  const filter: KeyFilter = { ...EVERY_KEY, ...change };
  return { filter, newestFirst: true, after: undefined, limit: PAGE, nowMs: NOW_MS };
}

/** The same page by one statement whose way the planner chooses. */
async function plainPage(knex: Knex, { filter, limit, nowMs }: KeyPage): Promise<unknown> {
  const query = knex('keys');
  applyFilter(query, filter, { inherited: await readInherited(knex, filter), nowMs, walking: false });
  return query
    .orderBy([
      { column: 'create_time', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .limit(limit);
}

async function showLists(database: BenchDatabase, knex: Knex): Promise<void> {
  print('| filter | rows | ms | left to the planner, ms | what the database reads by |');
  print('| --- | ---: | ---: | ---: | --- |');
  for (const [about, filter] of QUESTIONS) {
    const page = pageOf(filter);
    const rows = await readKeyPage(knex, page);
    const ms = await timed(() => readKeyPage(knex, page));
    const plainMs = await timed(() => plainPage(knex, page));
    const statements = await statementsOf(knex, () => readKeyPage(knex, page));
    const plans: string[] = [];
    for (const statement of statements) plans.push(await explain(database, statement));
    const mark = ms > SLOW_MS ? '**' : '';
    const times = `${mark}${ms.toFixed(1)}${mark} | ${plainMs.toFixed(1)}`;
    print(`| ${about} | ${rows.length} | ${times} | ${plans.join('; then ')} |`);
  }
}

/** How long rows of keys take the database without some indexes, µs a row of many, and ms of single ones. */
interface InsertCost {
  readonly manyUs: number;
  readonly singleMs: readonly number[];
}

/** In a transaction that is rolled back, so that every measurement finds the same table. */
async function insertCost({ query }: BenchDatabase, without: readonly string[]): Promise<InsertCost> {
  const columns = await query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
      WHERE table_name = 'keys' AND column_name <> 'id' ORDER BY ordinal_position`,
  );
  const names = columns.map(({ name }) => `"${name}"`).join(', ');
  const insert = (count: number): Promise<unknown> =>
    query(
      `INSERT INTO keys (id, ${names})
         SELECT 'key_' || left(md5(random()::text || id), 16), ${names} FROM keys
          WHERE create_time <= $2 ORDER BY create_time DESC LIMIT $1`,
      [count, new Date(NOW_MS - Math.random() * COUNT * 500)],
    );
  await query('BEGIN');
  for (const index of without) await query(`DROP INDEX ${index}`);
  const count = Math.min(10_000, COUNT / 2);
  const startMs = performance.now();
  await insert(count);
  const manyUs = ((performance.now() - startMs) * 1000) / count;
  const singleMs: number[] = [];
  for (let index = 0; index < 2000; index += 1) {
    const singleStartMs = performance.now();
    await insert(1);
    singleMs.push(performance.now() - singleStartMs);
  }
  await query('ROLLBACK');
  return { manyUs, singleMs };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function showIndexes(database: BenchDatabase): Promise<void> {
  const sizes = await database.query<{ name: string; size: string }>(
    `SELECT relname AS name, pg_size_pretty(pg_relation_size(oid)) AS size FROM pg_class
      WHERE (relname = 'keys' OR relname LIKE 'keys\\_%') AND relkind IN ('r', 'i') ORDER BY pg_relation_size(oid) DESC`,
  );
  print(`\nSizes: ${sizes.map(({ name, size }) => `\`${name}\` ${size}`).join(', ')}.\n`);
  const variants: readonly (readonly [about: string, without: readonly string[]])[] = [
    ['all', []],
    ...LIST_INDEXES.map((index) => [`without \`${index}\``, [index]] as const),
    ['without all of these', LIST_INDEXES],
  ];
  const costs = new Map<string, InsertCost[]>(variants.map(([about]) => [about, []]));
  for (let round = 0; round < 5; round += 1) {
    for (const [about, without] of variants) costs.get(about)?.push(await insertCost(database, without));
  }
  print('| indexes | µs a key of 10,000 inserted at once | ms a key inserted alone, median | slowest |');
  print('| --- | ---: | ---: | ---: |');
  for (const [about, rounds] of costs) {
    const single = rounds.flatMap(({ singleMs }) => singleMs);
    const cells = [
      median(rounds.map(({ manyUs }) => manyUs)).toFixed(1),
      median(single).toFixed(2),
      Math.max(...single).toFixed(1),
    ];
    print(`| ${about} | ${cells.join(' | ')} |`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const server = await usePostgres();
try {
  const database = await createDatabase(server.url);
  const knex = createKnex({ client: 'pg', connection: database.url, pool: { min: 0, max: 2 } });
  try {
    print(`${describeMachine()}; ${database.version}; ${COUNT.toLocaleString('en')} keys.\n`);
    await fill(database);
    await showLists(database, knex);
    await showIndexes(database);
  } finally {
    await knex.destroy();
    await database.drop();
  }
} finally {
  await server.stop();
}
