import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../core/change.ts';
import { LOG_PAGE_MAX, type LogReader } from '../../server/coherence/ports.ts';
import type { Engine } from '../../server/store/engines/engine.ts';
import type { PostgresOptions } from '../../server/store/engines/postgres.ts';
import { createStore, type KnexStore } from '../../server/store/store.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { openEmbeddedEngine, openPostgresEngine } from '../support/open-engine.ts';

const LEASE_MS = 60_000;

/** The log of an engine that shares its database. */
function logOf(engine: Engine): NonNullable<Engine['log']> {
  if (engine.log === undefined) throw new Error('the engine has no log to follow');
  return engine.log;
}

let database: TestDatabase;
let store: KnexStore;
let writer: Engine;
beforeAll(async () => {
  database = await createDatabase();
  writer = openPostgresEngine(database.url);
  store = createStore(writer.knex);
});
afterAll(async () => {
  await writer.close();
  await database.drop();
});

const opened: Engine[] = [];
afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
  await database.query('DELETE FROM replicas');
});

function replica(
  id: string,
  options: Partial<PostgresOptions> = {},
): { readonly reader: LogReader; hint(): Promise<void>; close(): Promise<void> } {
  const engine = openPostgresEngine(database.url, { replica: { id, version: '1.2.3' }, ...options });
  opened.push(engine);
  const { reader, hint } = logOf(engine);
  return { reader, hint, close: () => engine.close() };
}

const head = async (): Promise<number> => (await store.changes.head()).seq;
const keys = (count: number): Change[] =>
  Array.from({ length: count }, (_, index) => ({ kind: 'key', id: `key_${index}` }));
const advance = (changes: readonly Change[], wait = false) =>
  store.transaction((tx) => tx.changes.advance(changes, { wait }));
const endPolls = () =>
  database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'latchkey-poll'`,
  );

describe('a poll', () => {
  it('enters the replica, with its cursor as its acknowledgement and its lease by the database’s clock', async () => {
    await replica('rep_a').reader.poll({ cursor: -1, leaseMs: LEASE_MS });
    const [row, ...more] = await store.readReplicas();
    expect(more).toEqual([]);
    expect(row).toMatchObject({ id: 'rep_a', version: '1.2.3', appliedSeq: -1 });
    expect(row?.leaseEndedMs).toBeLessThan(-LEASE_MS / 2);
    expect(row?.leaseEndedMs).toBeGreaterThanOrEqual(-LEASE_MS);
  });

  it('acknowledges what was applied before it, never what it reads', async () => {
    const { reader } = replica('rep_a');
    const before = await head();
    await advance(keys(3));
    await reader.poll({ cursor: before, leaseMs: LEASE_MS });
    expect((await store.readReplicas())[0]?.appliedSeq).toBe(before);
    await reader.poll({ cursor: before + 3, leaseMs: LEASE_MS });
    expect((await store.readReplicas())[0]?.appliedSeq).toBe(before + 3);
  });

  it('renews the lease and keeps the time of the start', async () => {
    const { reader } = replica('rep_a');
    await reader.poll({ cursor: 0, leaseMs: 1 });
    const [first] = await store.readReplicas();
    await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    const [second] = await store.readReplicas();
    expect(first?.leaseEndedMs).toBeGreaterThan(-1000);
    expect(second?.leaseEndedMs).toBeLessThan(-LEASE_MS / 2);
    expect(second?.startTimeMs).toBe(first?.startTimeMs);
  });

  it('reads the head, and every row after the cursor, in order', async () => {
    const { reader } = replica('rep_a');
    const before = await head();
    const changes: readonly Change[] = [
      { kind: 'key', id: 'key_a' },
      { kind: 'policy', id: 'pol_a' },
      { kind: 'owner', keyspaceId: 'ks_a', id: 'ann "the" first, ünd 🍎' },
      { kind: 'keyspace', id: 'ks_a' },
      { kind: 'imports' },
    ];
    await advance(changes, true);
    await advance([]);
    const page = await reader.poll({ cursor: before, leaseMs: LEASE_MS });
    expect(page.head).toEqual({ shard: 0, seq: before + 6 });
    expect(page.rows).toEqual([
      ...changes.map((change, index) => ({ seq: before + 1 + index, change, wait: true })),
      { seq: before + 6, change: 'nothing', wait: false },
    ]);
    expect((await reader.poll({ cursor: before + 4, leaseMs: LEASE_MS })).rows.map(({ seq }) => seq)).toEqual(
      [before + 5, before + 6],
    );
    expect((await reader.poll({ cursor: before + 6, leaseMs: LEASE_MS })).rows).toEqual([]);
  });

  it('reads a row of a kind that it does not know as a change of anything', async () => {
    const { reader } = replica('rep_a');
    const { seq } = await advance([]);
    await database.query(`UPDATE change_log SET kind = 'galaxy', id = 'gal_a' WHERE seq = $1`, [seq]);
    const { rows } = await reader.poll({ cursor: seq - 1, leaseMs: LEASE_MS });
    expect(rows).toEqual([{ seq, change: 'anything', wait: false }]);
  });

  it('reads a full page at most, so that more than that shows as a gap', async () => {
    const { reader } = replica('rep_a');
    const before = await head();
    await advance(keys(LOG_PAGE_MAX));
    expect((await reader.poll({ cursor: before, leaseMs: LEASE_MS })).rows).toHaveLength(LOG_PAGE_MAX);
    await advance(keys(1));
    const page = await reader.poll({ cursor: before, leaseMs: LEASE_MS });
    expect(page.rows).toHaveLength(LOG_PAGE_MAX);
    expect(page.head.seq - before).toBe(LOG_PAGE_MAX + 1);
  });

  it('shows by too few rows that some are gone', async () => {
    const { reader } = replica('rep_a');
    const before = await head();
    await advance(keys(3));
    await database.query('DELETE FROM change_log WHERE seq = $1', [before + 2]);
    const { head: seen, rows } = await reader.poll({ cursor: before, leaseMs: LEASE_MS });
    expect(seen.seq - before).toBe(3);
    expect(rows.map(({ seq }) => seq)).toEqual([before + 1, before + 3]);
  });

  it('sees the head and its rows of one moment, while others write', async () => {
    const { reader } = replica('rep_a');
    let cursor = await head();
    let writing = true;
    const writers = Promise.all(
      Array.from({ length: 4 }, async (_, index) => {
        for (let round = 0; round < 15; round += 1) await advance(keys(index));
      }),
    ).finally(() => (writing = false));
    let pages = 0;
    while (writing) {
      const page = await reader.poll({ cursor, leaseMs: LEASE_MS });
      const expected = Array.from({ length: page.head.seq - cursor }, (_, index) => cursor + 1 + index);
      expect(page.rows.map(({ seq }) => seq)).toEqual(expected);
      if (expected.length > 0) pages += 1;
      cursor = page.head.seq;
    }
    await writers;
    expect(pages).toBeGreaterThan(3);
  });

  it('does not wait for a transaction that holds the head, and does not see it', async () => {
    const { reader } = replica('rep_a');
    const before = await head();
    await store.transaction(async (tx) => {
      await tx.changes.advance(keys(1), { wait: false });
      expect((await reader.poll({ cursor: before, leaseMs: LEASE_MS })).head.seq).toBe(before);
    });
    expect((await reader.poll({ cursor: before, leaseMs: LEASE_MS })).head.seq).toBe(before + 1);
  });

  it('tells the epoch: that of the head’s row, on the timeline of the server', async () => {
    const { reader } = replica('rep_a');
    const { epoch } = await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    expect((await reader.poll({ cursor: 0, leaseMs: LEASE_MS })).epoch).toBe(epoch);
    const [row] = await database.query<{ epoch: string; timeline: number }>(
      'SELECT epoch, timeline_id AS timeline FROM change_head, pg_control_checkpoint()',
    );
    expect(epoch).toBe(`${row?.epoch}/${row?.timeline.toString(16).toUpperCase().padStart(8, '0')}`);
    await database.query(`UPDATE change_head SET epoch = 'another'`);
    expect((await reader.poll({ cursor: 0, leaseMs: LEASE_MS })).epoch).not.toBe(epoch);
  });

  it('gives up in time where the database does not answer, and the next goes over a new connection', async () => {
    const { reader } = replica('rep_a', { pollTimeoutMs: 300 });
    await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    await writer.knex.transaction(async (trx) => {
      await trx.raw('SELECT 1 FROM replicas FOR UPDATE');
      await expect(reader.poll({ cursor: 1, leaseMs: LEASE_MS })).rejects.toThrow();
    });
    await reader.poll({ cursor: 2, leaseMs: LEASE_MS });
    expect((await store.readReplicas())[0]?.appliedSeq).toBe(2);
  });

  it('fails where its connection was ended, and the next makes a new one', async () => {
    const { reader } = replica('rep_a');
    await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    await endPolls();
    // The news may come before the next poll is sent or after.
    await reader.poll({ cursor: 1, leaseMs: LEASE_MS }).catch(() => {});
    await reader.poll({ cursor: 2, leaseMs: LEASE_MS });
    expect((await store.readReplicas())[0]?.appliedSeq).toBe(2);
  });

  it('needs no connection of the pool', async () => {
    const engine = openPostgresEngine(database.url, { poolSize: 1, loadPoolSize: 1 });
    opened.push(engine);
    await engine.knex.transaction(async (trx) => {
      await trx.raw('SELECT 1');
      const page = await logOf(engine).reader.poll({ cursor: 0, leaseMs: LEASE_MS });
      expect(page.head.seq).toBe(await head());
    });
  });
});

describe('a hint', () => {
  const hinted = (reader: LogReader): Promise<void> => new Promise((resolve) => reader.onHint(resolve));

  it('reaches every replica that has polled, the sender’s own too', async () => {
    const replicas = [replica('rep_a'), replica('rep_b')];
    for (const { reader } of replicas) await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    const all = Promise.all(replicas.map(({ reader }) => hinted(reader)));
    await replicas[0]?.hint();
    await all;
  });

  it('reaches a replica again after its connection was ended', async () => {
    const { reader, hint } = replica('rep_a');
    await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    await endPolls();
    await reader.poll({ cursor: 0, leaseMs: LEASE_MS }).catch(() => {});
    await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    const heard = hinted(reader);
    await hint();
    await heard;
  });
});

describe('the end', () => {
  it('takes the replica off the list, and no other', async () => {
    const [leaving, staying] = [replica('rep_a'), replica('rep_b')];
    for (const { reader } of [leaving, staying]) await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    await leaving.reader.close();
    expect((await store.readReplicas()).map(({ id }) => id)).toEqual(['rep_b']);
    await leaving.close();
  });

  it('of one that was cut off leaves its entry, whose lease ends by itself', async () => {
    const { reader } = replica('rep_a', { pollTimeoutMs: 300 });
    await reader.poll({ cursor: 0, leaseMs: LEASE_MS });
    await writer.knex.transaction(async (trx) => {
      await trx.raw('SELECT 1 FROM replicas FOR UPDATE');
      await reader.poll({ cursor: 0, leaseMs: LEASE_MS }).catch(() => {});
    });
    await reader.close();
    expect((await store.readReplicas()).map(({ id }) => id)).toEqual(['rep_a']);
  });

  it('before the first poll is nothing', async () => {
    await replica('rep_a').reader.close();
    expect(await store.readReplicas()).toEqual([]);
  });
});

it('the embedded engine has no log to follow: its process is alone', async () => {
  const engine = await openEmbeddedEngine(undefined);
  expect(engine.log).toBeUndefined();
  expect(engine.knex).toBe(engine.loadKnex);
  await engine.close();
});
