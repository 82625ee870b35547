/** Behind a pooler in transaction mode: three servers that share four connections to Postgres. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import type { CallOptions } from 'nice-grpc';
import { Client as PgClient, type ClientConfig } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { newId } from '../../../core/ids.ts';
import { newToken } from '../../../core/token.ts';
import type { Propagation } from '../../../proto/gen/latchkey/v1/key.ts';
import { KeysFate } from '../../../proto/gen/latchkey/v1/owner_service.ts';
import { Verdict } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { createClients, type Clients } from '../../support/clients.ts';
import { createDatabase, type TestDatabase } from '../../support/create-database.ts';
import { administer } from '../../support/administer.ts';
import { failureOf } from '../../support/failure-of.ts';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts';
import { spawnCommand, spawnServer, type ServerProcess } from '../../support/spawn-server.ts';
import { startTransactionPooler, type TransactionPooler } from '../../support/transaction-pooler.ts';
import { observe, watchVerdicts } from './watch-verdicts.ts';

/** A database, a proxy that can cut what leads to it, and a pooler before that. */
interface Pooled {
  readonly database: TestDatabase;
  readonly proxy: FaultProxy;
  readonly pooler: TransactionPooler;
  close(): Promise<void>;
}

async function openPooled(options: { readonly size: number; readonly migrated: boolean }): Promise<Pooled> {
  const database = await createDatabase({ migrated: options.migrated });
  const proxy = await startFaultProxy(database.url);
  const pooler = await startTransactionPooler(proxy.url, options);
  return {
    database,
    proxy,
    pooler,
    async close() {
      await pooler.close();
      await proxy.close();
      await database.drop();
    },
  };
}

describe('the pooler of these tests', () => {
  async function pooled(size: number): Promise<Pooled> {
    const made = await openPooled({ size, migrated: false });
    onTestFinished(() => made.close());
    return made;
  }

  async function connectTo({ pooler }: Pooled, config: ClientConfig = {}): Promise<PgClient> {
    const client = new PgClient({ connectionString: pooler.url, ...config });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  const backendOf = async (client: PgClient): Promise<number | undefined> =>
    (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;

  test('gives a client one server connection for a transaction, and others to others meanwhile', async () => {
    const subject = await pooled(2);
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => connectTo(subject)));
    const seen = await Promise.all(
      clients.map(async (client) => {
        await client.query('BEGIN');
        const pids = [await backendOf(client), await backendOf(client)];
        await client.query('COMMIT');
        return pids;
      }),
    );
    for (const [first, second] of seen) expect(second).toBe(first);
    expect(new Set(seen.flat()).size).toBe(2);
    expect([subject.pooler.clients(), subject.pooler.servers()]).toEqual([5, 2]);
    expect(subject.pooler.handovers()).toBe(3);
  });

  test('rolls back what a client leaves unfinished, and gives its connection to nobody', async () => {
    const subject = await pooled(1);
    const [leaving, staying] = [await connectTo(subject), await connectTo(subject)];
    await leaving.query('CREATE TABLE kept (id int)');
    await leaving.query('BEGIN');
    await leaving.query('INSERT INTO kept VALUES (1)');
    const pid = await backendOf(leaving);
    await leaving.end();
    expect((await staying.query('SELECT * FROM kept')).rows).toEqual([]);
    expect(await backendOf(staying)).not.toBe(pid);
  });

  test('loses what belongs to a session, and lets others find it', async () => {
    const subject = await pooled(2);
    const client = await connectTo(subject, { statement_timeout: 1234 });
    const timeouts = async (): Promise<unknown[]> => {
      const shown = async (): Promise<unknown> =>
        (await client.query<{ statement_timeout: string }>('SHOW statement_timeout')).rows[0]
          ?.statement_timeout;
      return [await shown(), await shown()];
    };
    // What it asked for at its start is ignored.
    expect(await timeouts()).toEqual(['0', '0']);
    await client.query(`SET statement_timeout = '7s'`);
    expect(await timeouts()).toEqual(['0', '7s']);
    await (await connectTo(subject)).query('SELECT 1');
    expect(await timeouts()).toEqual(['7s', '0']);
  });

  test('does not know prepared statements: one is not there, or is already', async () => {
    const subject = await pooled(2);
    const [one, other] = [await connectTo(subject), await connectTo(subject)];
    const prepared = { name: 'answer', text: 'SELECT 42' };
    await one.query(prepared);
    await expect(one.query(prepared)).rejects.toThrow('prepared statement "answer" does not exist');
    await expect(other.query(prepared)).rejects.toThrow('prepared statement "answer" already exists');
  });

  test('delivers no notification to the client that listened, but to whoever is there', async () => {
    const subject = await pooled(2);
    const [listener, speaker] = [await connectTo(subject), await connectTo(subject)];
    const heardBy = new Set<string>();
    listener.on('notification', () => heardBy.add('listener'));
    speaker.on('notification', () => heardBy.add('speaker'));
    await listener.query('LISTEN news');
    // In turn on the connection that listens, where it is told before it is answered, and on the other.
    for (let turn = 0; turn < 20; turn += 1) await speaker.query('NOTIFY news');
    expect([...heardBy]).toEqual(['speaker']);
  });

  test('refuses what PgBouncer refuses at the start of a connection', async () => {
    const subject = await pooled(1);
    await expect(connectTo(subject, { lock_timeout: 1000 })).rejects.toThrow(
      'unsupported startup parameter: lock_timeout',
    );
  });
});

/** More than a poll that waits for its turn at a busy pooler, ms. */
const LEASE_MS = 4000;
const SLACK_MS = 1000;
const POOL_SIZE = 4;
/** What a caller waits for before it tries again: shorter than it is told to, ms. */
const RETRY_MS = 20;

const settingsOf = ({ pooler }: Pooled, rootToken: string): Readonly<Record<string, string>> => ({
  DATABASE_URL: pooler.url,
  LATCHKEY_ROOT_TOKEN: rootToken,
  LATCHKEY_DATABASE_PREPARED_STATEMENTS: 'false',
  LATCHKEY_MAX_STALENESS_MS: String(LEASE_MS),
  LATCHKEY_POLL_MS: '50',
  // On a busy machine a read may wait for long until the pooler has a connection for it.
  LATCHKEY_DATABASE_ACQUIRE_TIMEOUT_MS: '10000',
  LATCHKEY_DATABASE_STATEMENT_TIMEOUT_MS: '10000',
});

/** A key that may `work` by its policy, and all else that is its own. */
interface Subject {
  readonly id: string;
  readonly token: string;
  readonly keyspaceId: string;
  readonly policyId: string;
  /** Its owner and its tag. */
  readonly name: string;
}

/** Every way to take access away, and what is said of the token from then on. */
const CHANGES: Readonly<
  Record<
    string,
    readonly [
      verdict: string,
      change: (
        clients: Clients,
        subject: Subject,
      ) => Promise<{ readonly propagation?: Propagation | undefined; readonly token?: string }>,
    ]
  >
> = {
  revoke: ['VERDICT_REVOKED', ({ keys }, { id }) => keys.revokeKey({ id })],
  'batch revoke': [
    'VERDICT_REVOKED',
    ({ keys }, { keyspaceId, name }) => keys.batchRevokeKeys({ keyspaceId, tag: name }),
  ],
  'report a leak': ['VERDICT_REVOKED', ({ keys }, { token }) => keys.reportLeakedKey({ token })],
  disable: ['VERDICT_DISABLED', ({ keys }, { id }) => keys.disableKey({ id })],
  delete: ['VERDICT_NOT_FOUND', ({ keys }, { id }) => keys.deleteKey({ id })],
  rotate: ['VERDICT_SECRET_RETIRED', ({ keys }, { id }) => keys.rotateKey({ id })],
  'detach the policy': [
    'VERDICT_SCOPE_MISSING',
    ({ keys }, { id }) => keys.updateKey({ key: { id, policyIds: [] }, updateMask: ['policy_ids'] }),
  ],
  'narrow the policy': [
    'VERDICT_SCOPE_MISSING',
    ({ policies }, { policyId: id }) =>
      policies.updatePolicy({ policy: { id, scopes: ['rest'] }, updateMask: ['scopes'] }),
  ],
  'suspend the owner': [
    'VERDICT_OWNER_SUSPENDED',
    ({ owners }, { keyspaceId, name }) => owners.suspendOwner({ keyspaceId, id: name }),
  ],
  'delete the owner': [
    'VERDICT_REVOKED',
    ({ owners }, { keyspaceId, name }) =>
      owners.deleteOwner({ keyspaceId, id: name, keysFate: KeysFate.KEYS_FATE_REVOKE }),
  ],
};

const UNAVAILABLE = { code: status.UNAVAILABLE, reason: 'DATABASE_UNAVAILABLE', retryAfterMs: 1000 };

describe('three servers that share fewer connections than each of them has', () => {
  const rootToken = newToken('latchkey', newId('key'));
  let pooled: Pooled;
  let replicas: { readonly process: ServerProcess; readonly clients: Clients }[];
  let keyspaceId: string;

  async function startReplica(): Promise<(typeof replicas)[number]> {
    const process = await spawnServer({ env: settingsOf(pooled, rootToken) });
    return { process, clients: createClients({ address: process.address, token: rootToken }) };
  }

  beforeAll(async () => {
    // All of them find an empty database, so that one migrates it and two wait for it.
    pooled = await openPooled({ size: POOL_SIZE, migrated: false });
    replicas = await Promise.all([1, 2, 3].map(startReplica));
    const { keyspace } = await at(0).keyspaces.createKeyspace({
      keyspace: { slug: 'orders', tokenPrefix: 'acme' },
    });
    keyspaceId = keyspace?.id ?? '';
  });
  afterAll(async () => {
    for (const { clients } of replicas) clients.close();
    const ends = await Promise.all(replicas.map(({ process }) => process.end('SIGTERM')));
    const left = await pooled.database.query('SELECT id FROM replicas WHERE lease_until > clock_timestamp()');
    await pooled.close();
    expect(ends).toEqual(replicas.map(() => ({ code: 0, signal: null })));
    // Each has taken itself off the list, on which it would stay for the rest of its lease.
    expect(left).toEqual([]);
  });

  function at(index: number): Clients {
    const replica = replicas[index % replicas.length];
    if (replica === undefined) throw new Error('there is no replica');
    return replica.clients;
  }

  async function newSubject(clients: Clients): Promise<Subject> {
    const name = randomUUID();
    const { policy } = await clients.policies.createPolicy({
      policy: { keyspaceId, displayName: name, scopes: ['work'] },
    });
    const policyId = policy?.id ?? '';
    const { key, token } = await clients.keys.createKey({
      key: { keyspaceId, ownerId: name, tags: [name], policyIds: [policyId] },
    });
    return { id: key?.id ?? '', token, keyspaceId, policyId, name };
  }

  /** What each replica says of a token, or why it does not. */
  const verdicts = (token: string): Promise<readonly (string | undefined)[]> =>
    Promise.all(
      replicas.map(async ({ clients }) => {
        const { verdict, failure } = await observe(clients, { token, scopes: ['work'] });
        return verdict ?? failure?.reason;
      }),
    );
  const all = (verdict: string): readonly string[] => replicas.map(() => verdict);

  /** Revokes a key that all replicas remember; returns who confirmed it. */
  async function revokeOne(by: Clients): Promise<Propagation | undefined> {
    const { id, token } = await newSubject(by);
    expect(await verdicts(token)).toEqual(all('VERDICT_VALID'));
    const { propagation } = await by.keys.revokeKey({ id });
    expect(await verdicts(token)).toEqual(all('VERDICT_REVOKED'));
    return propagation;
  }
  const BY_ALL = { replicas: 3, confirmed: 3 };

  /** The keys of an owner, past the pooler. */
  const keysOf = async (ownerId: string): Promise<readonly string[]> =>
    (
      await pooled.database.query<{ readonly id: string }>('SELECT id FROM keys WHERE owner_id = $1', [
        ownerId,
      ])
    ).map(({ id }) => id);

  test('confirm every change by all three, and none of them accepts what was taken away', async () => {
    const handoversBefore = pooled.pooler.handovers();
    let over = false;
    // Tokens of no key are read from the database, all the time and by all.
    const flood = replicas.flatMap(({ clients }) =>
      [1, 2].map(async () => {
        let count = 0;
        for (; !over; count += 1) {
          const { verdict } = await observe(clients, newToken('acme', newId('key')));
          expect(verdict).toBe('VERDICT_NOT_FOUND');
        }
        return count;
      }),
    );
    const left = [0, 1, 2, 3].flatMap((round) =>
      Object.entries(CHANGES).map(([name, change], index) => ({ name, change, first: index + round })),
    );
    async function work(): Promise<void> {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const {
          name,
          change: [verdict, change],
          first,
        } = next;
        const subject = await newSubject(at(first));
        expect(await verdicts(subject.token), name).toEqual(all('VERDICT_VALID'));
        const { propagation, token } = await change(at(first + 1), subject);
        expect(propagation, name).toEqual(BY_ALL);
        expect(await verdicts(subject.token), name).toEqual(all(verdict));
        if (token !== undefined) expect(await verdicts(token), name).toEqual(all('VERDICT_VALID'));
      }
    }
    try {
      await Promise.all(Array.from({ length: 3 * POOL_SIZE }, work));
    } finally {
      over = true;
    }
    const readings = (await Promise.all(flood)).reduce((sum, count) => sum + count, 0);
    // Each of the three holds a pool, two connections for reading and one for its poll.
    expect(pooled.pooler.clients()).toBeGreaterThan(3 * POOL_SIZE);
    expect(pooled.pooler.servers()).toBeLessThanOrEqual(POOL_SIZE);
    expect(pooled.pooler.handovers() - handoversBefore).toBeGreaterThan(readings / 2);
  });

  test.each([
    ['before its commit', (name: string) => name, 0],
    ['with the answer to its commit', () => 'COMMIT', 1],
  ])('make a change once that loses its connection %s and is repeated', async (_when, textOf, made) => {
    const name = randomUUID();
    const request = { key: { keyspaceId, ownerId: name }, requestId: randomUUID() };
    const isLost = pooled.proxy.loseAnswerTo(textOf(name));
    expect(await failureOf((options) => at(0).keys.createKey(request, options))).toMatchObject(UNAVAILABLE);
    await isLost;
    // Nobody else is given the connection that was lost.
    await at(0).keys.listKeys({ filter: { ownerId: name } });
    expect(await keysOf(name)).toHaveLength(made);
    const { key, token } = await at(1).keys.createKey(request);
    expect(await keysOf(name)).toEqual([key?.id]);
    expect(await verdicts(token)).toEqual(all('VERDICT_SCOPE_MISSING'));
    expect(await revokeOne(at(0))).toEqual(BY_ALL);
  });

  test('admit together what a limit allows', async () => {
    const { token } = await at(0).keys.createKey({
      key: {
        keyspaceId,
        limits: [
          {
            name: 'calls',
            kind: { $case: 'rate', value: { limit: 30n, window: { seconds: 3600n, nanos: 0 } } },
          },
        ],
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, index) => at(index % 3).verify.verify({ token })),
    );
    const admitted = answers.filter(({ valid }) => valid).length;
    expect(admitted).toBeLessThanOrEqual(30);
    // The rest may be held by others for a moment.
    expect(admitted).toBeGreaterThan(15);
    expect(answers.filter(({ valid }) => !valid).map(({ verdict }) => verdict)).toEqual(
      Array.from({ length: 120 - admitted }, () => Verdict.VERDICT_RATE_LIMITED),
    );
  });

  test('make every change once while all server connections are cut again and again', async () => {
    const kept = await newSubject(at(0));
    expect(await verdicts(kept.token)).toEqual(all('VERDICT_VALID'));
    let over = false;
    const watches = replicas.map(({ clients }) =>
      watchVerdicts(clients, { token: kept.token, scopes: ['work'] }, () => over),
    );
    let answered = 0;
    let failed = 0;
    /** Repeats a call until it is answered; whenever ten have been, what is under way loses its connection. */
    async function insist<T>(call: (options: CallOptions) => Promise<T>): Promise<T> {
      for (;;) {
        let answer: { readonly value: T } | undefined;
        const failure = await failureOf(async (options) => {
          answer = { value: await call(options) };
        }).catch((error: unknown) => {
          if (answer === undefined) throw error;
        });
        if (answer !== undefined) {
          answered += 1;
          if (answered % 10 === 0) pooled.proxy.cut();
          return answer.value;
        }
        expect(failure).toMatchObject(UNAVAILABLE);
        failed += 1;
        await sleep(RETRY_MS);
      }
    }
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const name = randomUUID();
        const creation = { key: { keyspaceId, ownerId: name }, requestId: randomUUID() };
        const { key, token } = await insist((options) => at(index).keys.createKey(creation, options));
        const id = key?.id ?? '';
        expect(await keysOf(name)).toEqual([id]);
        const revocation = { id, requestId: randomUUID() };
        await insist((options) => at(index + 1).keys.revokeKey(revocation, options));
        for (const { clients } of replicas) {
          const { verdict } = await insist((options) => clients.verify.verify({ token }, options));
          expect(verdict).toBe(Verdict.VERDICT_REVOKED);
        }
      }),
    );
    over = true;
    expect(failed).toBeGreaterThan(0);
    // Nobody is refused who is not to be; a lease may end where one poll after another is cut.
    const said = (await Promise.all(watches))
      .flat()
      .map(({ verdict, failure }) => verdict ?? failure?.reason);
    expect(['VERDICT_VALID', 'DATABASE_UNAVAILABLE']).toEqual(expect.arrayContaining([...new Set(said)]));
    expect(await revokeOne(at(0))).toEqual(BY_ALL);
  });

  test('are UNAVAILABLE once their leases end where the pooler reaches no database, and recover by themselves', async () => {
    const { id, token } = await newSubject(at(0));
    expect(await verdicts(token)).toEqual(all('VERDICT_VALID'));
    pooled.proxy.refuse();
    pooled.proxy.cut();
    expect(await failureOf((options) => at(0).keys.revokeKey({ id }, options))).toMatchObject(UNAVAILABLE);
    const startMs = performance.now();
    const asked = { token, scopes: ['work'] };
    const ends = await Promise.all(
      replicas.map(({ clients }) => watchVerdicts(clients, asked, ({ failure }) => failure !== undefined)),
    );
    expect(performance.now() - startMs).toBeLessThan(LEASE_MS + SLACK_MS);
    for (const seen of ends) expect(seen.at(-1)?.failure).toMatchObject(UNAVAILABLE);
    await pooled.proxy.pass();
    const returns = await Promise.all(
      replicas.map(({ clients }) => watchVerdicts(clients, asked, ({ verdict }) => verdict !== undefined)),
    );
    for (const seen of returns) expect(seen.at(-1)?.verdict).toBe('VERDICT_VALID');
    expect(await revokeOne(at(1))).toEqual(BY_ALL);
  });

  test('go on where one of them is killed in the middle of a transaction, of which nothing is left', async () => {
    const victim = await newSubject(at(0));
    expect(await verdicts(victim.token)).toEqual(all('VERDICT_VALID'));
    await administer(pooled.database.url, async (blocker) => {
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM change_head FOR UPDATE');
      const lost = failureOf((options) => at(2).keys.revokeKey({ id: victim.id }, options));
      while ((await pooled.database.waitingForLocks()) === 0);
      await replicas[2]?.process.end('SIGKILL');
      at(2).close();
      replicas.splice(2, 1);
      expect(await lost).toMatchObject({ code: status.UNAVAILABLE });
    });
    expect(await verdicts(victim.token)).toEqual(all('VERDICT_VALID'));

    const startMs = performance.now();
    const { propagation } = await at(0).keys.revokeKey({ id: victim.id });
    // The third is counted or not, as its lease is over at the same moment as the wait for it.
    expect(propagation?.confirmed).toBe(2);
    expect(performance.now() - startMs).toBeLessThan(LEASE_MS + SLACK_MS);
    expect(await verdicts(victim.token)).toEqual(all('VERDICT_REVOKED'));
    expect(await revokeOne(at(0))).toEqual({ replicas: 2, confirmed: 2 });
    replicas.push(await startReplica());
    // The new one does not yet know that the killed one is dead, and would wait for it once.
    expect(await revokeOne(at(0))).toEqual(BY_ALL);
  });
});

test('with prepared statements a server does not start behind a pooler that does not know them', async () => {
  const pooled = await openPooled({ size: 2, migrated: true });
  onTestFinished(() => pooled.close());
  const server = spawnCommand({
    env: {
      ...settingsOf(pooled, newToken('latchkey', newId('key'))),
      LATCHKEY_DATABASE_PREPARED_STATEMENTS: 'true',
      LATCHKEY_LISTEN: '127.0.0.1:0',
      LATCHKEY_HTTP_LISTEN: '127.0.0.1:0',
    },
  });
  expect(await server.ended).toEqual({ code: 1, signal: null });
  expect(server.stderr()).toContain('prepared statement "latchkey_poll" does not exist');
});
