import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { administer } from '../../support/administer.ts';
import { createDatabase } from '../../support/create-database.ts';
import { failureOf } from '../../support/failure-of.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { spawnServer } from '../../support/spawn-server.ts';
import { createTemporaryDirectory } from '../../support/temporary-directory.ts';
import { createTestClock } from '../../support/test-clock.ts';
import {
  CALL_MS,
  HASTY,
  MAX_STALENESS_MS,
  SLACK_MS,
  startBehindProxy,
  type ServerBehindProxy,
} from './server-behind-proxy.ts';
import { observe, watchVerdicts } from './watch-verdicts.ts';

/** Runs a test against a server of its own. */
async function behindProxy(
  options: Parameters<typeof startBehindProxy>[0],
  test: (subject: ServerBehindProxy) => Promise<void>,
): Promise<void> {
  const subject = await startBehindProxy(options);
  try {
    await test(subject);
  } finally {
    await subject.close();
  }
}

it('heals by itself after the network forgot every connection and lets new ones through', async () => {
  await behindProxy({}, async (subject) => {
    const { clients, proxy } = subject;
    const [one, other] = [await subject.createKey(), await subject.createKey()];
    // Several connections of the pool, all of which are lost.
    await Promise.all([1, 2, 3, 4].map(() => clients.keys.listKeys({})));
    expect(proxy.connections()).toBeGreaterThan(2);
    proxy.forget();

    const healed = await watchVerdicts(clients, one.token, ({ verdict }) => verdict !== undefined);
    expect(healed.at(-1)?.verdict).toBe('VERDICT_VALID');
    // Each lost connection costs one call that waits for it, and no more.
    for (let call = 0; call < 4; call += 1) await clients.keys.listKeys({}).catch(() => {});
    for (let call = 0; call < 4; call += 1) {
      const startMs = performance.now();
      await clients.keys.getKey({ id: other.id });
      expect(performance.now() - startMs).toBeLessThan(SLACK_MS);
    }
  });
});

it('is UNAVAILABLE within bounds where the database falls silent in the middle of a transaction', async () => {
  await behindProxy({}, async (subject) => {
    const { clients, database, proxy } = subject;
    const key = await subject.createKey();
    await administer(database.url, async (blocker) => {
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM keys WHERE id = $1 FOR UPDATE', [key.id]);
      const startMs = performance.now();
      const revocation = failureOf((options) => clients.keys.revokeKey({ id: key.id }, options));
      while ((await database.waitingForLocks()) === 0);
      proxy.stall();
      expect(await revocation).toMatchObject({ code: status.UNAVAILABLE, reason: 'DATABASE_UNAVAILABLE' });
      expect(performance.now() - startMs).toBeLessThan(CALL_MS + SLACK_MS);
    });
  });
});

it('stops within bounds while its database says nothing', async () => {
  await behindProxy({}, async (subject) => {
    subject.proxy.stall();
    const startMs = performance.now();
    await subject.server.app.stop();
    expect(performance.now() - startMs).toBeLessThan(500 + CALL_MS + SLACK_MS);
  });
});

it('ends as a process within bounds, too, when it is told to while its database says nothing', async () => {
  const database = await createDatabase();
  const proxy = await startFaultProxy(database.url);
  const directory = await createTemporaryDirectory();
  const env = { ...HASTY, DATABASE_URL: proxy.url, LATCHKEY_DATA_DIR: directory.path };
  const server = await spawnServer({ env });
  onTestFinished(async () => {
    await server.end('SIGKILL');
    await proxy.close();
    await database.drop();
    await directory.remove();
  });
  // Idle connections are the hardest to part with: there is nothing to break off.
  const busy = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'latchkey' AND state <> 'idle' AND datname = current_database()`;
  while ((await database.query(busy)).length > 0);
  proxy.stall();
  const startMs = performance.now();
  const end = await server.end('SIGTERM');
  expect(performance.now() - startMs).toBeLessThan(500 + CALL_MS + SLACK_MS);
  expect(end).toEqual({ code: 0, signal: null });
  expect(server.stdout()).toContain('Stopped.');
});

it('does not answer from memory after it was suspended, before it has heard of its database', async () => {
  const clock = createTestClock();
  await behindProxy({ server: { clock } }, async (subject) => {
    const { clients, proxy } = subject;
    const key = await subject.createKey();
    expect((await observe(clients, key.token)).verdict).toBe('VERDICT_VALID');
    proxy.stall();
    // The monotonic clock of a machine may stand still while it sleeps.
    clock.suspend(MAX_STALENESS_MS - 1);
    expect((await observe(clients, key.token)).verdict).toBe('VERDICT_VALID');
    clock.suspend(1);
    expect((await observe(clients, key.token)).failure?.code).toBe(status.UNAVAILABLE);
    await proxy.pass();
    const back = await watchVerdicts(clients, key.token, ({ verdict }) => verdict !== undefined);
    expect(back.at(-1)?.verdict).toBe('VERDICT_VALID');
  });
});

/** So seldom that what it notices sooner, it was not told by a poll. */
const SELDOM = { LATCHKEY_POLL_MS: '9000', LATCHKEY_MAX_STALENESS_MS: '20000' };

it('tells UNAVAILABLE where the answer to a commit is lost, has forgotten the key, and answers the retry', async () => {
  await behindProxy({ server: { env: SELDOM } }, async (subject) => {
    const { clients, proxy, keyspaceId } = subject;
    const key = await subject.createKey();
    expect((await observe(clients, key.token)).verdict).toBe('VERDICT_VALID');

    const lost = proxy.loseAnswerTo('COMMIT');
    const failure = await failureOf((options) => clients.keys.revokeKey({ id: key.id }, options));
    await lost;
    expect(failure).toMatchObject({ code: status.UNAVAILABLE, reason: 'DATABASE_UNAVAILABLE' });
    // It did take place, and memory does not say otherwise.
    expect((await observe(clients, key.token)).verdict).toBe('VERDICT_REVOKED');

    const request = { key: { keyspaceId, displayName: 'once' }, requestId: crypto.randomUUID() };
    const lostAgain = proxy.loseAnswerTo('COMMIT');
    await failureOf((options) => clients.keys.createKey(request, options));
    await lostAgain;
    const first = await clients.keys.createKey(request);
    const second = await clients.keys.createKey(request);
    expect(second).toEqual(first);
    expect((await observe(clients, first.token)).verdict).toBe('VERDICT_VALID');
    const { keys } = await clients.keys.listKeys({ filter: { keyspaceId, search: 'once' } });
    expect(keys.map(({ id }) => id)).toEqual([first.key?.id]);
  });
});
