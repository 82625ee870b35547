import type { Snapshot } from '../../../../core/snapshot.ts';
import type { SnapshotCache } from '../../../../server/snapshots/snapshot-cache.ts';
import type { Sabotage } from './cluster.ts';

/** A cache that remembers what a read found, whatever happened while it was under way. */
function withoutMarks(inner: SnapshotCache, isFresh: () => boolean, remembers: 'keys' | 'absences') {
  const stash = new Map<string, Snapshot | null>();
  return {
    ...inner,
    recall: (ref, minRevision) => inner.recall(ref, minRevision) ?? (isFresh() ? stash.get(ref) : undefined),
    async load(ref, minRevision) {
      const found = await inner.load(ref, minRevision);
      if ((found === null) === (remembers === 'absences')) stash.set(ref, found);
      return found;
    },
    forget(change) {
      if (change.kind === 'key') stash.delete(change.id);
      inner.forget(change);
    },
    clear() {
      stash.clear();
      inner.clear();
    },
  } satisfies SnapshotCache;
}

/** Each remedy of the protocol, switched off by what is put between its parts. */
export const SABOTAGES = {
  /** Memory answers until the lease after the sending of the last poll, not of the one before. */
  leaseOfTheLastPoll: (): Sabotage => {
    let answeredSentMs = { monotonic: -Infinity, wall: -Infinity };
    return {
      reader: (inner, clock) => ({
        ...inner,
        async poll(options) {
          const sentMs = { monotonic: clock.monotonicMs(), wall: clock.nowMs() };
          const page = await inner.poll(options);
          answeredSentMs = sentMs;
          return page;
        },
      }),
      freshness: (inner, clock, leaseMs) => ({
        ...inner,
        isFresh: () =>
          clock.monotonicMs() < answeredSentMs.monotonic + leaseMs &&
          clock.nowMs() < answeredSentMs.wall + leaseMs,
      }),
    };
  },

  /** Memory answers whether the lease holds or not. */
  noLease: (): Sabotage => ({ freshness: (inner) => ({ ...inner, isFresh: () => true }) }),

  /** The lease is tested on the monotonic clock only. */
  monotonicClockOnly: (): Sabotage => ({
    clock: (inner) => ({ nowMs: () => 0, monotonicMs: () => inner.monotonicMs() }),
  }),

  /** The lease is tested on the wall clock only. */
  wallClockOnly: (): Sabotage => ({
    clock: (inner) => ({ nowMs: () => inner.nowMs(), monotonicMs: () => inner.nowMs() }),
  }),

  /** Rows that are missing from a page are made up. */
  hiddenGaps: (): Sabotage => ({
    reader: (inner) => ({
      ...inner,
      async poll(options) {
        const page = await inner.poll(options);
        const rows = Array.from({ length: Math.max(0, page.head.seq - options.cursor) }, (_, index) => {
          const seq = options.cursor + 1 + index;
          return page.rows.find((row) => row.seq === seq) ?? { seq, change: 'nothing' as const, wait: false };
        });
        return { ...page, rows };
      },
    }),
  }),

  /** What was read is acknowledged before it is applied. */
  acknowledgedBeforeApplied: (): Sabotage => ({
    reader: (inner) => ({
      ...inner,
      async poll(options) {
        const page = await inner.poll(options);
        if (page.head.seq > options.cursor) await inner.poll({ ...options, cursor: page.head.seq });
        return page;
      },
    }),
  }),

  /** A fill that an invalidation has overtaken is remembered. */
  unmarkedFills: (): Sabotage => ({
    cache: (inner, freshness) => withoutMarks(inner, () => freshness.isFresh(), 'keys'),
  }),

  /** An absence is remembered though the key was created while it was read. */
  unmarkedAbsences: (): Sabotage => ({
    cache: (inner, freshness) => withoutMarks(inner, () => freshness.isFresh(), 'absences'),
  }),

  /** A read that began before is joined also while memory may not answer. */
  joinsWithoutLease: (): Sabotage => {
    let joining = false;
    return {
      freshness: (inner) => ({ ...inner, isFresh: () => joining || inner.isFresh() }),
      cache: (inner) => ({
        ...inner,
        load(...question) {
          joining = true;
          const loading = inner.load(...question);
          joining = false;
          return loading;
        },
      }),
    };
  },

  /** A replica that finds a change done takes it for its own. */
  doneIsOwn: (): Sabotage => ({ allOwn: true }),

  /** Nobody waits for the other replicas. */
  noWaiting: (): Sabotage => ({ awaitReplicas: () => async () => ({ replicas: 1, confirmed: 1 }) }),
} as const;
