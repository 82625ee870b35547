/** Time as a port, so that a test can run any room under a clock of its own. */
export interface Clock {
  /** Wall clock, ms since 1970. May jump. */
  nowMs(): number;
  /** Monotonic clock, ms since some moment. Never goes back; may stop while the machine is suspended. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
