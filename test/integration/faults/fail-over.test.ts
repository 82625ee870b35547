/** A primary that dies, and its standby that takes over: what a replica of Latchkey makes of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLatchkey, type Latchkey } from '../../../sdk/src/index.ts';
import { administer } from '../../support/administer.ts';
import { captureLogger, type CapturedLog } from '../../support/capture-logger.ts';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts';
import { runPostgres, type RunningPostgres } from '../../support/run-postgres.ts';
import { startServer, type TestServer } from '../../support/start-server.ts';

let primary: RunningPostgres;
let standby: RunningPostgres;
let proxy: FaultProxy;
let server: TestServer;
let latchkey: Latchkey;
let log: CapturedLog;
let keyspaceId: string;

beforeEach(async () => {
  primary = await runPostgres({ choice: undefined });
  standby = await primary.standby();
  proxy = await startFaultProxy(primary.url);
  log = captureLogger();
  server = await startServer({ databaseUrl: proxy.url, logger: log.logger });
  latchkey = createLatchkey({ address: server.address, token: server.rootToken, tls: false });
  ({ id: keyspaceId } = (await latchkey.keyspaces.create({ slug: 'orders', tokenPrefix: 'acme' })).keyspace);
});

afterEach(async () => {
  latchkey.close();
  await server.stop();
  await proxy.close();
  await standby.stop();
  await primary.stop();
});

const run = (postgres: RunningPostgres, sql: string): Promise<readonly object[]> =>
  administer(postgres.url, async (client) => (await client.query<object>(sql)).rows);

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo().catch(() => false))) await sleep(20);
}

const verdict = async (token: string): Promise<string> => (await latchkey.verify({ token })).verdict;

/** The standby takes over, and the address leads to it; returns once the server goes by it. */
async function failOver(): Promise<void> {
  await run(standby, 'SELECT pg_promote()');
  proxy.lead(standby.url);
  proxy.cut();
  // Until then memory may answer, by a lease of the old primary.
  const isNoticed = ({ msg, why }: Readonly<Record<string, unknown>>): boolean =>
    msg === 'coherence.resync' && why === 'another epoch';
  await until(async () => log.records().some(isNoticed));
  await until(async () => (await fetch(`${server.httpAddress}/readyz`)).ok);
}

test(
  'with a synchronous standby nothing that was answered is lost, and memory begins anew',
  { timeout: 90_000 },
  async () => {
    await run(primary, `ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await run(primary, 'SELECT pg_reload_conf()');
    await until(
      async () =>
        (await run(primary, `SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`)).length > 0,
    );

    const kept = await latchkey.keys.create({ keyspaceId });
    const revoked = await latchkey.keys.create({ keyspaceId });
    for (const { token } of [kept, revoked]) expect(await verdict(token)).toBe('VALID');
    const rotated = await latchkey.keys.rotate(kept.key.id);
    await latchkey.keys.revoke(revoked.key.id);
    await primary.kill();
    await failOver();
    expect(await verdict(rotated.token)).toBe('VALID');
    expect(await verdict(kept.token)).toBe('SECRET_RETIRED');
    expect(await verdict(revoked.token)).toBe('REVOKED');
    await latchkey.keys.disable(kept.key.id);
    expect(await verdict(rotated.token)).toBe('DISABLED');
  },
);

test(
  'with an asynchronous standby what it lacks is lost, and no replica answers from a history that is over',
  { timeout: 90_000 },
  async () => {
    const revoked = await latchkey.keys.create({ keyspaceId });
    expect(await verdict(revoked.token)).toBe('VALID');
    const [{ lsn }] = (await run(primary, 'SELECT pg_current_wal_lsn()::text AS lsn')) as [{ lsn: string }];
    await until(
      async () =>
        (await run(standby, `SELECT 1 WHERE pg_last_wal_replay_lsn() >= '${lsn}'::pg_lsn`)).length > 0,
    );

    await standby.kill();
    await latchkey.keys.revoke(revoked.key.id);
    const created = await latchkey.keys.create({ keyspaceId });
    expect([await verdict(revoked.token), await verdict(created.token)]).toEqual(['REVOKED', 'VALID']);
    await primary.kill();
    await standby.start();
    await failOver();

    expect(await verdict(created.token)).toBe('NOT_FOUND');
    // Nothing can be promised of a change that no database has.
    expect(await verdict(revoked.token)).toBe('VALID');
    // As many positions as were lost, and others: the new ones must be heard of.
    const { key, token } = await latchkey.keys.create({ keyspaceId });
    expect(await verdict(token)).toBe('VALID');
    await latchkey.keys.revoke(key.id);
    expect(await verdict(token)).toBe('REVOKED');
  },
);
