import { randomInt, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { KeyState } from '../../proto/gen/latchkey/v1/key.ts';
import { Verdict } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { readRootToken } from '../../server/root-token-file.ts';
import type { Engine } from '../../server/store/engines/engine.ts';
import { createClients, type Clients } from '../support/clients.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { openEmbeddedEngine, openPostgresEngine } from '../support/open-engine.ts';
import { createRandom } from '../support/random.ts';
import { spawnCommand, spawnServer, type ServerProcess } from '../support/spawn-server.ts';
import {
  createDataDirectory,
  createTemporaryDirectory,
  type TemporaryDirectory,
} from '../support/temporary-directory.ts';

const ROUNDS = 4;
const WORKERS = 4;

/** The longest that the server lives after the first mutation of a round, ms. */
const LIFE_MS = 500;

/** A key as one worker knows it; no other worker touches it. */
interface KnownKey {
  readonly id: string;
  readonly token: string;
  /** As the last acknowledged change left it. */
  displayName: string;
  revoked: boolean;
  /** What was asked for and not acknowledged: it may have happened or not. */
  pending: { readonly displayName?: string; readonly revoked?: true } | undefined;
}

/** A creation that was not acknowledged. */
interface LostCreation {
  readonly displayName: string;
  readonly requestId: string;
}

/** What the workers of all rounds know. */
interface Ledger {
  readonly keys: KnownKey[];
  readonly lost: LostCreation[];
  readonly revisions: string[];
}

/**
 * The choices of this run, in the tests' names. The same seed makes the same choices; at what statement the kill
 * strikes is up to the machine.
 */
const SEED = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31));

const random = createRandom(SEED);

/** A whole number from 0 to `below` - 1. */
const choose = (below: number): number => random.between(0, below - 1);

const ROOT_TOKEN = newToken('latchkey', newId('key'));

let database: TestDatabase | undefined;
let directory: TemporaryDirectory | undefined;

afterAll(async () => {
  await directory?.remove();
  await database?.drop();
});

describe.each<[string, () => Promise<{ env: Record<string, string>; open: () => Promise<Engine> }>]>([
  [
    'the embedded engine',
    async () => {
      directory = await createDataDirectory();
      const { path } = directory;
      return { env: { LATCHKEY_DATA_DIR: path }, open: () => openEmbeddedEngine(path) };
    },
  ],
  [
    'Postgres',
    async () => {
      database = await createDatabase();
      const { url } = database;
      return { env: { DATABASE_URL: url }, open: async () => openPostgresEngine(url) };
    },
  ],
])('on %s', (_, prepare) => {
  it(`loses nothing that was acknowledged, and does nothing by halves, when it is killed again and again (seed ${SEED})`, async () => {
    const { env, open } = await prepare();
    const ledger: Ledger = { keys: [], lost: [], revisions: [] };
    let keyspaceId = '';
    for (let round = 0; round <= ROUNDS; round += 1) {
      const server = await spawnServer({
        env: { LATCHKEY_LOG_LEVEL: 'warn', LATCHKEY_ROOT_TOKEN: ROOT_TOKEN, ...env },
      });
      const clients = createClients({ address: server.address, token: ROOT_TOKEN });
      if (round === 0) {
        const { keyspace, revision } = await clients.keyspaces.createKeyspace({
          keyspace: { slug: 'orders', tokenPrefix: 'acme' },
        });
        keyspaceId = keyspace?.id ?? '';
        ledger.revisions.push(revision);
      }
      await recover(clients, keyspaceId, ledger);
      if (round < ROUNDS) await mutateUntilKilled(server, clients, keyspaceId, ledger);
      clients.close();
      expect(await server.end('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
    }

    const engine = await open();
    try {
      await expectWhole(engine, ledger);
    } finally {
      await engine.close();
    }
  });
});

it(`starts, with its root key, where the first starts were killed while they made the database (seed ${SEED})`, async () => {
  const fresh = await createTemporaryDirectory();
  const env = { LATCHKEY_LOG_LEVEL: 'warn', LATCHKEY_DATA_DIR: join(fresh.path, 'data') };
  const files = (): Promise<string[]> => readdir(join(fresh.path, 'data', 'db')).catch(() => []);
  for (const laterMs of [choose(50), choose(1000)]) {
    const killed = spawnCommand({
      env: { ...env, LATCHKEY_LISTEN: '127.0.0.1:0', LATCHKEY_HTTP_LISTEN: 'off' },
    });
    while ((await files()).length === 0) await sleep(1);
    await sleep(laterMs);
    await killed.end('SIGKILL');
  }
  const server = await spawnServer({ env });
  const token = await readRootToken(env.LATCHKEY_DATA_DIR);
  const clients = createClients({ address: server.address, token });
  expect((await clients.keyspaces.listKeyspaces({})).keyspaces.map(({ slug }) => slug)).toEqual(['latchkey']);
  clients.close();
  await server.end('SIGKILL');
  await fresh.remove();
});

/** Lets workers change keys until the server is killed under them, at some moment. */
async function mutateUntilKilled(
  server: ServerProcess,
  clients: Clients,
  keyspaceId: string,
  ledger: Ledger,
): Promise<void> {
  const before = ledger.revisions.length;
  const workers = Array.from({ length: WORKERS }, () => work(clients, keyspaceId, ledger));
  while (ledger.revisions.length === before) await sleep(1);
  await sleep(choose(LIFE_MS));
  await server.end('SIGKILL');
  await Promise.all(workers);
}

/** Creates, renames and revokes keys until a call fails. */
async function work({ keys }: Clients, keyspaceId: string, ledger: Ledger): Promise<void> {
  for (;;) {
    const creation = { displayName: randomUUID(), requestId: choose(2) === 0 ? randomUUID() : '' };
    let known: KnownKey;
    try {
      const { requestId, displayName } = creation;
      const { key, token, revision } = await keys.createKey({ key: { keyspaceId, displayName }, requestId });
      known = { id: key?.id ?? '', token, displayName, revoked: false, pending: undefined };
      ledger.keys.push(known);
      ledger.revisions.push(revision);
    } catch {
      ledger.lost.push(creation);
      return;
    }
    for (let change = choose(4); change > 0; change -= 1) {
      const { id } = known;
      const requestId = choose(2) === 0 ? randomUUID() : '';
      const displayName = randomUUID();
      const revokes = choose(4) === 0;
      known.pending = revokes ? { revoked: true } : { displayName };
      // The lease of the server that was killed before would be waited for.
      const wait = false;
      try {
        const { revision } = revokes
          ? await keys.revokeKey({ id, requestId, wait })
          : await keys.updateKey({ key: { id, displayName }, updateMask: ['display_name'], requestId, wait });
        ledger.revisions.push(revision);
      } catch {
        return;
      }
      Object.assign(known, known.pending, { pending: undefined });
      if (revokes) break;
    }
  }
}

/** After a restart: everything acknowledged is there, and what was not is brought to an end once. */
async function recover({ keys, verify }: Clients, keyspaceId: string, ledger: Ledger): Promise<void> {
  for (const known of ledger.keys) {
    const { key } = await keys.getKey({ id: known.id });
    const { pending } = known;
    const revoked = key?.state === KeyState.KEY_STATE_REVOKED;
    if (pending?.displayName === key?.displayName) known.displayName = key?.displayName ?? '';
    if (pending?.revoked === true) known.revoked = revoked;
    known.pending = undefined;
    expect({ displayName: key?.displayName, revoked }).toEqual({
      displayName: known.displayName,
      revoked: known.revoked,
    });
    const { verdict } = await verify.verify({ token: known.token });
    expect(verdict).toBe(revoked ? Verdict.VERDICT_REVOKED : Verdict.VERDICT_VALID);
  }

  for (const { displayName, requestId } of ledger.lost.splice(0)) {
    const named = async (): Promise<string[]> =>
      (await keys.listKeys({ filter: { keyspaceId, search: displayName } })).keys.map(({ id }) => id);
    const made = await named();
    expect(made.length).toBeLessThanOrEqual(1);
    if (requestId === '') continue;
    const request = { key: { keyspaceId, displayName }, requestId };
    const [first, second] = [await keys.createKey(request), await keys.createKey(request)];
    expect(second).toEqual(first);
    // Made before the crash or now, but once.
    expect(await named()).toEqual([first.key?.id]);
    if (made.length === 1) expect(first.key?.id).toBe(made[0]);
    const { verdict } = await verify.verify({ token: first.token });
    expect(verdict).toBe(Verdict.VERDICT_VALID);
    ledger.keys.push({
      id: first.key?.id ?? '',
      token: first.token,
      displayName,
      revoked: false,
      pending: undefined,
    });
    ledger.revisions.push(first.revision);
  }
}

/** What must hold of the database itself, whatever was cut off where. */
async function expectWhole({ knex }: Engine, ledger: Ledger): Promise<void> {
  const rows = async (sql: string): Promise<object[]> => (await knex.raw<{ rows: object[] }>(sql)).rows;
  expect(await rows(`SELECT id FROM keys WHERE id NOT IN (SELECT key_id FROM key_secrets)`)).toEqual([]);
  // Each version of a key has its audit record, from its creation on.
  expect(
    await rows(
      `SELECT id, version, (SELECT count(*) FROM audit_events WHERE target_id = keys.id) AS events
         FROM keys WHERE version <> (SELECT count(*) FROM audit_events WHERE target_id = keys.id)`,
    ),
  ).toEqual([]);
  expect(
    await rows(
      `SELECT target_id FROM audit_events WHERE target_id NOT IN (SELECT id FROM keys UNION SELECT id FROM keyspaces)`,
    ),
  ).toEqual([]);
  // Each position of the change log belongs to one audit record.
  expect(
    await rows(
      `SELECT seq::int AS head, (SELECT count(*)::int FROM audit_events) AS head_by_audit FROM change_head`,
    ),
  ).toEqual([{ head: expect.any(Number) as number, head_by_audit: await headOf(knex) }]);
  expect(
    await rows(
      `SELECT id_hash FROM idempotency_records WHERE request_digest IS NULL OR sealed_answer IS NULL`,
    ),
  ).toEqual([]);

  // No position was given to two, and none lies past the head.
  const positions = ledger.revisions.map((revision) => Number(revision.split('.')[1]));
  expect(new Set(positions).size).toBe(positions.length);
  expect(Math.max(...positions)).toBeLessThanOrEqual(await headOf(knex));
  // It was a stream of mutations, and it was cut off.
  expect(ledger.keys.length).toBeGreaterThan(ROUNDS * WORKERS);
}

async function headOf(knex: Engine['knex']): Promise<number> {
  const [row] = await knex<{ seq: string }>('change_head').select('seq');
  return Number(row?.seq);
}
