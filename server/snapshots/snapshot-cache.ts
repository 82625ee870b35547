import { LRUCache } from 'lru-cache';
import type { KeyRecord } from '../../core/key.ts';
import type { Revision } from '../../core/revision.ts';
import { compileSnapshot, snapshotBytes, type Snapshot } from '../../core/snapshot.ts';

/** What the cache needs to know of the truth behind it. */
export interface Freshness {
  /** Whether memory may answer now. */
  isFresh(): boolean;
  /** Whether every change up to this one has been applied to memory. */
  covers(revision: Revision): boolean;
}

/** Counts for metrics, since the start. */
export interface SnapshotCacheStats {
  readonly keys: number;
  readonly bytes: number;
  readonly absences: number;
  readonly loads: number;
  readonly loadFailures: number;
}

/** The snapshots that are in memory. */
export interface SnapshotCache {
  /** See SnapshotSource.recall. */
  recall(keyId: string, minRevision: Revision | undefined): Snapshot | null | undefined;
  /** See SnapshotSource.load. */
  load(keyId: string, minRevision: Revision | undefined): Promise<Snapshot | null>;
  /** Forgets one key, and keeps a load of it that is under way from being remembered. */
  evict(keyId: string): void;
  /** Forgets everything, likewise. */
  clear(): void;
  stats(): SnapshotCacheStats;
}

/** How many unknown key ids are remembered: enough for honest mistakes, too few for a flood to fill memory. */
const ABSENCES_MAX = 10_000;

interface Flight {
  readonly promise: Promise<Snapshot | null>;
  readonly startedMs: number;
  /** Set when an invalidation overtakes the load: what it read may be old, so it must not be remembered. */
  overtaken: boolean;
}

/**
 * The in-memory cache of compiled keys.
 *
 * - Key: the key's id. Value: its snapshot; in a cache of its own, the ids that are known not to exist (so that a
 *   flood of unknown ids pushes out no key).
 * - Bound: `maxBytes` of snapshots (estimated), `ABSENCES_MAX` unknown ids. Least recently used go first.
 * - Lifetime: until evicted. Whether memory may answer at all is asked of `freshness` at each recall.
 * - Invalidation: `evict` and `clear`, called by `coherence` after each commit. A load that an invalidation overtakes
 *   is handed to those who waited for it, whose verifications began before, and is not remembered.
 * - Across replicas: `coherence` decides; this cache knows nothing of others.
 */
export function createSnapshotCache(options: {
  /** Reads a key that is not deleted, from the primary. */
  readonly read: (keyId: string) => Promise<KeyRecord | undefined>;
  readonly freshness: Freshness;
  readonly monotonicMs: () => number;
  /** Bound of the snapshots' estimated size, bytes. */
  readonly maxBytes: number;
  /** A load older than this is not joined by new verifications, ms: it could have read before a change took effect. */
  readonly joinMaxMs: number;
}): SnapshotCache {
  const { read, freshness, monotonicMs, maxBytes, joinMaxMs } = options;
  const snapshots = new LRUCache<string, Snapshot>({ maxSize: maxBytes, sizeCalculation: snapshotBytes });
  const absences = new LRUCache<string, true>({ max: ABSENCES_MAX });
  const flights = new Map<string, Flight>();
  let loads = 0;
  let loadFailures = 0;

  async function fetch(keyId: string): Promise<Snapshot | null> {
    loads += 1;
    try {
      const record = await read(keyId);
      return record === undefined ? null : compileSnapshot(record);
    } catch (error) {
      loadFailures += 1;
      throw error;
    }
  }

  function remember(keyId: string, snapshot: Snapshot | null): void {
    if (snapshot === null) {
      snapshots.delete(keyId);
      absences.set(keyId, true);
    } else {
      absences.delete(keyId);
      snapshots.set(keyId, snapshot);
    }
  }

  function overtake(keyId: string, flight: Flight): void {
    flight.overtaken = true;
    flights.delete(keyId);
  }

  return {
    recall(keyId, minRevision) {
      if (!freshness.isFresh()) return undefined;
      if (minRevision !== undefined && !freshness.covers(minRevision)) return undefined;
      return snapshots.get(keyId) ?? (absences.get(keyId) === true ? null : undefined);
    },

    async load(keyId, minRevision) {
      const running = flights.get(keyId);
      if (running !== undefined) {
        const young = monotonicMs() - running.startedMs < joinMaxMs;
        // A read that began before the wanted revision was known here may not have seen it.
        if (young && (minRevision === undefined || freshness.covers(minRevision)))
          return await running.promise;
        overtake(keyId, running);
      }

      const flight: Flight = { promise: fetch(keyId), startedMs: monotonicMs(), overtaken: false };
      flights.set(keyId, flight);
      try {
        const snapshot = await flight.promise;
        if (!flight.overtaken) remember(keyId, snapshot);
        return snapshot;
      } finally {
        if (flights.get(keyId) === flight) flights.delete(keyId);
      }
    },

    evict(keyId) {
      snapshots.delete(keyId);
      absences.delete(keyId);
      const flight = flights.get(keyId);
      if (flight !== undefined) overtake(keyId, flight);
    },

    clear() {
      snapshots.clear();
      absences.clear();
      for (const [keyId, flight] of flights) overtake(keyId, flight);
    },

    stats: () => ({
      keys: snapshots.size,
      bytes: snapshots.calculatedSize,
      absences: absences.size,
      loads,
      loadFailures,
    }),
  };
}
