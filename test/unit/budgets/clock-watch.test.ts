import { expect, test } from 'vitest';
import { createClockWatch } from '../../../server/budgets/clock-watch.ts';
import { captureLogger } from '../../support/capture-logger.ts';

/** A watch of a clock that is `aheadMs` ahead of the monotonic one. */
function watchClock() {
  const log = captureLogger();
  const watch = createClockWatch(log.logger);
  return {
    log,
    watch,
    /** A call at a time that the database looked at its clock in the middle of. */
    call: (atMs: number, aheadMs: number, tookMs = 2) =>
      watch.observe(atMs + tookMs / 2 + aheadMs, atMs, atMs + tookMs),
  };
}

const AHEAD_MS = 1.7e12;

test('a clock that goes on like ours never jumps, however long calls take', () => {
  const { call, watch, log } = watchClock();
  for (let atMs = 0; atMs < 600_000; atMs += 977) call(atMs, AHEAD_MS, (atMs % 13) * 150);
  expect(watch.jumps()).toBe(0);
  expect(log.lines).toEqual([]);
});

test('a clock that is slewed does not jump', () => {
  const { call, watch } = watchClock();
  for (let atMs = 0; atMs < 3_600_000; atMs += 1000) call(atMs, AHEAD_MS + atMs * 0.0005);
  expect(watch.jumps()).toBe(0);
});

test('a jump forward is counted and logged once, with its length', () => {
  const { call, watch, log } = watchClock();
  call(0, AHEAD_MS);
  call(1000, AHEAD_MS, 900);
  call(2000, AHEAD_MS + 1500);
  call(3000, AHEAD_MS + 1500);
  expect(watch.jumps()).toBe(1);
  const [record] = log.records();
  expect(record).toMatchObject({ msg: 'ledger.clock-jumped' });
  expect(Math.abs(Number(record?.['byMs']) - 1500)).toBeLessThan(5);
});

test('a jump that a slow call could hide is seen with the next one', () => {
  const { call, watch } = watchClock();
  call(0, AHEAD_MS);
  call(100, AHEAD_MS + 500, 2000);
  expect(watch.jumps()).toBe(0);
  call(3000, AHEAD_MS + 500);
  expect(watch.jumps()).toBe(1);
});

test('a clock that is set back is no jump, and a jump forward from there is', () => {
  const { call, watch } = watchClock();
  call(0, AHEAD_MS);
  call(1000, AHEAD_MS - 60_000);
  expect(watch.jumps()).toBe(0);
  call(2000, AHEAD_MS - 59_000);
  expect(watch.jumps()).toBe(1);
});
