import type { Snapshot, SnapshotSecret } from '../../core/snapshot.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Logger } from '../telemetry/logger.ts';

/** One secret was accepted at a time. */
export interface SecretUse {
  readonly secretId: string;
  readonly keyId: string;
  /** Ms since 1970. */
  readonly timeMs: number;
}

/** Remembers which secrets were used, and writes it down now and then. */
export interface UseRecorder {
  /** Takes note of an accepted secret. Synchronous, no I/O. */
  note(snapshot: Snapshot, secret: SnapshotSecret): void;
  /** Writes what was noted, and no more after it. */
  stop(): Promise<void>;
}

/** The resolution of a last use: one secret is written once in this time, ms. */
const RESOLUTION_MS = 60_000;

/** How long a use stays in memory only, ms: what the loss of a process can lose. */
const FLUSH_MS = 10_000;

/** How many uses are kept while they cannot be written. */
const PENDING_MAX = 100_000;

/**
 * Records last uses beside verification: a set in memory tells which secrets have been noted this minute, so that a key
 * that is verified a thousand times a second is written once a minute. What cannot be written is kept, up to a bound,
 * and tried again; a use beyond the bound is noted again with the next one in another minute.
 */
export function createUseRecorder(options: {
  /** Writes uses; none of them is older than RESOLUTION_MS unless writing failed before. */
  readonly write: (uses: readonly SecretUse[]) => Promise<void>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly logger: Logger;
}): UseRecorder {
  const { write, clock, logger } = options;
  /** Weak: a secret leaves with its snapshot. */
  let noted = new WeakSet<SnapshotSecret>();
  let pending: SecretUse[] = [];
  let running: Promise<void> | undefined;
  let failing = false;

  async function flush(): Promise<void> {
    if (pending.length === 0) return;
    const uses = pending;
    pending = [];
    try {
      await write(uses);
      failing = false;
    } catch (error) {
      pending = [...uses, ...pending].slice(0, PENDING_MAX);
      if (!failing) logger.warn({ err: error, uses: pending.length }, 'uses.not-written');
      failing = true;
    }
  }

  const renewal = setInterval(() => {
    noted = new WeakSet();
  }, RESOLUTION_MS);
  const flushing = setInterval(() => {
    // One at a time: a database that is slow must not be given the next before it is done.
    running ??= flush().finally(() => {
      running = undefined;
    });
  }, FLUSH_MS);
  renewal.unref();
  flushing.unref();

  return {
    note({ key }, secret) {
      if (noted.has(secret)) return;
      noted.add(secret);
      if (pending.length >= PENDING_MAX) return;
      pending.push({ secretId: secret.id, keyId: key.id, timeMs: clock.nowMs() });
    },
    async stop() {
      clearInterval(renewal);
      clearInterval(flushing);
      await running;
      await flush();
    },
  };
}
