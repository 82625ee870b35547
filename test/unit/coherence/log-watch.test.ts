import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Change } from '../../../core/change.ts';
import { LOG_PAGE_MAX } from '../../../server/coherence/ports.ts';
import { LEASE_MS, POLL_MS, rowAt, watchUnderTest } from '../support/watch-under-test.ts';

const at = (seq: number) => ({ shard: 0, seq });
const key = (keyId: string): Change[] => [{ kind: 'key', id: keyId }];

/** How soon a poll follows another one that wants it, ms. */
const SOON_MS = 2;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the start', () => {
  test('takes two polls, and memory may answer only after the second', async () => {
    const { watch, answer, acknowledged } = watchUnderTest();
    let isStarted = false;
    const started = watch.start().then(() => (isStarted = true));
    expect(watch.isFresh()).toBe(false);
    await answer(41, { rows: [] });
    expect(watch.isFresh()).toBe(false);
    expect(isStarted).toBe(false);
    await answer(41);
    await started;
    expect(watch.isFresh()).toBe(true);
    expect(watch.revision()).toEqual(at(41));
    expect(watch.covers(at(41))).toBe(true);
    expect(watch.covers(at(42))).toBe(false);
    // Nothing is acknowledged before the head is known.
    expect(acknowledged).toEqual([-1, 41]);
  });

  test('forgets what memory learned before the head was known, and applies what came between the two polls', async () => {
    const { watch, answer, forgotten } = watchUnderTest();
    const started = watch.start();
    await answer(41, { rows: [] });
    expect(forgotten).toEqual(['*']);
    await answer(42);
    await started;
    expect(forgotten).toEqual(['*', 'key_42']);
  });

  test.each([1, 2])('fails if poll %i does, and polls no further', async (failing) => {
    const { watch, answer, fail, passMs, acknowledged } = watchUnderTest();
    const started = watch.start();
    const outcome = Promise.allSettled([started]);
    if (failing === 2) await answer(41);
    await fail();
    expect(await outcome).toMatchObject([{ status: 'rejected', reason: { message: 'no connection' } }]);
    await passMs(10 * POLL_MS);
    expect(acknowledged).toHaveLength(failing);
    expect(watch.isFresh()).toBe(false);
  });
});

describe('polling', () => {
  test('goes on at the interval, one poll at a time', async () => {
    const { startAt, answer, passMs, isPolling, acknowledged, watch } = watchUnderTest();
    await startAt(0);
    for (let round = 0; round < 5; round += 1) await answer(0);
    const before = acknowledged.length;
    await passMs(POLL_MS - 1);
    expect(isPolling()).toBe(false);
    await passMs(1);
    expect(acknowledged).toHaveLength(before + 1);
    // While a poll is under way, no other is sent.
    await passMs(10 * POLL_MS);
    expect(acknowledged).toHaveLength(before + 1);
    await answer(0);
    // It took longer than the lease: another one follows.
    await answer(0);
    await watch.stop();
  });

  test('goes on after failures', async () => {
    const { startAt, fail, answer, watch } = watchUnderTest();
    await startAt(0);
    for (let round = 0; round < 20; round += 1) await fail();
    await answer(3);
    expect(watch.revision()).toEqual(at(3));
  });

  test('follows at once on a poll that read a change somebody waits for, to acknowledge it', async () => {
    const { startAt, answer, passMs, isPolling, acknowledged } = watchUnderTest();
    await startAt(5);
    await answer(6, { rows: [rowAt(6, { wait: true })] });
    await passMs(0);
    expect(isPolling()).toBe(true);
    expect(acknowledged).toEqual([5, 6]);
    await answer(6);
    await passMs(SOON_MS);
    expect(isPolling()).toBe(false);
  });

  test('pauses a little after one that followed at once, whatever it read', async () => {
    const { startAt, answer, passMs, isPolling, acknowledged } = watchUnderTest();
    await startAt(5);
    await answer(6, { rows: [rowAt(6, { wait: true })] });
    await passMs(0);
    await answer(7, { rows: [rowAt(7, { wait: true })] });
    await passMs(SOON_MS - 1);
    expect(isPolling()).toBe(false);
    await passMs(1);
    expect(acknowledged).toEqual([5, 6, 7]);
    await answer(8, { rows: [rowAt(8, { wait: true })] });
    await passMs(0);
    expect(acknowledged).toEqual([5, 6, 7, 8]);
  });

  test('does not hurry for a change that nobody waits for, nor for one of its own', async () => {
    const { startAt, answer, passMs, isPolling, watch } = watchUnderTest();
    await startAt(5);
    await answer(6);
    await passMs(SOON_MS);
    expect(isPolling()).toBe(false);
    watch.publish(key('key_own'), at(8), watch.epoch());
    await answer(8, { rows: [rowAt(7), rowAt(8, { wait: true })] });
    await passMs(SOON_MS);
    expect(isPolling()).toBe(false);
  });
});

describe('the end by stop', () => {
  test('waits for the poll under way, then takes the replica off the list and closes the connection', async () => {
    const { startAt, answer, nextPoll, passMs, acknowledged, isClosed, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    const stopped = watch.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(isClosed()).toBe(false);
    await answer(0);
    await stopped;
    expect(isClosed()).toBe(true);
    await passMs(10 * POLL_MS);
    expect(acknowledged).toHaveLength(1);
  });

  test('comes between two polls too, and a hint calls none back', async () => {
    const { startAt, answer, passMs, hint, acknowledged, isClosed, watch } = watchUnderTest();
    await startAt(0);
    await answer(0);
    await watch.stop();
    expect(isClosed()).toBe(true);
    hint();
    await passMs(10 * POLL_MS);
    expect(acknowledged).toHaveLength(1);
  });

  test('ends the answers of memory before the replica leaves the list', async () => {
    const { startAt, answer, nextPoll, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    const stopped = watch.stop();
    await answer(0);
    await stopped;
    expect(watch.isFresh()).toBe(false);
  });
});

describe('the lease', () => {
  test('counts from the sending of the poll before the last, on the monotonic clock', async () => {
    const { startAt, answer, clock, watch } = watchUnderTest();
    const startMs = clock.monotonicMs();
    await startAt(0);
    // Sent one interval later; the one before was sent at the start.
    await answer(0);
    const elapsedMs = clock.monotonicMs() - startMs;
    expect(elapsedMs).toBe(POLL_MS);
    clock.advance(LEASE_MS - elapsedMs - 1);
    expect(watch.isFresh()).toBe(true);
    clock.advance(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('moves on by as much as the polls do', async () => {
    const { startAt, answer, clock, watch } = watchUnderTest();
    await startAt(0);
    for (let round = 0; round < 50; round += 1) {
      const sentBeforeMs = clock.monotonicMs();
      await answer(0);
      const elapsedMs = clock.monotonicMs() - sentBeforeMs;
      expect(watch.isFresh()).toBe(true);
      // A moment before its end, and at it; then back to where the polls are.
      expect(elapsedMs).toBe(POLL_MS);
    }
    clock.advance(LEASE_MS - POLL_MS - 1);
    expect(watch.isFresh()).toBe(true);
    clock.advance(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('is not prolonged by a poll that stalled: not by how late it answers, nor by when it was sent', async () => {
    const { startAt, answer, nextPoll, clock, watch } = watchUnderTest();
    const startMs = clock.monotonicMs();
    await startAt(0);
    await nextPoll();
    clock.advance(1500);
    await answer(0);
    clock.advance(startMs + LEASE_MS - clock.monotonicMs() - 1);
    expect(watch.isFresh()).toBe(true);
    clock.advance(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('is not counted from a poll that failed: its entry may never have been seen', async () => {
    const { startAt, answer, fail, clock, watch } = watchUnderTest();
    const startMs = clock.monotonicMs();
    await startAt(0);
    await fail();
    await answer(0);
    clock.advance(startMs + LEASE_MS - clock.monotonicMs() - 1);
    expect(watch.isFresh()).toBe(true);
    clock.advance(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('ends on the monotonic clock when the wall clock is set back', async () => {
    const { startAt, answer, clock, watch } = watchUnderTest();
    await startAt(0);
    await answer(0);
    clock.setWall(clock.nowMs() - 3_600_000);
    clock.advance(LEASE_MS - POLL_MS - 1);
    expect(watch.isFresh()).toBe(true);
    clock.advance(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('ends on the wall clock while the monotonic clock stands still: a suspended machine', async () => {
    const { startAt, answer, clock, watch } = watchUnderTest();
    await startAt(0);
    await answer(0);
    clock.suspend(LEASE_MS - POLL_MS - 1);
    expect(watch.isFresh()).toBe(true);
    clock.suspend(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('does not hold after a suspension in the middle of a poll', async () => {
    const { startAt, answer, nextPoll, clock, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    clock.suspend(LEASE_MS);
    await answer(0);
    expect(watch.isFresh()).toBe(false);
  });

  test('lapses when polls fail, is back after two that answer, and the log says both, once', async () => {
    const { startAt, fail, answer, clock, passMs, isPolling, watch, log, forgotten } = watchUnderTest();
    await startAt(5);
    for (let round = 0; round < 3; round += 1) await fail();
    expect(watch.isFresh()).toBe(true);
    clock.advance(LEASE_MS);
    expect(watch.isFresh()).toBe(false);
    await fail();
    // The first finds the lease of long ago; the second, sent at once, the first.
    await answer(5);
    expect(watch.isFresh()).toBe(false);
    await passMs(SOON_MS);
    expect(isPolling()).toBe(true);
    await answer(5);
    expect(watch.isFresh()).toBe(true);
    // Nobody changed anything meanwhile: memory was kept.
    expect(forgotten).toEqual([]);
    const messages = log.records().map(({ msg }) => msg);
    expect(messages).toEqual(['database.unavailable', 'database.recovered']);
  });

  test('is back only after what others changed during the outage is forgotten', async () => {
    const { startAt, fail, answer, clock, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await fail();
    clock.advance(LEASE_MS);
    await answer(7);
    expect(forgotten).toEqual(['key_6', 'key_7']);
    expect(watch.isFresh()).toBe(false);
    await answer(7);
    expect(watch.isFresh()).toBe(true);
  });

  test('is what a change may take that nobody waited for', () => {
    expect(watchUnderTest().watch.effectiveDelayMs).toBe(LEASE_MS);
  });
});

describe('the acknowledgement', () => {
  test('is what was applied before the poll, never what the poll reads', async () => {
    const { startAt, answer, acknowledged } = watchUnderTest();
    await startAt(5);
    await answer(7);
    await answer(9);
    await answer(9);
    expect(acknowledged).toEqual([5, 7, 9]);
  });

  test('of a poll that failed is repeated', async () => {
    const { startAt, answer, fail, acknowledged } = watchUnderTest();
    await startAt(5);
    await fail();
    await fail();
    await answer(6);
    await answer(6);
    expect(acknowledged).toEqual([5, 5, 5, 6]);
  });

  test('holds changes of our own as soon as memory has forgotten them', async () => {
    const { startAt, answer, watch, acknowledged } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_a'), at(6), watch.epoch());
    await answer(6);
    expect(acknowledged).toEqual([6]);
  });

  test('stops before a change of another that is not applied, even where our own come after it', async () => {
    const { startAt, answer, watch, acknowledged } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_a'), at(7), watch.epoch());
    await answer(7);
    await answer(7);
    expect(acknowledged).toEqual([5, 7]);
  });

  test('is what the wait for replicas asks for', async () => {
    expect(await watchUnderTest().watch.confirm(at(1), true)).toEqual({ replicas: 7, confirmed: 6 });
  });
});

describe('a hint', () => {
  test('makes the next poll come at once', async () => {
    const { startAt, hint, passMs, isPolling, answer } = watchUnderTest();
    await startAt(5);
    hint();
    await passMs(0);
    expect(isPolling()).toBe(true);
    // And the interval begins anew.
    await answer(5);
    await passMs(POLL_MS - 1);
    expect(isPolling()).toBe(false);
    await passMs(1);
    expect(isPolling()).toBe(true);
  });

  test('just after a poll leaves a little pause before the next, however many there are', async () => {
    const { startAt, nextPoll, hint, passMs, isPolling, answer } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    await answer(5);
    hint();
    await passMs(SOON_MS - 1);
    hint();
    expect(isPolling()).toBe(false);
    await passMs(1);
    expect(isPolling()).toBe(true);
  });

  test('during a poll, which may have read before, makes another follow at once', async () => {
    const { startAt, hint, nextPoll, answer, passMs, isPolling } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    hint();
    await answer(5);
    await passMs(SOON_MS);
    expect(isPolling()).toBe(true);
    await answer(6);
    await passMs(SOON_MS);
    expect(isPolling()).toBe(false);
  });

  test('that is one of many makes one poll', async () => {
    const { startAt, hint, passMs, answer, acknowledged } = watchUnderTest();
    await startAt(5);
    for (let count = 0; count < 100; count += 1) hint();
    await passMs(SOON_MS);
    await answer(5);
    await passMs(POLL_MS - 1);
    expect(acknowledged).toHaveLength(1);
  });

  test('before the first poll is answered starts none', async () => {
    const { watch, hint, passMs, acknowledged } = watchUnderTest();
    void watch.start();
    hint();
    await passMs(POLL_MS);
    expect(acknowledged).toEqual([-1]);
  });
});

describe('a change of another process', () => {
  test('makes memory forget what it is about, once, and nothing else', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await answer(5);
    expect(forgotten).toEqual([]);
    await answer(7);
    expect(forgotten).toEqual(['key_6', 'key_7']);
    expect(watch.revision()).toEqual(at(7));
    await answer(7);
    expect(forgotten).toEqual(['key_6', 'key_7']);
  });

  test('of every kind is applied, in order', async () => {
    const { startAt, answer, forgotten } = watchUnderTest();
    await startAt(5);
    const changes: readonly (Change | 'nothing' | 'anything')[] = [
      { kind: 'key', id: 'key_a' },
      'nothing',
      { kind: 'policy', id: 'pol_a' },
      { kind: 'owner', keyspaceId: 'ks_a', id: 'ann' },
      { kind: 'keyspace', id: 'ks_a' },
      { kind: 'imports' },
      'anything',
    ];
    await answer(5 + changes.length, {
      rows: changes.map((change, index) => rowAt(6 + index, { change })),
    });
    expect(forgotten).toEqual(['key_a', 'pol_a', 'ann', 'ks_a', 'imports', '*']);
  });

  test('is applied before, between and after changes of our own, which are not applied twice', async () => {
    for (const foreign of [6, 7, 8]) {
      const { startAt, answer, watch, forgotten } = watchUnderTest();
      await startAt(5);
      for (const seq of [6, 7, 8]) if (seq !== foreign) watch.publish([], at(seq), watch.epoch());
      await answer(8);
      expect(forgotten).toEqual([`key_${foreign}`]);
      expect(watch.revision()).toEqual(at(8));
    }
  });

  test('is not covered before memory has forgotten', async () => {
    const { startAt, answer, watch } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_7'), at(7), watch.epoch());
    expect(watch.covers(at(7))).toBe(false);
    expect(watch.covers(at(6))).toBe(false);
    expect(watch.revision()).toEqual(at(5));
    await answer(7);
    expect(watch.covers(at(7))).toBe(true);
  });

  test('in a full page is applied, row by row', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await answer(5 + LOG_PAGE_MAX);
    expect(forgotten).toHaveLength(LOG_PAGE_MAX);
    expect(forgotten).not.toContain('*');
    expect(watch.revision()).toEqual(at(5 + LOG_PAGE_MAX));
  });
});

test('hints that come faster than polls keep no poll back', async () => {
  const { startAt, hint, passMs, answer, isPolling, acknowledged, watch } = watchUnderTest();
  await startAt(5);
  for (let passedMs = 0; passedMs < 2 * LEASE_MS; passedMs += 4) {
    hint();
    await passMs(4);
    if (isPolling()) await answer(5);
  }
  expect(watch.isFresh()).toBe(true);
  expect(acknowledged.length).toBeGreaterThan(LEASE_MS / POLL_MS);
});

describe('a change of our own', () => {
  test('that was begun in a history that is over takes no position of the one that is followed', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    const begunIn = watch.epoch();
    // A standby was promoted that lacks position 5, and has reached it again since.
    await answer(4, { epoch: 'another' });
    watch.publish(key('key_own'), at(5), begunIn);
    expect(forgotten).toEqual(['*', 'key_own']);
    expect(watch.covers(at(5))).toBe(false);
    await answer(5, { epoch: 'another' });
    expect(forgotten).toEqual(['*', 'key_own', 'key_5']);
  });

  test('is applied and covered at once', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_a'), at(6), watch.epoch());
    expect(forgotten).toEqual(['key_a']);
    expect(watch.covers(at(6))).toBe(true);
    expect(watch.revision()).toEqual(at(6));
    await answer(6);
    expect(forgotten).toEqual(['key_a']);
  });

  test('of several parts takes a position for each, and none of them is applied again', async () => {
    const { startAt, nextPoll, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    watch.publish(
      [...key('key_a'), { kind: 'policy', id: 'pol_a' }, { kind: 'imports' }],
      at(8),
      watch.epoch(),
    );
    expect(forgotten).toEqual(['key_a', 'pol_a', 'imports']);
    expect(watch.revision()).toEqual(at(8));
    // The poll under way was sent before and reads them.
    await answer(8);
    expect(forgotten).toEqual(['key_a', 'pol_a', 'imports']);
  });

  test('published out of order is covered only when all before it are', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_8'), at(8), watch.epoch());
    watch.publish(key('key_7'), at(7), watch.epoch());
    expect(watch.revision()).toEqual(at(5));
    expect(watch.covers(at(7))).toBe(false);
    watch.publish(key('key_6'), at(6), watch.epoch());
    expect(watch.revision()).toEqual(at(8));
    await answer(8);
    expect(forgotten).toEqual(['key_8', 'key_7', 'key_6']);
  });

  test('whose fate is unknown is applied, takes no position, and is applied again when the log has it', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_6'), undefined, watch.epoch());
    expect(forgotten).toEqual(['key_6']);
    expect(watch.revision()).toEqual(at(5));
    await answer(6);
    expect(forgotten).toEqual(['key_6', 'key_6']);
  });

  test('that a poll saw before it was published is applied by both', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await answer(6);
    watch.publish(key('key_6'), at(6), watch.epoch());
    expect(forgotten).toEqual(['key_6', 'key_6']);
    expect(watch.revision()).toEqual(at(6));
    // It does not wait for a position that is behind.
    await answer(7);
    expect(forgotten).toEqual(['key_6', 'key_6', 'key_7']);
  });

  test('published while a poll is under way that did not see it is neither lost nor taken back', async () => {
    const { startAt, answer, nextPoll, watch, forgotten, acknowledged } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    watch.publish(key('key_a'), at(6), watch.epoch());
    await answer(5);
    expect(watch.revision()).toEqual(at(6));
    expect(watch.covers(at(6))).toBe(true);
    await answer(6);
    expect(forgotten).toEqual(['key_a']);
    expect(acknowledged).toEqual([5, 6]);
  });
});

describe('a change that was found done', () => {
  const outcomeOf = (confirmed: Promise<unknown>) => {
    const outcome = { done: false };
    void confirmed.then(() => (outcome.done = true));
    return outcome;
  };

  test('is effective only once memory has forgotten, for which a poll comes at once', async () => {
    const { watch, startAt, answer, passMs, isPolling, forgotten } = watchUnderTest();
    await startAt(5);
    const outcome = outcomeOf(watch.confirm(at(6), false));
    await passMs(SOON_MS);
    expect(isPolling()).toBe(true);
    expect(outcome.done).toBe(false);
    await answer(6);
    expect(forgotten).toEqual(['key_6']);
    expect(outcome.done).toBe(true);
  });

  test('is not taken for known by a poll that was under way', async () => {
    const { watch, startAt, answer, nextPoll, passMs } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    const outcome = outcomeOf(watch.confirm(at(6), false));
    await answer(5);
    await passMs(SOON_MS);
    expect(outcome.done).toBe(false);
    await answer(6);
    expect(outcome.done).toBe(true);
  });

  test('is effective at once where memory holds it', async () => {
    const { watch, startAt } = watchUnderTest();
    await startAt(5);
    await expect(watch.confirm(at(5), false)).resolves.toEqual({ replicas: 7, confirmed: 6 });
  });

  test('is not effective because memory may not answer: a poll under way may make it answer again', async () => {
    const { watch, clock, startAt, nextPoll, answer, passMs } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    await answer(5);
    await nextPoll();
    // Sent, and read; then the lease of the poll before lapses.
    clock.advance(LEASE_MS - POLL_MS + 1);
    expect(watch.isFresh()).toBe(false);
    const outcome = outcomeOf(watch.confirm(at(6), false));
    await answer(5);
    await passMs(SOON_MS);
    expect(outcome.done).toBe(false);
    await answer(6);
    expect(outcome.done).toBe(true);
  });

  test('is effective after the lease at the latest', async () => {
    const { watch, startAt, clock, fail } = watchUnderTest();
    await startAt(5);
    const startMs = clock.monotonicMs();
    const outcome = outcomeOf(watch.confirm(at(6), false));
    while (!outcome.done) await fail();
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(LEASE_MS);
    expect(clock.monotonicMs() - startMs).toBeLessThan(LEASE_MS + 2 * POLL_MS);
    expect(watch.isFresh()).toBe(false);
  });

  test('of our own needs no poll', async () => {
    const { watch, startAt, isPolling } = watchUnderTest();
    await startAt(5);
    await expect(watch.confirm(at(9), true)).resolves.toEqual({ replicas: 7, confirmed: 6 });
    expect(isPolling()).toBe(false);
  });
});

describe('everything is forgotten, and the replica goes on from the head,', () => {
  const missing: readonly (readonly [string, readonly number[]])[] = [
    ['the first row is missing', [7, 8]],
    ['a row in the middle is missing', [6, 8]],
    ['the last row is missing', [6, 7]],
    ['all rows are missing', []],
  ];
  test.each(missing)('where %s', async (_what, seqs) => {
    const { startAt, answer, watch, forgotten, log, acknowledged } = watchUnderTest();
    await startAt(5);
    await answer(8, { rows: seqs.map((seq) => rowAt(seq)) });
    expect(forgotten).toEqual(['*']);
    expect(watch.revision()).toEqual(at(8));
    expect(log.records().at(-1)).toMatchObject({
      msg: 'coherence.resync',
      why: 'rows are missing',
      cursor: 5,
      head: 8,
    });
    await answer(9);
    expect(forgotten).toEqual(['*', 'key_9']);
    expect(acknowledged).toEqual([5, 8]);
  });

  test('where it is further behind than a page', async () => {
    const { startAt, answer, watch, forgotten, log } = watchUnderTest();
    await startAt(5);
    const rows = Array.from({ length: LOG_PAGE_MAX }, (_, index) => rowAt(6 + index));
    await answer(6 + LOG_PAGE_MAX, { rows });
    expect(forgotten).toEqual(['*']);
    expect(watch.revision()).toEqual(at(6 + LOG_PAGE_MAX));
    expect(log.records().at(-1)).toMatchObject({ msg: 'coherence.resync', why: 'too far behind' });
  });

  test('where the epoch is another, whatever the positions say', async () => {
    for (const head of [3, 5, 7]) {
      const { startAt, answer, watch, forgotten, log } = watchUnderTest();
      await startAt(5);
      await answer(head, { epoch: 'another' });
      expect(forgotten).toEqual(['*']);
      expect(watch.revision()).toEqual(at(head));
      expect(log.records().at(-1)).toMatchObject({ msg: 'coherence.resync', why: 'another epoch' });
      await answer(head + 1, { epoch: 'another' });
      expect(forgotten).toEqual(['*', `key_${head + 1}`]);
    }
  });

  test('where the head went back', async () => {
    const { startAt, answer, watch, forgotten, log } = watchUnderTest();
    await startAt(9);
    await answer(7);
    expect(forgotten).toEqual(['*']);
    expect(watch.revision()).toEqual(at(7));
    expect(watch.covers(at(8))).toBe(false);
    expect(log.records().at(-1)).toMatchObject({ msg: 'coherence.resync', why: 'the head went back' });
  });

  test('and acknowledges that at once', async () => {
    const { startAt, answer, passMs, isPolling, acknowledged } = watchUnderTest();
    await startAt(5);
    await answer(8, { rows: [] });
    await passMs(SOON_MS);
    expect(isPolling()).toBe(true);
    expect(acknowledged).toEqual([5, 8]);
  });

  test('and positions of the old history are foreign, our own ones too', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    // 7 is ours and 6 not known yet; then a standby takes over that has seen neither.
    watch.publish(key('key_ours'), at(7), watch.epoch());
    await answer(4, { epoch: 'another' });
    expect(forgotten).toEqual(['key_ours', '*']);
    // Others fill the same positions.
    await answer(7, { epoch: 'another' });
    expect(forgotten).toEqual(['key_ours', '*', 'key_5', 'key_6', 'key_7']);
  });

  test('but a change of our own that was published since is read again, not lost', async () => {
    const { startAt, nextPoll, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    watch.publish(key('key_6'), at(6), watch.epoch());
    // The page was read before that change.
    await answer(5, { epoch: 'another' });
    expect(watch.revision()).toEqual(at(5));
    await answer(6, { epoch: 'another' });
    expect(forgotten).toEqual(['key_6', '*', 'key_6']);
    expect(watch.revision()).toEqual(at(6));
  });
});
