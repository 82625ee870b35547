import { vi } from 'vitest';
import type { Change } from '../../../core/change.ts';
import type { Revision } from '../../../core/revision.ts';
import { createHeadWatch, type HeadWatch } from '../../../server/coherence/head-watch.ts';
import { captureLogger, type CapturedLog } from '../../support/capture-logger.ts';
import { createTestClock, type TestClock } from '../../support/test-clock.ts';

export const POLL_MS = 200;
export const MAX_STALENESS_MS = 2000;

/** A watch whose polls end when the test says so, under a clock that the test moves. */
export interface WatchUnderTest {
  readonly watch: HeadWatch;
  readonly clock: TestClock;
  readonly log: CapturedLog;
  /** What memory was told, in order: ids, `imports`, and `*` for everything. */
  readonly forgotten: readonly string[];
  /** How many polls were sent in all. */
  readonly pollsSent: () => number;
  readonly isClosed: () => boolean;
  /** Whether a poll is under way. */
  readonly isPolling: () => boolean;
  /** Lets time pass, for the clock and for timers. */
  passMs(ms: number): Promise<void>;
  /** Waits for the next poll to be sent, if none is under way. */
  nextPoll(): Promise<void>;
  /** Answers the poll under way, sent now if none is. */
  answer(seq: number): Promise<void>;
  /** Fails the poll under way, sent now if none is. */
  fail(): Promise<void>;
  /** Starts the watch at a position. */
  startAt(seq: number): Promise<void>;
}

/** What a change is about, in a word. */
export const nameOf = (change: Change): string => (change.kind === 'imports' ? 'imports' : change.id);

/** The test must use vitest's fake timers. */
export function watchUnderTest(): WatchUnderTest {
  const clock = createTestClock();
  const log = captureLogger();
  const forgotten: string[] = [];
  const polls: { resolve: (head: Revision) => void; reject: (error: Error) => void }[] = [];
  let pollsSent = 0;
  let closed = false;

  const watch = createHeadWatch({
    memory: {
      forget: (change) => void forgotten.push(nameOf(change)),
      clear: () => void forgotten.push('*'),
    },
    reader: {
      read: () =>
        new Promise((resolve, reject) => {
          pollsSent += 1;
          polls.push({ resolve, reject });
        }),
      close: async () => {
        closed = true;
      },
    },
    clock,
    logger: log.logger,
    pollMs: POLL_MS,
    maxStalenessMs: MAX_STALENESS_MS,
  });

  async function passMs(ms: number): Promise<void> {
    clock.advance(ms);
    await vi.advanceTimersByTimeAsync(ms);
  }

  async function nextPoll(): Promise<void> {
    for (let waitedMs = 0; polls.length === 0 && waitedMs <= POLL_MS; waitedMs += 10) await passMs(10);
    if (polls.length === 0) throw new Error('no poll was sent');
  }

  return {
    watch,
    clock,
    log,
    forgotten,
    passMs,
    nextPoll,
    pollsSent: () => pollsSent,
    isClosed: () => closed,
    isPolling: () => polls.length > 0,
    async answer(seq) {
      await nextPoll();
      polls.shift()?.resolve({ shard: 0, seq });
      await vi.advanceTimersByTimeAsync(0);
    },
    async fail() {
      await nextPoll();
      polls.shift()?.reject(new Error('no connection'));
      await vi.advanceTimersByTimeAsync(0);
    },
    async startAt(seq) {
      const started = watch.start();
      polls.shift()?.resolve({ shard: 0, seq });
      await started;
      forgotten.length = 0;
    },
  };
}
