/**
 * What the history test looks for by chance, made to happen: for each remedy of the protocol the one order of events that
 * it is there for, on a real Postgres. The server as it is keeps its promise; the same server without the remedy breaks it,
 * which shows that the remedy is what keeps it, and that these tests can see.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { newId } from '../../../core/ids.ts';
import { newToken } from '../../../core/token.ts';
import { Verdict } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { createClients, type Clients } from '../../support/clients.ts';
import { createDatabase, type TestDatabase } from '../../support/create-database.ts';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts';
import { buildWithout, type Program, type Remedy } from '../../support/without-remedy.ts';
import { spawnServer, type ServerProcess } from '../../support/spawn-server.ts';
import { startServer } from '../../support/start-server.ts';
import { LOG_PAGE_MAX } from '../../../server/coherence/ports.ts';
import { HINT_CHANNEL } from '../../../server/store/engines/log-reader.ts';
import { LEASE_GRACE_MS } from '../../../server/coherence/await-replicas.ts';

const POLL_MS = 900;

/** One replica that is harmed, and another that makes changes. */
interface World {
  readonly database: TestDatabase;
  /** Between the harmed replica and the database. */
  readonly proxy: FaultProxy;
  readonly harmed: ServerProcess;
  readonly keyspaceId: string;
  /** Of the replica that makes changes. */
  readonly changing: Clients;
  /** Makes a key, and lets all replicas hear of it: what is in memory then stays there. */
  createKey(): Promise<{ readonly id: string; readonly token: string }>;
  /** What the harmed replica says of a token. */
  verify(token: string): Promise<Verdict>;
}

async function inWorld(
  program: string | undefined,
  scenario: (world: World) => Promise<boolean>,
): Promise<boolean> {
  const database = await createDatabase();
  const proxy = await startFaultProxy(database.url);
  // No hint reaches it: one would have it poll again before anybody could see what it says.
  proxy.rewrite(HINT_CHANNEL, 'latchkey_nothing');
  const rootToken = newToken('latchkey', newId('key'));
  const env = { LATCHKEY_ROOT_TOKEN: rootToken, LATCHKEY_POLL_MS: String(POLL_MS) };
  const server = await startServer({ databaseUrl: database.url, env });
  const harmed = await spawnServer({
    env: { ...env, DATABASE_URL: proxy.url, LATCHKEY_LOG_LEVEL: 'error' },
    ...(program === undefined ? {} : { program }),
  });
  const changing = createClients({ address: server.address, token: rootToken });
  const asking = createClients({ address: harmed.address, token: rootToken });
  try {
    const { keyspace } = await changing.keyspaces.createKeyspace({
      keyspace: { slug: 'orders', tokenPrefix: 'acme' },
    });
    const keyspaceId = keyspace?.id ?? '';
    return await scenario({
      database,
      proxy,
      harmed,
      keyspaceId,
      changing,
      async createKey() {
        const { key, token } = await changing.keys.createKey({ key: { keyspaceId } });
        while ((await changing.replicas.listReplicas({})).replicas.some(({ lag }) => lag > 0n))
          await sleep(20);
        return { id: key?.id ?? '', token };
      },
      verify: async (token) => (await asking.verify.verify({ token })).verdict,
    });
  } finally {
    for (const clients of [changing, asking]) clients.close();
    await harmed.end('SIGKILL');
    await server.stop();
    await proxy.close();
    await database.drop();
  }
}

/**
 * A replica that nobody counts any more, whose poll stalls: it has read the log, and its entry in the list of replicas is
 * not made yet, when a key is revoked.
 */
async function stalledPoll({ database, harmed, changing, createKey, verify }: World): Promise<boolean> {
  const { id, token } = await createKey();
  expect(await verify(token)).toBe(Verdict.VERDICT_VALID);
  const replica = (await changing.replicas.listReplicas({})).replicas.find(({ self }) => !self);
  const blocker = new Client(database.url);
  await blocker.connect();
  try {
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM replicas WHERE id = $1 FOR UPDATE', [replica?.id]);
    await sleep(LEASE_GRACE_MS + 2000 + POLL_MS);
    // One that has just begun to wait will not give up before the change is made.
    const waiting = `SELECT 1 FROM pg_stat_activity
      WHERE application_name = 'latchkey-poll' AND datname = current_database() AND wait_event_type = 'Lock'
        AND clock_timestamp() - query_start < interval '200 milliseconds'`;
    while ((await database.query(waiting)).length === 0) await sleep(5);
    const { propagation } = await changing.keys.revokeKey({ id });
    expect(propagation).toEqual({ replicas: 1, confirmed: 1 });
    await blocker.query('COMMIT');
    // A verification before the poll has ended would read the key anew.
    await memoryAnswersWithin(harmed, POLL_MS);
    return await passesWithin(() => verify(token), POLL_MS / 2);
  } finally {
    await blocker.end();
  }
}

/** A key is read, and before the answer has come it is revoked. */
async function overtakenFill({ proxy, changing, createKey, verify }: World): Promise<boolean> {
  const { id, token } = await createKey();
  // The caller's own key is read too, once.
  expect(await verify((await createKey()).token)).toBe(Verdict.VERDICT_VALID);
  const held = proxy.holdAnswerTo('latchkey_key_by_id');
  const first = verify(token);
  const release = await held;
  await changing.keys.revokeKey({ id });
  release();
  // It began before.
  await first;
  return passesWithin(() => verify(token), POLL_MS);
}

/** More is changed while a replica stands still than it reads at once. */
async function gapInTheLog({
  database,
  harmed,
  keyspaceId,
  changing,
  createKey,
  verify,
}: World): Promise<boolean> {
  const { id, token } = await createKey();
  expect(await verify(token)).toBe(Verdict.VERDICT_VALID);
  // Older ones, so that this is the last to be revoked.
  await database.query(
    `INSERT INTO keys
       SELECT (jsonb_populate_record(k, jsonb_build_object(
                 'id', 'key_' || n, 'create_time', k.create_time - interval '1 second'))).*
         FROM keys AS k, generate_series(1, $2::integer) AS n
        WHERE k.id = $1`,
    [id, LOG_PAGE_MAX],
  );
  process.kill(harmed.pid, 'SIGSTOP');
  await changing.keys.batchRevokeKeys({ keyspaceId, createdBefore: new Date() });
  process.kill(harmed.pid, 'SIGCONT');
  await memoryAnswersWithin(harmed, 3 * POLL_MS);
  return passesWithin(() => verify(token), POLL_MS);
}

/** Waits until a replica may answer from memory, not for ever. */
async function memoryAnswersWithin(replica: ServerProcess, ms: number): Promise<void> {
  for (const endMs = performance.now() + ms; performance.now() < endMs; await sleep(5)) {
    if ((await fetch(`${replica.httpAddress}/readyz`)).ok) return;
  }
}

/** Whether one of the verifications of the next moment passes. */
async function passesWithin(verify: () => Promise<Verdict>, ms: number): Promise<boolean> {
  for (const endMs = performance.now() + ms; performance.now() < endMs;) {
    if ((await verify()) === Verdict.VERDICT_VALID) return true;
  }
  return false;
}

/** A machine that is too busy can miss the moment. */
async function inSomeWorld(program: string, scenario: (world: World) => Promise<boolean>): Promise<boolean> {
  for (let attempt = 1; attempt <= 3; attempt += 1) if (await inWorld(program, scenario)) return true;
  return false;
}

const SCENARIOS: readonly (readonly [Remedy, (world: World) => Promise<boolean>])[] = [
  ['the lease counts from the poll before', stalledPoll],
  ['a fill that was overtaken is not kept', overtakenFill],
  ['a gap in the log is noticed', gapInTheLog],
];

describe.each(SCENARIOS)('%s', (remedy, scenario) => {
  test(
    'so nothing passes after effective_time; without it, something does',
    { timeout: 150_000 },
    async () => {
      let without: Program | undefined;
      try {
        without = await buildWithout(remedy);
        const passed = await Promise.all([inWorld(undefined, scenario), inSomeWorld(without.path, scenario)]);
        expect(passed).toEqual([false, true]);
      } finally {
        await without?.remove();
      }
    },
  );
});
