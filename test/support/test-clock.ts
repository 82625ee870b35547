import type { Clock } from '../../server/telemetry/clock.ts';

/** A clock that stands still until a test moves it. */
export interface TestClock extends Clock {
  /** Lets time pass, on both clocks. */
  advance(ms: number): void;
  /** Sets the wall clock, as a person or NTP may; the monotonic clock goes on as it was. */
  setWall(nowMs: number): void;
  /** Lets time pass on the wall clock only, as while a machine is suspended. */
  suspend(ms: number): void;
}

/** @param startMs the wall clock's first time, ms since 1970; by default a fixed one */
export function createTestClock(startMs = Date.UTC(2030, 0, 1)): TestClock {
  let wallMs = startMs;
  let monotonicMs = 1000;
  return {
    nowMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    advance(ms) {
      wallMs += ms;
      monotonicMs += ms;
    },
    setWall(nowMs) {
      wallMs = nowMs;
    },
    suspend(ms) {
      wallMs += ms;
    },
  };
}
