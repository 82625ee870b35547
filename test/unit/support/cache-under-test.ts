import type { KeyRecord } from '../../../core/key.ts';
import type { Revision } from '../../../core/revision.ts';
import { createSnapshotCache, type SnapshotCache } from '../../../server/snapshots/snapshot-cache.ts';

/** One read of the database that the test ends. */
export interface ReadUnderWay {
  readonly keyId: string;
  answer(record: KeyRecord | undefined): void;
  fail(error: Error): void;
}

/** A cache over a database whose reads end when the test says so. */
export interface CacheUnderTest {
  readonly cache: SnapshotCache;
  /** Every read that was begun, in order. */
  readonly reads: readonly ReadUnderWay[];
  /** What the cache is told of freshness; the test changes it. */
  readonly freshness: { fresh: boolean; coveredSeq: number };
  /** Moves the monotonic clock. */
  passMs(ms: number): void;
}

export const JOIN_MAX_MS = 2000;

export function cacheUnderTest(options: { readonly maxBytes?: number } = {}): CacheUnderTest {
  const reads: ReadUnderWay[] = [];
  const freshness = { fresh: true, coveredSeq: 0 };
  let monotonicMs = 1000;
  const cache = createSnapshotCache({
    read: (keyId) =>
      new Promise((resolve, reject) => {
        reads.push({ keyId, answer: resolve, fail: reject });
      }),
    freshness: {
      isFresh: () => freshness.fresh,
      covers: (revision: Revision) => revision.seq <= freshness.coveredSeq,
    },
    monotonicMs: () => monotonicMs,
    maxBytes: options.maxBytes ?? 10_000_000,
    joinMaxMs: JOIN_MAX_MS,
  });
  return {
    cache,
    reads,
    freshness,
    passMs(ms) {
      monotonicMs += ms;
    },
  };
}
