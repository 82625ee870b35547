import createKnex from 'knex';
import pg from 'pg';
import { MIGRATIONS } from '../migrations/index.ts';
import { migrate } from '../server/store/migrate.ts';
import { createStore } from '../server/store/store.ts';
import { seedKeys, seedTemplate, type SeededKey, type Template } from './seed.ts';

/** A database of the benchmark's own. */
export interface BenchDatabase {
  readonly url: string;
  /** `PostgreSQL 15.4` */
  readonly version: string;
  readonly template: Template;
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Makes it hold `count` keys, and returns up to `known` new ones whose tokens are known. */
  grow(count: number, known: number): Promise<readonly SeededKey[]>;
  /** Makes copies of a key, whose tokens are known. */
  copy(key: SeededKey, count: number): Promise<readonly SeededKey[]>;
  /** Deletes the database. */
  drop(): Promise<void>;
}

/** Creates a database on a Postgres, with Latchkey's schema and one key. */
export async function createDatabase(serverUrl: string): Promise<BenchDatabase> {
  const name = `latchkey_bench_${process.pid}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  const drop = async (): Promise<void> => {
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await admin.end();
  };

  try {
    await admin.query(`CREATE DATABASE ${name}`);
    const template = await prepare(url.href);
    const client = new pg.Client({ connectionString: url.href });
    // DROP … WITH (FORCE) ends this connection too.
    client.on('error', () => {});
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    let size = 1;
    return {
      url: url.href,
      version: `PostgreSQL ${rows[0]?.server_version.split(' ')[0] ?? 'of an unknown version'}`,
      template,
      query: async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
        (await client.query<Row>(text, [...values])).rows,
      async grow(count, known) {
        const keys = await seedKeys(client, { template, count: count - size, known });
        size = count;
        return keys;
      },
      async copy({ id }, count) {
        size += count;
        return seedKeys(client, { template: { ...template, id }, count, known: count });
      },
      async drop() {
        await client.end();
        await drop();
      },
    };
  } catch (error) {
    await drop();
    throw error;
  }
}

async function prepare(url: string): Promise<Template> {
  const knex = createKnex({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  try {
    await migrate(knex, MIGRATIONS);
    return await seedTemplate(createStore(knex));
  } finally {
    await knex.destroy();
  }
}
