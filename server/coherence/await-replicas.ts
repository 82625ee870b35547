import type { Revision } from '../../core/revision.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Propagation } from './coherence.ts';
import type { ReplicaStatus } from './ports.ts';

/** Waits until no replica can answer from before a change; see `createAwaitReplicas`. */
export type AwaitReplicas = (revision: Revision) => Promise<Propagation>;

const FIRST_PAUSE_MS = 2;
const PAUSE_MAX_MS = 25;

/** A replica whose lease has been over for so long does not count, whatever its clock says, ms. */
export const LEASE_GRACE_MS = 10_000;

/**
 * Waits, after a commit, until every other replica has either acknowledged the change, or cannot answer from memory any
 * more: `leaseMs` have passed since the reply to the commit on this process's own monotonic clock, or its lease ended
 * more than `LEASE_GRACE_MS` ago by the database's clock. At most `leaseMs` in all, whatever is lost.
 */
export function createAwaitReplicas(options: {
  /** This replica, which has applied the change already. */
  readonly replicaId: string;
  /** All replicas that are known. @throws when the database does not answer */
  readonly read: () => Promise<readonly ReplicaStatus[]>;
  /** Tells the others that there is something to read; fails silently. */
  readonly hint: () => void;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly sleep: (ms: number) => Promise<void>;
}): AwaitReplicas {
  const { replicaId, read, hint, clock, leaseMs, sleep } = options;
  return async ({ seq }) => {
    const startMs = clock.monotonicMs();
    const endMs = startMs + leaseMs;
    hint();
    let propagation: Propagation = { replicas: 1, confirmed: 1 };
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
      const seen = await read().catch(() => undefined);
      if (seen !== undefined) {
        const others = seen.filter(
          ({ id, leaseEndedMs }) => id !== replicaId && leaseEndedMs <= LEASE_GRACE_MS,
        );
        const acknowledged = others.filter(({ appliedSeq }) => appliedSeq >= seq).length;
        propagation = { replicas: 1 + others.length, confirmed: 1 + acknowledged };
        if (acknowledged === others.length) return propagation;
      }
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs <= 0) return propagation;
      await sleep(Math.min(pauseMs, leftMs));
    }
  };
}
