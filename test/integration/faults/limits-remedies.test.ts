/**
 * What the history of limits looks for by chance, made to happen: for each remedy the one order of events that it is there
 * for. The server as it is admits no more than the number; without the remedy it admits more, which shows that the remedy
 * is what keeps it, and that these tests can see.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { newId } from '../../../core/ids.ts';
import { newToken } from '../../../core/token.ts';
import type { DeepPartial, Limit } from '../../../proto/gen/latchkey/v1/key.ts';
import { Verdict } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { administer } from '../../support/administer.ts';
import { createClients, type Clients } from '../../support/clients.ts';
import { createDatabase } from '../../support/create-database.ts';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts';
import { buildWithout } from '../../support/without-remedy.ts';
import { worstInterval, type Admission } from '../../support/limit-history/worst-interval.ts';
import { runPostgres, type RunningPostgres } from '../../support/run-postgres.ts';
import { spawnServer } from '../../support/spawn-server.ts';

/** One replica, and a key with one limit. */
interface World {
  readonly databaseUrl: string;
  /** Between the replica and the database. */
  readonly proxy: FaultProxy;
  readonly clients: Clients;
  /** The number of the limit. */
  readonly limit: number;
  readonly keyId: string;
  /** Verifies so many times at once; returns how often it passed. */
  verify(times: number): Promise<number>;
  /** The most that surely was in an interval of the window's length. */
  worst(): number;
}

interface Setting {
  readonly limit: number;
  /** Undefined: credits. */
  readonly windowMs: number | undefined;
}

async function inWorld<T>(
  { limit, windowMs }: Setting,
  {
    databaseUrl,
    program,
  }: { readonly databaseUrl: string | undefined; readonly program?: string | undefined },
  scenario: (world: World) => Promise<T>,
): Promise<T> {
  const database = databaseUrl === undefined ? await createDatabase() : undefined;
  const url = databaseUrl ?? database?.url ?? '';
  const proxy = await startFaultProxy(url);
  const rootToken = newToken('latchkey', newId('key'));
  const server = await spawnServer({
    env: { LATCHKEY_ROOT_TOKEN: rootToken, DATABASE_URL: proxy.url, LATCHKEY_LOG_LEVEL: 'error' },
    ...(program === undefined ? {} : { program }),
  });
  const clients = createClients({ address: server.address, token: rootToken });
  const admissions: Admission[] = [];
  try {
    const { keyspace } = await clients.keyspaces.createKeyspace({
      keyspace: { slug: 'orders', tokenPrefix: 'acme' },
    });
    const rule: DeepPartial<Limit> = {
      name: 'calls',
      kind:
        windowMs === undefined
          ? { $case: 'credits', value: { initial: BigInt(limit) } }
          : {
              $case: 'rate',
              value: { limit: BigInt(limit), window: { seconds: BigInt(windowMs / 1000), nanos: 0 } },
            },
    };
    const { key, token } = await clients.keys.createKey({
      key: { keyspaceId: keyspace?.id ?? '', limits: [rule] },
    });
    return await scenario({
      databaseUrl: url,
      proxy,
      clients,
      limit,
      keyId: key?.id ?? '',
      async verify(times) {
        const sentMs = performance.now();
        const requests = Array.from({ length: times }, () => ({ token }));
        const { responses } = await clients.verify.batchVerify({ requests });
        const cost = responses.filter(
          ({ result }) => result?.$case === 'response' && result.value.verdict === Verdict.VERDICT_VALID,
        ).length;
        admissions.push({ sentMs, answeredMs: performance.now(), cost });
        return cost;
      },
      worst: () => worstInterval(admissions, windowMs ?? Infinity).cost,
    });
  } finally {
    clients.close();
    await server.end('SIGKILL');
    await proxy.close();
    await database?.drop();
  }
}

/** Whether more was admitted in an interval than the number. */
const isExceeded = ({ limit, worst }: World): boolean => worst() > limit;

/** Some tokens of many buckets are spent, and some go back; time passes, in which they could go back again. */
async function giveBack(world: World): Promise<boolean> {
  const { verify, limit } = world;
  for (let round = 0; round < 8; round += 1) {
    await verify(6);
    await sleep(250);
  }
  await sleep(3000);
  await verify(limit);
  await verify(limit);
  return isExceeded(world);
}

/** More tokens are leased than are spent; they are spent when they count no more. */
async function lateTokens(world: World): Promise<boolean> {
  const { verify, limit } = world;
  // As many as were enough are wanted next time, and twice those that were not.
  await verify(Math.floor(limit / 2));
  await verify(1);
  await sleep(1500);
  await verify(limit);
  await verify(limit);
  return isExceeded(world);
}

/** A balance is set to nothing while an answer to a lease that was made before is under way. */
async function overtakenLease(world: World): Promise<boolean> {
  // A grant that somebody waited for may be spent to the last by the time that it counts.
  for (let turn = 0; turn < 12; turn += 1) {
    if (await spendsWhatWasOvertaken(world)) return true;
  }
  return false;
}

async function spendsWhatWasOvertaken({ proxy, clients, keyId, verify }: World): Promise<boolean> {
  const setBalance = (value: bigint) =>
    clients.limits.adjustCredits({
      subject: { subject: { $case: 'keyId', value: keyId } },
      limit: 'calls',
      change: { $case: 'set', value },
    });
  await setBalance(100_000n);
  for (let round = 0; round < 20; round += 1) await verify(4);
  const held = proxy.holdAnswerTo('latchkey_lease_credits');
  let isHeld = false;
  void held.then(() => (isHeld = true));
  // Most are leased before the last is spent, and then nobody waits for the answer.
  const before = (async () => {
    while (!isHeld) await verify(4);
  })();
  const release = await held;
  expect((await setBalance(0n)).propagation).toEqual({ replicas: 1, confirmed: 1 });
  release();
  await before;
  // Time for the answer, which nobody waits for, to come.
  await sleep(50);
  return (await verify(256)) > 0;
}

describe.each([
  ['tokens go back once', { limit: 100, windowMs: 20_000 }, giveBack],
  ['tokens end with their bucket', { limit: 100, windowMs: 1000 }, lateTokens],
  ['a lease that was overtaken goes back', { limit: 100_000, windowMs: undefined }, overtakenLease],
] as const)('%s', (remedy, setting, scenario) => {
  test('so nothing passes that must not; without it, something does', { timeout: 120_000 }, async () => {
    const without = await buildWithout(remedy);
    try {
      const exceeded = await Promise.all([
        inWorld(setting, { databaseUrl: undefined }, scenario),
        inWorld(setting, { databaseUrl: undefined, program: without.path }, scenario),
      ]);
      expect(exceeded).toEqual([false, true]);
    } finally {
      await without.remove();
    }
  });
});

/** Commits are handed to the operating system by who makes them, or, if they are asynchronous, by nobody. */
async function withoutWalWriter<T>(work: (postgres: RunningPostgres) => Promise<T>): Promise<T> {
  const postgres = await runPostgres({ choice: undefined });
  try {
    await administer(postgres.url, async (client) => {
      // Nor may anybody who writes a page, or cleans up, do it on the way.
      for (const setting of [
        'synchronous_commit = off',
        'autovacuum = off',
        'bgwriter_lru_maxpages = 0',
        "checkpoint_timeout = '1h'",
      ])
        await client.query(`ALTER SYSTEM SET ${setting}`);
      await client.query('SELECT pg_reload_conf()');
    });
    return await work(postgres);
  } finally {
    await postgres.stop();
  }
}

/** The database crashes between two halves of a window. */
async function crash(postgres: RunningPostgres, world: World): Promise<boolean> {
  const { verify, limit, databaseUrl } = world;
  const walWriter = await administer(databaseUrl, async (client) => {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`,
    );
    // The key shall be there afterwards.
    await client.query('CHECKPOINT');
    return rows[0]?.pid ?? 0;
  });
  process.kill(walWriter, 'SIGSTOP');
  await verify(limit / 2);
  const killed = postgres.kill();
  // It would keep what the server leaves behind.
  await sleep(100);
  process.kill(walWriter, 'SIGKILL');
  await killed;
  await postgres.start();
  for (const endMs = performance.now() + 3000; performance.now() < endMs; await sleep(100)) await verify(20);
  return isExceeded(world);
}

test('what is leased is committed at once, so a crash forgets none of it; if it is not, more is admitted', async () => {
  const setting = { limit: 200, windowMs: 60_000 };
  const exceeded = await withoutWalWriter(async (postgres) => {
    const outcomes: boolean[] = [];
    for (const name of ['as_it_is', 'asynchronous']) {
      const databaseUrl = new URL(postgres.url);
      databaseUrl.pathname = name;
      await administer(postgres.url, (client) => client.query(`CREATE DATABASE ${name}`));
      outcomes.push(
        await inWorld(setting, { databaseUrl: databaseUrl.href }, async (world) => {
          if (name === 'asynchronous') await commitAsynchronously(databaseUrl.href);
          return crash(postgres, world);
        }),
      );
    }
    return outcomes;
  });
  expect(exceeded).toEqual([false, true]);
}, 120_000);

/** Takes out of the ledger's function what makes its commits synchronous. */
async function commitAsynchronously(databaseUrl: string): Promise<void> {
  await administer(databaseUrl, async (client) => {
    const { rows } = await client.query<{ code: string }>(
      `SELECT pg_get_functiondef('latchkey_lease_rates'::regproc) AS code`,
    );
    const code = rows[0]?.code ?? '';
    const remedy = `set_config('synchronous_commit', 'on', true)`;
    if (code.split(remedy).length !== 2) throw new Error(`the function does not have exactly one ${remedy}`);
    await client.query(code.replace(remedy, `set_config('synchronous_commit', 'off', true)`));
  });
}
