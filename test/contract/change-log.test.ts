import { beforeEach, expect, it } from 'vitest';
import { readLoggedChange, type Change } from '../../core/change.ts';
import { createChangeLog } from '../../server/store/change-log.ts';
import { onEachEngine, onPostgres, type Subject } from './each-engine.ts';

const HOUR_MS = 3_600_000;

const EVERY_KIND: readonly Change[] = [
  { kind: 'key', id: 'key_a' },
  { kind: 'policy', id: 'pol_a' },
  { kind: 'owner', keyspaceId: 'ks_a', id: 'ann of  Äpfel 🍎' },
  { kind: 'keyspace', id: 'ks_a' },
  { kind: 'imports' },
];

const keys = (count: number): Change[] =>
  Array.from({ length: count }, (_, index) => ({ kind: 'key', id: `key_${index}` }));

interface Row {
  readonly seq: number;
  readonly kind: string;
  readonly id: string;
  readonly wait: boolean;
}

async function rowsAfter({ sql }: Subject, seq: number): Promise<Row[]> {
  const rows = await sql<Omit<Row, 'seq'> & { readonly seq: string }>(
    'SELECT seq, kind, id, wait FROM change_log WHERE shard = 0 AND seq > ? ORDER BY seq',
    [seq],
  );
  return rows.map(({ seq: text, kind, id, wait }) => ({ seq: Number(text), kind, id, wait }));
}

const advance = ({ store }: Subject, changes: readonly Change[], wait = false) =>
  store.transaction((tx) => tx.changes.advance(changes, { wait }));

onEachEngine((subject) => {
  it.each(['off', 'local', 'on'])('is committed for good where synchronous_commit is %s', async (setting) => {
    await subject().engine.knex.transaction(async (trx) => {
      await trx.raw(`SET LOCAL synchronous_commit = ${setting}`);
      await createChangeLog(trx).advance([], { wait: false });
      const { rows } = (await trx.raw('SHOW synchronous_commit')) as { rows: unknown };
      expect(rows).toEqual([{ synchronous_commit: 'on' }]);
    });
  });

  it('takes a position for each change, in their order, and tells the last', async () => {
    const { seq: before } = await subject().store.changes.head();
    expect(await advance(subject(), EVERY_KIND)).toEqual({ shard: 0, seq: before + 5 });
    expect(await subject().store.changes.head()).toEqual({ shard: 0, seq: before + 5 });
    const rows = await rowsAfter(subject(), before);
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5].map((step) => before + step));
    expect(rows.map(({ kind, id }) => readLoggedChange(kind, id))).toEqual(EVERY_KIND);
  });

  it('takes one position where nothing in memory is touched', async () => {
    const { seq: before } = await subject().store.changes.head();
    expect((await advance(subject(), [])).seq).toBe(before + 1);
    const rows = await rowsAfter(subject(), before);
    expect(rows).toEqual([{ seq: before + 1, kind: 'none', id: '', wait: false }]);
    expect(rows.map(({ kind, id }) => readLoggedChange(kind, id))).toEqual(['nothing']);
  });

  it.each([true, false])('says of each row whether somebody waits for it: %s', async (wait) => {
    const { seq: before } = await subject().store.changes.head();
    await advance(subject(), keys(3), wait);
    expect((await rowsAfter(subject(), before)).map((row) => row.wait)).toEqual([wait, wait, wait]);
  });

  it('writes nothing that was rolled back, and the next transaction takes the positions', async () => {
    const { seq: before } = await subject().store.changes.head();
    const failing = subject().store.transaction(async (tx) => {
      await tx.changes.advance(keys(3), { wait: true });
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await rowsAfter(subject(), before)).toEqual([]);
    await advance(subject(), [{ kind: 'policy', id: 'pol_next' }]);
    expect(await rowsAfter(subject(), before)).toEqual([
      { seq: before + 1, kind: 'policy', id: 'pol_next', wait: false },
    ]);
  });

  it('has as many rows as positions at every moment, under transactions of all sizes, some rolled back', async () => {
    const { store, sql } = subject();
    const { seq: start } = await store.changes.head();
    let writing = true;
    let taken = 0;
    const writers = Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        store.transaction(async (tx) => {
          await tx.changes.advance(keys(index % 4), { wait: false });
          if (index % 5 === 0) throw new Error('rolled back');
          taken += Math.max(1, index % 4);
        }),
      ),
    ).finally(() => (writing = false));
    while (writing) {
      const [row] = await sql<{ head: string; rows: string; first: string; last: string }>(
        `SELECT h.seq AS head, count(l.seq) AS rows, coalesce(min(l.seq), h.seq + 1) AS first, coalesce(max(l.seq), h.seq) AS last
           FROM change_head h LEFT JOIN change_log l ON l.shard = h.shard AND l.seq > ? GROUP BY h.seq`,
        [start],
      );
      expect(Number(row?.rows)).toBe(Number(row?.head) - start);
      expect(Number(row?.last)).toBe(Number(row?.head));
      expect(Number(row?.first)).toBe(start + 1);
    }
    await writers;
    expect((await store.changes.head()).seq).toBe(start + taken);
    expect(await rowsAfter(subject(), start)).toHaveLength(taken);
  });

  it('takes the changes of a large batch in one transaction', async () => {
    const { seq: before } = await subject().store.changes.head();
    expect((await advance(subject(), keys(5000))).seq).toBe(before + 5000);
    const rows = await rowsAfter(subject(), before);
    expect(rows).toHaveLength(5000);
    expect(rows.at(-1)).toMatchObject({ seq: before + 5000, id: 'key_4999' });
  });

  it('keeps its rows for an hour by their own time, then removes them in batches; the head stays', async () => {
    const { store, sql } = subject();
    await store.changes.purgeDue(Date.UTC(9000, 0, 1), 1_000_000);
    await advance(subject(), keys(5));
    const { seq: old } = await store.changes.head();
    const nowMs = Date.UTC(2030, 0, 1);
    await sql(`UPDATE change_log SET time = ?`, [new Date(nowMs - HOUR_MS - 1).toISOString()]);
    await advance(subject(), keys(2));
    await sql('UPDATE change_log SET time = ? WHERE seq > ?', [new Date(nowMs - HOUR_MS).toISOString(), old]);
    expect(await store.changes.purgeDue(nowMs, 3)).toBe(3);
    expect(await store.changes.purgeDue(nowMs, 3)).toBe(2);
    expect(await store.changes.purgeDue(nowMs, 3)).toBe(0);
    expect((await rowsAfter(subject(), 0)).map(({ seq }) => seq)).toEqual([old + 1, old + 2]);
    expect((await store.changes.head()).seq).toBe(old + 2);
    expect(await store.changes.purgeDue(nowMs + 1, 3)).toBe(2);
  });

  it('dates its rows by the database’s clock', async () => {
    const { seq: before } = await subject().store.changes.head();
    await advance(subject(), keys(1));
    const [row] = await subject().sql<{ near: boolean }>(
      `SELECT abs(extract(epoch FROM clock_timestamp() - time)) < 60 AS near FROM change_log WHERE seq = ?`,
      [before + 1],
    );
    expect(row?.near).toBe(true);
  });

  it('has an epoch, and one only', async () => {
    const rows = await subject().sql<{ epoch: string }>('SELECT epoch FROM change_head');
    expect(rows).toHaveLength(1);
    expect(rows[0]?.epoch).toMatch(/^[0-9a-f]{32}$/);
  });
});

onEachEngine((subject) => {
  const enter = (id: string, options: { appliedSeq: number; leaseEndedMs: number; startedMs?: number }) =>
    subject().sql(
      `INSERT INTO replicas (id, version, start_time, applied_seq, lease_until)
       VALUES (?, '1.2.3', ?, ?, clock_timestamp() - ? * interval '1 millisecond')`,
      [
        id,
        new Date(options.startedMs ?? Date.UTC(2030, 0, 1)).toISOString(),
        options.appliedSeq,
        options.leaseEndedMs,
      ],
    );
  beforeEach(() => subject().sql('DELETE FROM replicas'));

  it('lists no replica where there is none', async () => {
    expect(await subject().store.readReplicas()).toEqual([]);
  });

  it('lists replicas, oldest first, with how far they are and how long ago their lease ended', async () => {
    await enter('rep_new', { appliedSeq: 8, leaseEndedMs: 3000, startedMs: Date.UTC(2030, 0, 2) });
    await enter('rep_old', { appliedSeq: 7, leaseEndedMs: -100_000, startedMs: Date.UTC(2030, 0, 1) });
    const [old, young, ...more] = await subject().store.readReplicas();
    expect(more).toEqual([]);
    expect(old).toMatchObject({
      id: 'rep_old',
      version: '1.2.3',
      startTimeMs: Date.UTC(2030, 0, 1),
      appliedSeq: 7,
    });
    expect(young).toMatchObject({ id: 'rep_new', startTimeMs: Date.UTC(2030, 0, 2), appliedSeq: 8 });
    // It holds for 100 s yet, less what the test took.
    expect(old?.leaseEndedMs).toBeGreaterThanOrEqual(-100_000);
    expect(old?.leaseEndedMs).toBeLessThan(-70_000);
    expect(young?.leaseEndedMs).toBeGreaterThanOrEqual(3000);
    expect(young?.leaseEndedMs).toBeLessThan(33_000);
  });

  it('leaves out a replica whose lease ended a day ago', async () => {
    await enter('rep_yesterday', { appliedSeq: 1, leaseEndedMs: 24 * HOUR_MS - 60_000 });
    await enter('rep_before', { appliedSeq: 1, leaseEndedMs: 24 * HOUR_MS });
    expect((await subject().store.readReplicas()).map(({ id }) => id)).toEqual(['rep_yesterday']);
  });

  it('takes such a replica off the list for good, and no other', async () => {
    await enter('rep_yesterday', { appliedSeq: 1, leaseEndedMs: 24 * HOUR_MS - 60_000 });
    await enter('rep_before', { appliedSeq: 1, leaseEndedMs: 24 * HOUR_MS });
    await subject().store.purgeReplicas();
    expect(await subject().engine.knex('replicas').select('id')).toEqual([{ id: 'rep_yesterday' }]);
  });
});

onPostgres((subject) => {
  it('makes a second writer wait for the first, so that positions are in the order of commits', async () => {
    const { store, someoneWaits } = subject();
    const { seq: before } = await store.changes.head();
    const order: number[] = [];
    let second: Promise<unknown> = Promise.resolve();
    await store.transaction(async (tx) => {
      const { seq } = await tx.changes.advance(keys(1), { wait: false });
      second = store
        .transaction((other) => other.changes.advance(keys(1), { wait: false }))
        .then((revision) => order.push(revision.seq));
      await someoneWaits();
      expect(order).toEqual([]);
      order.push(seq);
    });
    await second;
    expect(order).toEqual([before + 1, before + 2]);
  });

  it('has sessions that the server ends when they stop in the middle of a transaction', async () => {
    const { engine } = subject();
    for (const knex of [engine.knex, engine.loadKnex]) {
      const { rows } = await knex.raw<{ rows: object[] }>('SHOW idle_in_transaction_session_timeout');
      expect(rows).toEqual([{ idle_in_transaction_session_timeout: '5s' }]);
    }
  });
});
