import type { Logger } from '../telemetry/logger.ts';

/** Notices when the database's clock jumps forward, against which labels are no help: what was leased counts no more too soon. */
export interface ClockWatch {
  /**
   * Takes note of a time that the database told.
   * @param timeMs by its clock, ms since 1970
   * @param sentMs when the call was sent, on the monotonic clock
   * @param receivedMs when it was answered, likewise
   */
  observe(timeMs: number, sentMs: number, receivedMs: number): void;
  /** How often it jumped, since the start. */
  jumps(): number;
}

/** What two clocks may part by in between without a jump: so much, and so much a ms. Clocks are slewed by 0.05 % at most. */
const TOLERANCE_MS = 50;
const TOLERANCE_RATE = 0.001;

/**
 * By how much the database's clock is ahead of the monotonic one lies between what the sending and what the answer of a
 * call say. Where the least that it can be now is more than the most that it can have been, it jumped.
 */
export function createClockWatch(logger: Logger): ClockWatch {
  let most: { readonly aheadMs: number; readonly atMs: number } | undefined;
  let jumps = 0;
  return {
    observe(timeMs, sentMs, receivedMs) {
      const leastMs = timeMs - receivedMs;
      const mostMs = timeMs - sentMs;
      const allowedMs =
        most === undefined
          ? Infinity
          : most.aheadMs + TOLERANCE_MS + (receivedMs - most.atMs) * TOLERANCE_RATE;
      if (leastMs > allowedMs) {
        jumps += 1;
        logger.error({ byMs: Math.round(leastMs - (most?.aheadMs ?? 0)) }, 'ledger.clock-jumped');
      }
      // Of what is known the narrowest: a call that took long says little.
      if (mostMs <= allowedMs || leastMs > allowedMs) most = { aheadMs: mostMs, atMs: receivedMs };
    },
    jumps: () => jumps,
  };
}
