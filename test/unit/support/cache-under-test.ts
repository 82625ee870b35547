import type { KeyRecord } from '../../../core/key.ts';
import type { Revision } from '../../../core/revision.ts';
import { NO_CONTEXT, type KeyContext } from '../../../core/snapshot.ts';
import { createSnapshotCache, type SnapshotCache } from '../../../server/snapshots/snapshot-cache.ts';

/** One read of the database that the test ends. */
export interface ReadUnderWay {
  readonly ref: string;
  answer(record: KeyRecord | undefined, context?: Partial<KeyContext>): void;
  fail(error: Error): void;
}

/** One question to the database for imported keys, that the test ends. */
export interface ImportsReadUnderWay {
  answer(found: boolean): void;
  fail(error: Error): void;
}

/** A cache over a database whose reads end when the test says so. */
export interface CacheUnderTest {
  readonly cache: SnapshotCache;
  /** Every read that was begun, in order. */
  readonly reads: readonly ReadUnderWay[];
  /** Every question for imported keys that was begun, in order. */
  readonly importsReads: readonly ImportsReadUnderWay[];
  /** What the cache is told of freshness; the test changes it. */
  readonly freshness: { fresh: boolean; coveredSeq: number };
  /** Moves the monotonic clock. */
  passMs(ms: number): void;
}

export const STUCK_MS = 2000;

export function cacheUnderTest(options: { readonly maxBytes?: number } = {}): CacheUnderTest {
  const reads: ReadUnderWay[] = [];
  const importsReads: ImportsReadUnderWay[] = [];
  const freshness = { fresh: true, coveredSeq: 0 };
  let monotonicMs = 1000;
  const cache = createSnapshotCache({
    read: (ref) =>
      new Promise((resolve, reject) => {
        reads.push({
          ref,
          answer: (key, context) =>
            resolve(key === undefined ? undefined : { key, ...NO_CONTEXT, ...context }),
          fail: reject,
        });
      }),
    readImports: () =>
      new Promise((resolve, reject) => {
        importsReads.push({ answer: resolve, fail: reject });
      }),
    freshness: {
      isFresh: () => freshness.fresh,
      covers: (revision: Revision) => revision.seq <= freshness.coveredSeq,
    },
    monotonicMs: () => monotonicMs,
    maxBytes: options.maxBytes ?? 10_000_000,
    stuckMs: STUCK_MS,
  });
  return {
    cache,
    reads,
    importsReads,
    freshness,
    passMs(ms) {
      monotonicMs += ms;
    },
  };
}

/** Loads what a reference stands for and answers its read. */
export async function fill(
  { cache, reads }: CacheUnderTest,
  ref: string,
  record: KeyRecord | undefined,
  context?: Partial<KeyContext>,
): Promise<void> {
  const load = cache.load(ref, undefined);
  reads.at(-1)?.answer(record, context);
  await load;
}
