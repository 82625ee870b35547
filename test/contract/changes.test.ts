import { expect, it } from 'vitest';
import { newAuditEvent } from '../../server/audit/audit-event.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS } from './records.ts';

const event = (targetId: string) =>
  newAuditEvent({
    timeMs: CREATED_MS,
    actor: 'system',
    action: 'key.create',
    keyspaceId: 'ks_x',
    targetId,
    details: {},
  });

onEachEngine((subject) => {
  it('stands at 0 in a new database', async () => {
    expect(await subject().store.changes.head()).toEqual({ shard: 0, seq: 0 });
  });

  it('advances by one, seen by its own transaction at once and by others when it is committed', async () => {
    const { store } = subject();
    const before = await store.changes.head();
    const next = { shard: 0, seq: before.seq + 1 };
    await store.transaction(async (tx) => {
      expect(await tx.changes.advance([], { wait: false })).toEqual(next);
      expect(await tx.changes.head()).toEqual(next);
    });
    expect(await store.changes.head()).toEqual(next);
  });

  it('gives a position that was rolled back to the next transaction', async () => {
    const { store } = subject();
    const before = await store.changes.head();
    const failing = store.transaction(async (tx) => {
      await tx.changes.advance([], { wait: false });
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await store.changes.head()).toEqual(before);
    expect((await store.transaction((tx) => tx.changes.advance([], { wait: false }))).seq).toBe(
      before.seq + 1,
    );
  });

  it('has no gap and no double under many transactions at once, some of which are rolled back', async () => {
    const { store } = subject();
    const before = await store.changes.head();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) =>
        store.transaction(async (tx) => {
          const { seq } = await tx.changes.advance([], { wait: false });
          if (index % 3 === 0) throw new Error('rolled back');
          return seq;
        }),
      ),
    );
    const taken = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(taken.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, index) => before.seq + 1 + index),
    );
    expect((await store.changes.head()).seq).toBe(before.seq + 40);
  });

  it('never shows a position before what was written with it, nor the other way round', async () => {
    const { store, sql } = subject();
    const { seq: start } = await store.changes.head();
    let writing = true;
    const writers = Promise.all(
      Array.from({ length: 6 }, async () => {
        for (let round = 0; round < 15; round += 1) {
          await store.transaction(async (tx) => {
            await tx.audit.append(event('key_positions'));
            await tx.changes.advance([], { wait: false });
          });
        }
      }),
    ).finally(() => (writing = false));
    const seen = new Set<number>();
    while (writing) {
      const [row] = await sql<{ seq: string; written: string }>(
        `SELECT seq, (SELECT count(*) FROM audit_events WHERE target_id = 'key_positions') AS written FROM change_head`,
      );
      expect(Number(row?.seq) - start).toBe(Number(row?.written));
      seen.add(Number(row?.seq));
    }
    await writers;
    expect((await store.changes.head()).seq).toBe(start + 90);
    // It did look while they wrote.
    expect(seen.size).toBeGreaterThan(2);
  });
});
