import type { LiveKey } from '../../../../core/snapshot.ts';
import {
  createSnapshotCache,
  type Freshness,
  type SnapshotCache,
} from '../../../../server/snapshots/snapshot-cache.ts';

/** What a cache stands between. */
export interface CacheParts {
  readonly read: (ref: string) => Promise<LiveKey | undefined>;
  readonly freshness: Freshness;
  readonly monotonicMs: () => number;
}

const slots = new Map<number, { readonly cache: SnapshotCache; parts: CacheParts }>();

/**
 * The empty cache of one place, for the schedule that asked last. A cache takes milliseconds to make and nothing to
 * clear, and there are schedules by the thousand.
 */
export function emptyCache(index: number, parts: CacheParts): SnapshotCache {
  const known = slots.get(index);
  if (known !== undefined) {
    known.parts = parts;
    known.cache.clear();
    return known.cache;
  }
  const cache = createSnapshotCache({
    read: (ref) => slot.parts.read(ref),
    readImports: async () => false,
    freshness: {
      isFresh: () => slot.parts.freshness.isFresh(),
      covers: (revision) => slot.parts.freshness.covers(revision),
    },
    monotonicMs: () => slot.parts.monotonicMs(),
    maxBytes: 1_000_000,
    stuckMs: 10_000,
  });
  const slot = { cache, parts };
  slots.set(index, slot);
  return cache;
}
