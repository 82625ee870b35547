import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Ledger, RateLease } from '../../server/budgets/ports.ts';
import type { Engine } from '../../server/store/engines/engine.ts';
import type { PostgresOptions } from '../../server/store/engines/postgres.ts';
import { createLedger } from '../../server/store/ledger.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { openPostgresEngine } from '../support/open-engine.ts';

let database: TestDatabase;
let other: Engine;
beforeAll(async () => {
  database = await createDatabase();
  other = openPostgresEngine(database.url);
});
afterAll(async () => {
  await other.close();
  await database.drop();
});

const opened: Engine[] = [];
afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

function open(options: Partial<PostgresOptions> = {}): { readonly engine: Engine; readonly ledger: Ledger } {
  const engine = openPostgresEngine(database.url, options);
  opened.push(engine);
  return { engine, ledger: createLedger(engine.ledger) };
}

const LEASE: RateLease = {
  id: 'key_1 requests 60000',
  limit: 1_000_000,
  windowMs: 60_000,
  override: undefined,
  need: 1,
  demand: 0,
  want: 1,
  lifeMs: 0,
  returns: [],
};

const connections = () =>
  database.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'latchkey-ledger'`,
  );

it('needs no connection of the pools, and has one for all its calls', async () => {
  const { engine, ledger } = open({ poolSize: 1, loadPoolSize: 1 });
  await engine.knex.transaction(async (trx) => {
    await trx.raw('SELECT 1');
    await Promise.all([1, 2, 3].map(() => ledger.leaseRates([LEASE])));
    expect(await connections()).toHaveLength(1);
  });
});

it.each([true, false])('prepares its statements once a connection, or never (%s)', async (prepared) => {
  const { engine, ledger } = open({ prepared });
  for (let call = 0; call < 2; call += 1) await ledger.leaseRates([LEASE]);
  const rows = await engine.ledger.query<{ name: string }>(
    { name: 'names', text: `SELECT name FROM pg_prepared_statements WHERE name <> 'names'` },
    [],
  );
  expect(rows).toEqual(prepared ? [{ name: 'latchkey_lease_rates' }] : []);
});

it('goes on over a new connection after its own was ended', async () => {
  const { ledger } = open();
  await ledger.leaseRates([LEASE]);
  const [old] = await connections();
  await database.query('SELECT pg_terminate_backend($1)', [old?.pid]);
  await ledger.leaseRates([LEASE]).catch(() => {});
  expect(await ledger.leaseRates([LEASE])).toMatchObject([{ granted: 1 }]);
  const [anew, ...more] = await connections();
  expect(more).toEqual([]);
  expect(anew?.pid).not.toBe(old?.pid);
});

it('gives up in time where a row is locked, rejects with the driver’s error, and leaves no connection that waits', async () => {
  const { ledger } = open({ pollTimeoutMs: 300 });
  await ledger.leaseRates([LEASE]);
  await other.knex.transaction(async (trx) => {
    await trx.raw('SELECT 1 FROM rate_ledger FOR UPDATE');
    const startMs = performance.now();
    await expect(ledger.leaseRates([LEASE])).rejects.toThrow(/timeout/);
    expect(performance.now() - startMs).toBeLessThan(5000);
  });
  await expect.poll(connections).toEqual([]);
  expect(await ledger.leaseRates([LEASE])).toMatchObject([{ granted: 1 }]);
});

it('does not wait for what only looks, nor for what is refused', async () => {
  const { ledger } = open({ pollTimeoutMs: 1000 });
  await ledger.leaseRates([LEASE]);
  await other.knex.transaction(async (trx) => {
    await trx.raw('SELECT 1 FROM rate_ledger FOR UPDATE');
    expect(await ledger.leaseRates([{ ...LEASE, want: 0 }])).toMatchObject([{ granted: 0 }]);
    expect(await ledger.leaseRates([{ ...LEASE, limit: 1, need: 5, want: 5 }])).toMatchObject([
      { granted: 0 },
    ]);
  });
});

it('asks again where the server undid the call because it collided, whatever the default isolation is', async () => {
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`ALTER DATABASE ${name} SET default_transaction_isolation = 'repeatable read'`);
  try {
    const { ledger } = open();
    await ledger.leaseRates([LEASE]);
    let lease: ReturnType<Ledger['leaseRates']> | undefined;
    await other.knex.transaction(async (trx) => {
      await trx.raw('UPDATE rate_ledger SET expire_time = expire_time');
      lease = ledger.leaseRates([LEASE]);
      await expect.poll(() => database.waitingForLocks()).toBe(1);
    });
    expect(await lease).toMatchObject([{ granted: 1 }]);
  } finally {
    await database.query(`ALTER DATABASE ${name} RESET default_transaction_isolation`);
  }
});

it('has what it granted on disk before it answers, whatever the server’s default is', async () => {
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`ALTER DATABASE ${name} SET synchronous_commit = off`);
  try {
    const { engine, ledger } = open();
    const credits = {
      id: 'key_1 credits',
      initial: 1e9,
      refill: null,
      need: 1,
      demand: 0,
      want: 1,
      returned: 0,
      generation: 0,
    };
    const position = async (kind: 'insert' | 'flush'): Promise<string> => {
      const text = `SELECT pg_current_wal_${kind}_lsn()::text AS at`;
      const [row] = await engine.ledger.query<{ at: string }>({ name: kind, text }, []);
      return row?.at ?? '';
    };
    for (let round = 0; round < 10; round += 1) {
      for (const ask of [() => ledger.leaseRates([LEASE]), () => ledger.leaseCredits([credits])]) {
        const before = await position('insert');
        await ask();
        const after = await position('flush');
        const [row] = await database.query<{ ahead: string }>(
          'SELECT ($1::pg_lsn - $2::pg_lsn)::text AS ahead',
          [after, before],
        );
        expect(Number(row?.ahead)).toBeGreaterThan(0);
      }
    }
  } finally {
    await database.query(`ALTER DATABASE ${name} RESET synchronous_commit`);
  }
});

it('closes before its first call, and while it connects', async () => {
  await open().engine.close();
  const { engine, ledger } = open();
  const call = ledger.leaseRates([LEASE]).catch(() => {});
  await engine.close();
  await call;
  await expect.poll(connections).toEqual([]);
});
