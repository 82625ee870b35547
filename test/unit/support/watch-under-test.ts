import { vi } from 'vitest';
import type { Change } from '../../../core/change.ts';
import { createLogWatch, type LogWatch } from '../../../server/coherence/log-watch.ts';
import type { LogPage, LogRow } from '../../../server/coherence/ports.ts';
import { captureLogger, type CapturedLog } from '../../support/capture-logger.ts';
import { createTestClock, type TestClock } from '../../support/test-clock.ts';

export const POLL_MS = 200;
export const LEASE_MS = 2000;

/** A watch whose polls end when the test says so, under a clock that the test moves. */
export interface WatchUnderTest {
  readonly watch: LogWatch;
  readonly clock: TestClock;
  readonly log: CapturedLog;
  /** What memory was told, in order: ids, `imports`, and `*` for everything. */
  readonly forgotten: readonly string[];
  /** What each poll acknowledged, in order. */
  readonly acknowledged: readonly number[];
  readonly isClosed: () => boolean;
  /** Whether a poll is under way. */
  readonly isPolling: () => boolean;
  /** Lets time pass, for the clock and for timers. */
  passMs(ms: number): Promise<void>;
  /** Waits for the next poll to be sent, if none is under way. */
  nextPoll(): Promise<void>;
  /**
   * Answers the poll under way, sent now if none is, with the rows after its cursor (by default a change of a key
   * named after each position, which nobody waits for).
   */
  answer(
    headSeq: number,
    page?: { readonly rows?: readonly LogRow[]; readonly epoch?: string },
  ): Promise<void>;
  /** Fails the poll under way, sent now if none is. */
  fail(): Promise<void>;
  /** Somebody says that there is something to read. */
  hint(): void;
  /** Starts the watch at a position, with the two polls that this takes. */
  startAt(seq: number): Promise<void>;
}

/** What a change is about, in a word. */
export const nameOf = (change: Change): string => (change.kind === 'imports' ? 'imports' : change.id);

/** A row of a log: a change of a key named after its position, unless told otherwise. */
export function rowAt(seq: number, row: Partial<LogRow> = {}): LogRow {
  return { seq, change: { kind: 'key', id: `key_${seq}` }, wait: false, ...row };
}

interface Poll {
  readonly cursor: number;
  readonly resolve: (page: LogPage) => void;
  readonly reject: (error: Error) => void;
}

/** The test must use vitest's fake timers. */
export function watchUnderTest(): WatchUnderTest {
  const clock = createTestClock();
  const log = captureLogger();
  const forgotten: string[] = [];
  const acknowledged: number[] = [];
  const polls: Poll[] = [];
  let closed = false;
  let hint = (): void => {};

  const watch = createLogWatch({
    memory: {
      forget: (change) => void forgotten.push(nameOf(change)),
      clear: () => void forgotten.push('*'),
    },
    reader: {
      poll: ({ cursor, leaseMs }) =>
        new Promise((resolve, reject) => {
          if (leaseMs !== LEASE_MS) throw new Error(`a lease of ${leaseMs} ms was asked for`);
          acknowledged.push(cursor);
          polls.push({ cursor, resolve, reject });
        }),
      onHint: (listener) => (hint = listener),
      close: async () => {
        closed = true;
      },
    },
    awaitReplicas: async () => ({ replicas: 7, confirmed: 6 }),
    hint: () => {},
    clock,
    logger: log.logger,
    pollMs: POLL_MS,
    leaseMs: LEASE_MS,
  });

  async function passMs(ms: number): Promise<void> {
    clock.advance(ms);
    await vi.advanceTimersByTimeAsync(ms);
  }

  async function nextPoll(): Promise<void> {
    for (let waitedMs = 0; polls.length === 0 && waitedMs <= POLL_MS; waitedMs += 5) await passMs(5);
    if (polls.length === 0) throw new Error('no poll was sent');
  }

  async function answer(
    headSeq: number,
    { rows, epoch = 'epoch' }: { readonly rows?: readonly LogRow[]; readonly epoch?: string } = {},
  ): Promise<void> {
    await nextPoll();
    const poll = polls.shift();
    if (poll === undefined) return;
    const missing = Array.from({ length: Math.max(0, headSeq - poll.cursor) }, (_, index) =>
      rowAt(poll.cursor + 1 + index),
    );
    poll.resolve({ head: { shard: 0, seq: headSeq }, epoch, rows: rows ?? missing });
    await vi.advanceTimersByTimeAsync(0);
  }

  return {
    watch,
    clock,
    log,
    forgotten,
    acknowledged,
    passMs,
    nextPoll,
    answer,
    isClosed: () => closed,
    isPolling: () => polls.length > 0,
    async fail() {
      await nextPoll();
      polls.shift()?.reject(new Error('no connection'));
      await vi.advanceTimersByTimeAsync(0);
    },
    hint: () => hint(),
    async startAt(seq) {
      const started = watch.start();
      await answer(seq, { rows: [] });
      await answer(seq);
      await started;
      forgotten.length = 0;
      acknowledged.length = 0;
    },
  };
}
