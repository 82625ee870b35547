import type { Revision } from '../../core/revision.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Coherence, Memory } from './coherence.ts';
import type { HeadReader } from './ports.ts';

/** Coherence by polling, with its loop to start. */
export interface HeadWatch extends Coherence {
  /** Polls once and then goes on until `stop`. @throws if the first poll fails */
  start(): Promise<void>;
}

/**
 * Coherence of a process that shares its database with others.
 *
 * Every `pollMs` it reads the head of the change log. Memory may answer until `maxStalenessMs` after the last
 * successful poll was *sent*: a change that this poll did not see was committed after that moment, so memory is never
 * more than `maxStalenessMs` behind. The bound is tested on the monotonic and on the wall clock, because the former
 * may stand still while a machine is suspended.
 *
 * The process knows its own changes and has applied them. If the head shows one that it does not know, another
 * process made it, and all memory is forgotten.
 */
export function createHeadWatch(options: {
  readonly memory: Memory;
  readonly reader: HeadReader;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time between two polls, ms. */
  readonly pollMs: number;
  /** How old memory may be, ms. */
  readonly maxStalenessMs: number;
}): HeadWatch {
  const { memory, reader, clock, logger, pollMs, maxStalenessMs } = options;
  let head: Revision = { shard: 0, seq: -1 };
  /** Positions above `head` that are this process's own and have been applied. */
  const own = new Set<number>();
  let freshUntilMonotonicMs = -Infinity;
  let freshUntilWallMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;
  let failing = false;

  function advance(): void {
    while (own.delete(head.seq + 1)) head = { shard: head.shard, seq: head.seq + 1 };
  }

  /** @param sentAt the head when the poll was sent: changes of our own may have moved it on since */
  function see(seen: Revision, sentAt: Revision): void {
    if (seen.seq < sentAt.seq) {
      // A head that went back is another history: a restored backup, or a standby that lost commits.
      memory.clear();
      own.clear();
      head = seen;
      return;
    }
    if (seen.seq <= head.seq) return;
    for (let seq = head.seq + 1; seq <= seen.seq; seq += 1) {
      if (own.has(seq)) continue;
      memory.clear();
      break;
    }
    for (const seq of own) if (seq <= seen.seq) own.delete(seq);
    head = seen;
    advance();
  }

  async function poll(): Promise<void> {
    const sentMonotonicMs = clock.monotonicMs();
    const sentWallMs = clock.nowMs();
    const sentAt = head;
    see(await reader.read(), sentAt);
    freshUntilMonotonicMs = sentMonotonicMs + maxStalenessMs;
    freshUntilWallMs = sentWallMs + maxStalenessMs;
  }

  async function pollAndRepeat(): Promise<void> {
    try {
      await poll();
      if (failing) logger.info('database.recovered');
      failing = false;
    } catch (error) {
      if (!failing) logger.warn({ err: error, maxStalenessMs }, 'database.unavailable');
      failing = true;
    }
    schedule();
  }

  function schedule(): void {
    if (stopped) return;
    timer = setTimeout(() => {
      running = pollAndRepeat();
    }, pollMs);
  }

  return {
    isFresh: () => clock.monotonicMs() < freshUntilMonotonicMs && clock.nowMs() < freshUntilWallMs,
    covers: ({ shard, seq }) => shard === head.shard && seq <= head.seq,
    revision: () => head,
    publish(changes, revision) {
      for (const change of changes) memory.forget(change);
      if (revision === undefined || revision.seq <= head.seq) return;
      own.add(revision.seq);
      advance();
    },
    effectiveDelayMs: maxStalenessMs,
    async start() {
      await poll();
      schedule();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
      await reader.close();
    },
  };
}
