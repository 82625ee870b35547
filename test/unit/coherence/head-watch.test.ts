import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Change } from '../../../core/change.ts';
import { MAX_STALENESS_MS, POLL_MS, watchUnderTest } from '../support/watch-under-test.ts';

const at = (seq: number) => ({ shard: 0, seq });
const key = (keyId: string): Change[] => [{ kind: 'key', id: keyId }];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the start', () => {
  test('is fresh only when the first poll has answered, and knows its head', async () => {
    const { watch, startAt } = watchUnderTest();
    expect(watch.isFresh()).toBe(false);
    await startAt(41);
    expect(watch.isFresh()).toBe(true);
    expect(watch.revision()).toEqual(at(41));
    expect(watch.covers(at(41))).toBe(true);
    expect(watch.covers(at(42))).toBe(false);
  });

  test('fails if the first poll does, and polls no further', async () => {
    const { watch, fail, passMs, pollsSent } = watchUnderTest();
    const [started] = await Promise.allSettled([watch.start(), fail()]);
    expect(started).toMatchObject({ status: 'rejected', reason: { message: 'no connection' } });
    await passMs(10 * POLL_MS);
    expect(pollsSent()).toBe(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('forgets what memory learned before the head was known', async () => {
    const { watch, answer, forgotten } = watchUnderTest();
    const started = watch.start();
    await answer(0);
    await started;
    expect(forgotten).toEqual(['*']);
  });
});

describe('polling', () => {
  test('goes on at the interval, one poll at a time', async () => {
    const { startAt, answer, passMs, isPolling, pollsSent, watch } = watchUnderTest();
    await startAt(0);
    for (let round = 0; round < 5; round += 1) await answer(0);
    const before = pollsSent();
    await passMs(POLL_MS - 1);
    expect(isPolling()).toBe(false);
    await passMs(1);
    expect(pollsSent()).toBe(before + 1);
    // While a poll is under way, no other is sent.
    await passMs(10 * POLL_MS);
    expect(pollsSent()).toBe(before + 1);
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

  test('ends with stop, which waits for the poll under way and closes the connection', async () => {
    const { startAt, answer, nextPoll, passMs, pollsSent, isClosed, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    const stopped = watch.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(isClosed()).toBe(false);
    await answer(0);
    await stopped;
    expect(isClosed()).toBe(true);
    const before = pollsSent();
    await passMs(10 * POLL_MS);
    expect(pollsSent()).toBe(before);
  });

  test('ends with stop between two polls too', async () => {
    const { startAt, answer, passMs, pollsSent, isClosed, watch } = watchUnderTest();
    await startAt(0);
    await answer(0);
    await watch.stop();
    expect(isClosed()).toBe(true);
    const before = pollsSent();
    await passMs(10 * POLL_MS);
    expect(pollsSent()).toBe(before);
  });
});

describe('the staleness bound', () => {
  test('is counted from when the poll was sent, not from when it answered', async () => {
    const { startAt, answer, nextPoll, passMs, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    await passMs(1500);
    await answer(0);
    await passMs(MAX_STALENESS_MS - 1500 - 1);
    expect(watch.isFresh()).toBe(true);
    await passMs(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('is over at once for a poll that took longer than it', async () => {
    const { startAt, answer, nextPoll, passMs, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    await passMs(MAX_STALENESS_MS);
    await answer(0);
    expect(watch.isFresh()).toBe(false);
  });

  test('is counted from the sending on the monotonic clock, whatever the wall clock says', async () => {
    const { startAt, answer, nextPoll, passMs, clock, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    await passMs(1500);
    clock.setWall(clock.nowMs() - 1500);
    await answer(0);
    await passMs(MAX_STALENESS_MS - 1500 - 1);
    expect(watch.isFresh()).toBe(true);
    await passMs(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('holds on the wall clock while the monotonic clock stands still', async () => {
    const { startAt, answer, clock, watch } = watchUnderTest();
    await startAt(0);
    await answer(0);
    clock.suspend(MAX_STALENESS_MS - 1);
    expect(watch.isFresh()).toBe(true);
    clock.suspend(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('is counted from the sending on the wall clock too', async () => {
    const { startAt, answer, nextPoll, clock, watch } = watchUnderTest();
    await startAt(0);
    await nextPoll();
    // The machine was suspended while the poll was under way.
    clock.suspend(MAX_STALENESS_MS);
    await answer(0);
    expect(watch.isFresh()).toBe(false);
  });

  test('holds on the monotonic clock when the wall clock is set back', async () => {
    const { startAt, answer, clock, passMs, watch } = watchUnderTest();
    await startAt(0);
    await answer(0);
    clock.setWall(clock.nowMs() - 3_600_000);
    await passMs(MAX_STALENESS_MS - 1);
    expect(watch.isFresh()).toBe(true);
    await passMs(1);
    expect(watch.isFresh()).toBe(false);
  });

  test('lapses when polls fail, heals with the first that answers, and says both in the log, once', async () => {
    const { startAt, fail, answer, passMs, watch, log, forgotten } = watchUnderTest();
    await startAt(5);
    for (let round = 0; round < 3; round += 1) await fail();
    expect(watch.isFresh()).toBe(true);
    await passMs(MAX_STALENESS_MS);
    expect(watch.isFresh()).toBe(false);
    await fail();
    expect(watch.isFresh()).toBe(false);
    await answer(5);
    expect(watch.isFresh()).toBe(true);
    // Nobody changed anything meanwhile: memory was kept.
    expect(forgotten).toEqual([]);
    const messages = log.records().map(({ msg }) => msg);
    expect(messages).toEqual(['database.unavailable', 'database.recovered']);
  });

  test('heals only after what others changed during the outage is forgotten', async () => {
    const { startAt, fail, answer, passMs, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await fail();
    await passMs(MAX_STALENESS_MS);
    await answer(6);
    expect(watch.isFresh()).toBe(true);
    expect(forgotten).toEqual(['*']);
  });

  test('is what a change may take to reach every replica', () => {
    expect(watchUnderTest().watch.effectiveDelayMs).toBe(MAX_STALENESS_MS);
  });
});

describe('a change of another process', () => {
  test('makes memory forget everything, once', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await answer(5);
    expect(forgotten).toEqual([]);
    await answer(6);
    expect(forgotten).toEqual(['*']);
    expect(watch.revision()).toEqual(at(6));
    await answer(6);
    expect(forgotten).toEqual(['*']);
  });

  test('is noticed among changes of our own, before, between and after them', async () => {
    for (const foreign of [6, 7, 8]) {
      const { startAt, answer, watch, forgotten } = watchUnderTest();
      await startAt(5);
      for (const seq of [6, 7, 8]) if (seq !== foreign) watch.publish([], at(seq));
      await answer(8);
      expect(forgotten).toEqual(['*']);
      expect(watch.revision()).toEqual(at(8));
    }
  });

  test('is not covered before memory has forgotten', async () => {
    const { startAt, answer, watch } = watchUnderTest();
    await startAt(5);
    // 6 is another's: 7 must not be reported as a position up to which everything is known.
    watch.publish(key('key_7'), at(7));
    expect(watch.covers(at(7))).toBe(false);
    expect(watch.covers(at(6))).toBe(false);
    expect(watch.revision()).toEqual(at(5));
    await answer(6);
    expect(watch.revision()).toEqual(at(7));
    expect(watch.covers(at(7))).toBe(true);
  });
});

describe('a change of our own', () => {
  test('is applied and covered at once, and forgets nothing else', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_a'), at(6));
    expect(forgotten).toEqual(['key_a']);
    expect(watch.covers(at(6))).toBe(true);
    expect(watch.revision()).toEqual(at(6));
    await answer(6);
    await answer(6);
    expect(forgotten).toEqual(['key_a']);
  });

  test('of every kind is applied, in order', async () => {
    const { startAt, watch, forgotten } = watchUnderTest();
    await startAt(5);
    watch.publish(
      [
        ...key('key_a'),
        { kind: 'policy', id: 'pol_a' },
        { kind: 'owner', keyspaceId: 'ks_a', id: 'ann' },
        { kind: 'keyspace', id: 'ks_a' },
        { kind: 'imports' },
      ],
      at(6),
    );
    expect(forgotten).toEqual(['key_a', 'pol_a', 'ann', 'ks_a', 'imports']);
  });

  test('published out of order is covered only when all before it are', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_8'), at(8));
    watch.publish(key('key_7'), at(7));
    expect(watch.revision()).toEqual(at(5));
    expect(watch.covers(at(7))).toBe(false);
    watch.publish(key('key_6'), at(6));
    expect(watch.revision()).toEqual(at(8));
    await answer(8);
    expect(forgotten).toEqual(['key_8', 'key_7', 'key_6']);
  });

  test('whose fate is unknown is applied, and takes no position', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    watch.publish(key('key_a'), undefined);
    expect(forgotten).toEqual(['key_a']);
    expect(watch.revision()).toEqual(at(5));
    // It was committed after all: for this process it is as foreign as any.
    await answer(6);
    expect(forgotten).toEqual(['key_a', '*']);
  });

  test('that the poll saw before it was published is taken for another process’s, which is safe', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await answer(6);
    watch.publish(key('key_a'), at(6));
    expect(forgotten).toEqual(['*', 'key_a']);
    expect(watch.revision()).toEqual(at(6));
  });

  test('published while a poll is under way that did not see it is neither lost nor foreign', async () => {
    const { startAt, answer, nextPoll, watch, forgotten } = watchUnderTest();
    await startAt(5);
    await nextPoll();
    watch.publish(key('key_a'), at(6));
    await answer(5);
    expect(watch.revision()).toEqual(at(6));
    expect(watch.covers(at(6))).toBe(true);
    await answer(6);
    expect(forgotten).toEqual(['key_a']);
  });
});

describe('a head that went back', () => {
  test('is another history: everything is forgotten, and nothing of the old one is covered', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(9);
    await answer(7);
    expect(forgotten).toEqual(['*']);
    expect(watch.revision()).toEqual(at(7));
    expect(watch.covers(at(8))).toBe(false);
  });

  test('makes positions of the old history foreign, our own ones too', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(5);
    // 7 is ours and 6 not known yet; then a standby takes over that has seen neither.
    watch.publish(key('key_7'), at(7));
    await answer(4);
    expect(forgotten).toEqual(['key_7', '*']);
    // Others fill the same positions.
    await answer(6);
    await answer(7);
    expect(forgotten).toEqual(['key_7', '*', '*', '*']);
  });

  test('goes on from there with changes of our own', async () => {
    const { startAt, answer, watch, forgotten } = watchUnderTest();
    await startAt(9);
    await answer(3);
    watch.publish(key('key_4'), at(4));
    await answer(4);
    expect(forgotten).toEqual(['*', 'key_4']);
    expect(watch.revision()).toEqual(at(4));
  });
});
