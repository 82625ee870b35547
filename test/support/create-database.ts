import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { administer, databaseUrl } from './administer.ts';

/** A database on the real Postgres, for one test file or test. */
export interface TestDatabase {
  readonly url: string;
  /** Runs SQL on a connection of its own; with `$1` for the first value. */
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** How many connections wait for a lock. */
  waitingForLocks(): Promise<number>;
  /** Removes it. @throws Error if something is still connected after a moment: a connection has leaked */
  drop(): Promise<void>;
}

/** How long a connection that was closed may still be known to Postgres, ms. */
const LINGER_MS = 3000;

/** A new database with the whole schema and nothing in it; or an empty one. */
export async function createDatabase(options: { readonly migrated?: boolean } = {}): Promise<TestDatabase> {
  const { adminUrl, template } = inject('testRun');
  const name = `latchkey_test_${process.pid}_${randomBytes(6).toString('hex')}`;
  const source = options.migrated === false ? 'template0' : template;
  await administer(adminUrl, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${source}`));
  const url = databaseUrl(adminUrl, name);

  const query = <Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> =>
    administer(url, async (client) => (await client.query<Row>(sql, [...values])).rows);
  return {
    url,
    query,
    async waitingForLocks() {
      const rows = await query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length;
    },
    drop: () =>
      administer(adminUrl, async (client) => {
        const giveUpMs = performance.now() + LINGER_MS;
        for (;;) {
          const { rows } = await client.query<{ application_name: string; state: string; query: string }>(
            'SELECT application_name, state, query FROM pg_stat_activity WHERE datname = $1',
            [name],
          );
          const leaked = rows.length > 0 && performance.now() > giveUpMs;
          if (rows.length === 0 || leaked) await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
          if (leaked) throw new Error(`still connected to ${name}: ${JSON.stringify(rows)}`);
          if (rows.length === 0) return;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }),
  };
}
