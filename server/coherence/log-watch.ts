import type { Revision } from '../../core/revision.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Coherence, Memory } from './coherence.ts';
import type { AwaitReplicas } from './await-replicas.ts';
import { LOG_PAGE_MAX, type LogPage, type LogReader } from './ports.ts';

/** Coherence by following the change log, with its loop to start. */
export interface LogWatch extends Coherence {
  /** Polls until memory may answer, and then goes on until `stop`. @throws if the first poll fails */
  start(): Promise<void>;
}

/** At least this long between the ends and beginnings of polls, ms; every other one may follow at once. */
const POLL_PAUSE_MS = 2;

/**
 * Coherence of a process that shares its database with others: a replica.
 *
 * **Poll.** Every `pollMs`, and at once on a hint, one statement renews the replica's lease, acknowledges what it has
 * applied (its cursor) and reads the changes after it, which are then applied to memory. Positions are gapless, so a page
 * that has fewer rows than there are positions shows that something is missing; then, and where the log lies in another
 * epoch or before the cursor, everything is forgotten and the replica goes on from the head.
 *
 * **Lease.** Memory may answer until `leaseMs` after the *previous* successful poll was sent, tested on the monotonic and
 * on the wall clock (the former may stand still while a machine is suspended). A change that the last poll did not see
 * was committed after that poll read; whoever made it sees the lease of the poll before, which was visible by then, and
 * waits for this replica or for the lease to be over. The last poll's own lease may not be visible yet: counted from its
 * sending, a poll that stalls between its read and its commit would let memory answer from before a change that was
 * already declared effective.
 *
 * The process has applied its own changes when they were made, so it leaves them out. Where a mutation finds its aim
 * reached already, by a change that this process may not have seen yet, it polls before it says so.
 */
export function createLogWatch(options: {
  readonly memory: Memory;
  readonly reader: LogReader;
  readonly awaitReplicas: AwaitReplicas;
  /** Tells the others that there is something to read; fails silently. */
  readonly hint: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time between two polls, ms. */
  readonly pollMs: number;
  /** How long memory may answer without a poll, ms. */
  readonly leaseMs: number;
}): LogWatch {
  const { memory, reader, awaitReplicas, hint, clock, logger, pollMs, leaseMs } = options;
  let cursor: Revision = { shard: 0, seq: -1 };
  let epoch: string | undefined;
  /** Positions above the cursor that are this process's own and have been applied. */
  const own = new Set<number>();
  /** When the last successful poll was sent. */
  let previous: { readonly monotonicMs: number; readonly wallMs: number } | undefined;
  let validUntilMonotonicMs = -Infinity;
  let validUntilWallMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let dueMs = Infinity;
  /** Whether the next poll follows at once on the last. */
  let repeats = false;
  /** When the last poll ended. */
  let endedMs = -Infinity;
  let hinted = false;
  let started = false;
  let stopped = false;
  let failing = false;
  /** Those who wait for the end of the next poll to be sent. */
  let awaitingPoll: (() => void)[] = [];

  const isFresh = (): boolean =>
    clock.monotonicMs() < validUntilMonotonicMs && clock.nowMs() < validUntilWallMs;

  function advance(): void {
    while (own.delete(cursor.seq + 1)) cursor = { shard: cursor.shard, seq: cursor.seq + 1 };
  }

  function resync(page: LogPage, why: string): void {
    if (epoch !== undefined)
      logger.warn({ why, cursor: cursor.seq, head: page.head.seq }, 'coherence.resync');
    memory.clear();
    own.clear();
    cursor = page.head;
    epoch = page.epoch;
  }

  /**
   * Applies a page.
   * @param sentCursor the cursor that it was read after: changes of our own may have moved it on since
   * @returns whether somebody waits for this replica's acknowledgement
   */
  function apply(page: LogPage, sentCursor: number): boolean {
    const { head, rows } = page;
    if (page.epoch !== epoch) {
      resync(page, 'another epoch');
      return true;
    }
    if (head.seq < sentCursor) {
      resync(page, 'the head went back');
      return true;
    }
    if (rows.length !== head.seq - sentCursor) {
      resync(page, rows.length < LOG_PAGE_MAX ? 'rows are missing' : 'too far behind');
      return true;
    }
    let awaited = false;
    for (const { seq, change, wait } of rows) {
      if (own.delete(seq) || seq <= cursor.seq) continue;
      if (change === 'anything') memory.clear();
      else if (change !== 'nothing') memory.forget(change);
      awaited ||= wait;
    }
    if (head.seq > cursor.seq) cursor = head;
    advance();
    return awaited;
  }

  async function poll(): Promise<boolean> {
    const sent = { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
    const sentCursor = cursor.seq;
    const awaited = apply(await reader.poll({ cursor: sentCursor, leaseMs }), sentCursor);
    if (previous !== undefined) {
      validUntilMonotonicMs = previous.monotonicMs + leaseMs;
      validUntilWallMs = previous.wallMs + leaseMs;
    }
    previous = sent;
    return awaited || !isFresh();
  }

  async function pollAndRepeat(): Promise<void> {
    let again = false;
    hinted = false;
    const awaiting = awaitingPoll;
    awaitingPoll = [];
    try {
      again = await poll();
      if (failing) logger.info('database.recovered');
      failing = false;
    } catch (error) {
      if (!failing) logger.warn({ err: error, leaseMs }, 'database.unavailable');
      failing = true;
    }
    running = undefined;
    endedMs = clock.monotonicMs();
    // What is awaited is acknowledged at once.
    repeats = again && !repeats;
    schedule(repeats ? 0 : again || hinted ? POLL_PAUSE_MS : pollMs);
    for (const resolve of awaiting) resolve();
  }

  /** Makes a poll follow soon. */
  function hurry(): void {
    hinted = true;
    const nowMs = clock.monotonicMs();
    const earliestMs = Math.max(nowMs, endedMs + POLL_PAUSE_MS);
    // Not put off where one is due anyway: hints can come faster than polls.
    if (started && running === undefined && dueMs > earliestMs) schedule(earliestMs - nowMs);
  }

  const covers = ({ shard, seq }: Revision): boolean => shard === cursor.shard && seq <= cursor.seq;

  /**
   * Polls until memory holds all up to a position; at most `leaseMs`, after which it may not answer from before. That it
   * may not answer right now is not enough: a poll that is under way may have read before, and make it answer again.
   */
  async function catchUp(revision: Revision): Promise<void> {
    const endMs = clock.monotonicMs() + leaseMs;
    while (!covers(revision) && clock.monotonicMs() < endMs) {
      if (stopped) return;
      const polled = new Promise<void>((resolve) => awaitingPoll.push(resolve));
      hurry();
      await polled;
    }
  }

  function schedule(delayMs: number): void {
    if (stopped) return;
    clearTimeout(timer);
    dueMs = clock.monotonicMs() + delayMs;
    timer = setTimeout(() => {
      running = pollAndRepeat();
    }, delayMs);
  }

  reader.onHint(hurry);

  return {
    isFresh,
    covers,
    revision: () => cursor,
    epoch: () => epoch,
    publish(changes, revision, begunIn) {
      for (const change of changes) memory.forget(change);
      if (revision === undefined || begunIn !== epoch) return;
      // A transaction takes one position for each of its changes, one at least.
      const first = revision.seq - Math.max(1, changes.length) + 1;
      for (let seq = Math.max(first, cursor.seq + 1); seq <= revision.seq; seq += 1) own.add(seq);
      advance();
    },
    async confirm(revision, isOwn) {
      const [propagation] = await Promise.all([
        awaitReplicas(revision),
        isOwn ? undefined : catchUp(revision),
      ]);
      return propagation;
    },
    announce: hint,
    effectiveDelayMs: leaseMs,
    async start() {
      await poll();
      await poll();
      started = true;
      schedule(hinted ? POLL_PAUSE_MS : pollMs);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
      validUntilMonotonicMs = -Infinity;
      for (const resolve of awaitingPoll) resolve();
      await reader.close();
    },
  };
}
