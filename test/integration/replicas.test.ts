import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { startServer } from '../support/start-server.ts';
import { createDataDirectory } from '../support/temporary-directory.ts';
import { createTestClock } from '../support/test-clock.ts';
import { openServed, serveLatchkey, type Served } from './support/serve-latchkey.ts';

const REPLICA_ID = /^rep_[0-9A-Za-z]{16}$/;

const packageFile = await readFile(resolve(import.meta.dirname, '../../package.json'), 'utf8');
const { version: VERSION } = JSON.parse(packageFile) as { readonly version: string };

describe('the replicas of an embedded database', () => {
  const clock = createTestClock();
  const served = serveLatchkey({ clock });
  const startTime = new Date(clock.nowMs());

  test('are one, which is never behind and needs no lease', async () => {
    const { latchkey, issue } = served();
    clock.advance(10_000);
    const { revision } = await issue();
    const { replicas, revision: head } = await latchkey.replicas.list();
    expect(head).toBe(revision);
    expect(replicas).toEqual([
      {
        id: expect.stringMatching(REPLICA_ID) as unknown,
        version: VERSION,
        startTime,
        lag: 0,
        leaseValid: true,
        leaseLeftMs: null,
        self: true,
      },
    ]);
    expect(await latchkey.replicas.list()).toEqual({ replicas, revision });
  });

  test('are shown to `config:read` and to no other scope but `admin`', async () => {
    const { issueRoot, sdk } = served();
    for (const scope of ['config:read', 'admin'])
      expect((await sdk((await issueRoot([scope])).token).replicas.list()).replicas).toHaveLength(1);
    const other = sdk((await issueRoot(['verify', 'keys:read', 'keys:write', 'config:write'])).token);
    await expect(other.replicas.list()).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      reason: 'CALLER_SCOPE_MISSING',
      metadata: { scopes: 'config:read' },
    });
  });

  test('are shown to nobody who is confined to keyspaces, be it to all that there are', async () => {
    const { issueRoot, sdk, keyspaceId } = served();
    for (const scope of ['config:read', 'admin']) {
      const confined = sdk((await issueRoot([scope], [keyspaceId, 'ks_latchkey'])).token);
      await expect(confined.replicas.list()).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        reason: 'CALLER_KEYSPACE_NOT_ALLOWED',
      });
    }
  });
});

test('a replica has another id after every start', async () => {
  const directory = await createDataDirectory();
  const ids = new Set<string | undefined>();
  for (let start = 0; start < 2; start += 1) {
    const served = await openServed(await startServer({ dataDir: directory.path }));
    const { replicas } = await served.latchkey.replicas.list();
    ids.add(replicas[0]?.id);
    await served.close();
  }
  await directory.remove();
  expect(ids.size).toBe(2);
});

describe('the replicas of a Postgres', () => {
  const LEASE_MS = 30_000;
  /** So seldom that a change without a hint stays unread, ms. */
  const POLL_MS = 10_000;
  let database: TestDatabase;
  let first: Served & { close(): Promise<void> };
  let second: Served & { close(): Promise<void> };

  const start = (env: Readonly<Record<string, string>> = {}) =>
    startServer({
      databaseUrl: database.url,
      env: { LATCHKEY_MAX_STALENESS_MS: String(LEASE_MS), LATCHKEY_POLL_MS: String(POLL_MS), ...env },
    }).then(openServed);
  beforeAll(async () => {
    database = await createDatabase();
    first = await start();
    second = await start({ LATCHKEY_ROOT_TOKEN: first.server.rootToken });
  });
  afterAll(async () => {
    await second.close();
    await first.close();
    await database.drop();
  });

  test('are all listed by each of them, the oldest first, with leases that hold', async () => {
    const fromFirst = await first.latchkey.replicas.list();
    const fromSecond = await second.latchkey.replicas.list();
    expect(fromFirst.replicas.map(({ self }) => self)).toEqual([true, false]);
    expect(fromSecond.replicas.map(({ self }) => self)).toEqual([false, true]);
    expect(fromSecond.replicas.map(({ id }) => id)).toEqual(fromFirst.replicas.map(({ id }) => id));
    for (const { id, version, startTime, leaseValid, leaseLeftMs } of fromFirst.replicas) {
      expect(id).toMatch(REPLICA_ID);
      expect(version).toBe(VERSION);
      expect(startTime.getTime()).toBeLessThanOrEqual(Date.now());
      expect(leaseValid).toBe(true);
      expect(leaseLeftMs).toBeGreaterThan(0);
      expect(leaseLeftMs).toBeLessThanOrEqual(LEASE_MS);
    }
  });

  test('that have not read a change yet lag behind, until somebody waits for them', async () => {
    const { issue, latchkey } = first;
    const lagOfSecond = async (): Promise<number | undefined> =>
      (await latchkey.replicas.list()).replicas[1]?.lag;
    const { id } = await issue();
    // A poll may come in between, but not every time.
    await expect
      .poll(async () => {
        await issue();
        return lagOfSecond();
      })
      .toBeGreaterThan(0);
    const { revision } = await latchkey.keys.revoke(id);
    expect(await lagOfSecond()).toBe(0);
    expect((await latchkey.replicas.list()).revision).toBe(revision);
  });

  test('that stopped in good order are gone; one that did not is listed with the end of its lease', async () => {
    const third = await start({ LATCHKEY_ROOT_TOKEN: first.server.rootToken });
    expect((await first.latchkey.replicas.list()).replicas).toHaveLength(3);
    await third.close();
    expect((await first.latchkey.replicas.list()).replicas).toHaveLength(2);
    // What a crash leaves behind.
    await database.query(
      `INSERT INTO replicas (id, version, applied_seq, lease_until, start_time) VALUES
         ('rep_crashed000000000', '0.0.9', 0, clock_timestamp() - interval '1 hour', clock_timestamp()),
         ('rep_yesterday0000000', '0.0.9', 0, clock_timestamp() - interval '25 hours', clock_timestamp())`,
    );
    const { replicas } = await first.latchkey.replicas.list();
    expect(replicas).toHaveLength(3);
    expect(replicas[2]).toMatchObject({ id: 'rep_crashed000000000', version: '0.0.9', leaseValid: false });
    expect(replicas[2]?.leaseLeftMs).toBeLessThan(-3_590_000);
    expect(replicas[2]?.leaseLeftMs).toBeGreaterThan(-3_700_000);
    expect(replicas[2]?.lag).toBeGreaterThan(0);
  });
});
