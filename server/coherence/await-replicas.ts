import type { Revision } from '../../core/revision.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Propagation } from './coherence.ts';
import type { ReplicaStatus } from './ports.ts';

/** Waits until no replica can answer from before a change; see `createAwaitReplicas`. */
export type AwaitReplicas = (revision: Revision) => Promise<Propagation>;

const FIRST_PAUSE_MS = 2;
const PAUSE_MAX_MS = 25;
const PAUSE_GROWTH = 1.3;

/** A replica whose lease has been over for so long by the database's clock does not count, ms: that clock may be set. */
export const LEASE_GRACE_MS = 10_000;

/**
 * Waits, after a commit, until every other replica has either acknowledged the change, or cannot answer from memory any
 * more. At most `leaseMs` in all, whatever is lost. A replica cannot answer any more
 * - when `leaseMs` have passed since the reply to the commit, on this process's own monotonic clock;
 * - when it has not renewed its lease for as long as that, on the same clock. So one that has died is waited for once, and
 *   not by every change after it;
 * - when its lease ended more than `LEASE_GRACE_MS` ago by the database's clock, which a process that has just started
 *   can know too.
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
  /** The lease of each replica that was seen last, and since when. */
  let leases = new Map<string, { readonly lease: string; readonly sinceMs: number }>();

  /** The other replicas that may still answer from memory. */
  function alive(seen: readonly ReplicaStatus[]): readonly ReplicaStatus[] {
    const nowMs = clock.monotonicMs();
    const others = seen.filter(({ id }) => id !== replicaId);
    leases = new Map(
      others.map(({ id, lease }) => {
        const known = leases.get(id);
        return [id, known?.lease === lease ? known : { lease, sinceMs: nowMs }];
      }),
    );
    return others.filter(
      ({ id, leaseEndedMs }) =>
        leaseEndedMs <= LEASE_GRACE_MS && nowMs - (leases.get(id)?.sinceMs ?? nowMs) < leaseMs,
    );
  }

  return async ({ seq }) => {
    const startMs = clock.monotonicMs();
    const endMs = startMs + leaseMs;
    hint();
    let propagation: Propagation = { replicas: 1, confirmed: 1 };
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * PAUSE_GROWTH, PAUSE_MAX_MS)) {
      const seen = await read().catch(() => undefined);
      if (seen !== undefined) {
        const others = alive(seen);
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
