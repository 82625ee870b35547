import { LRUCache } from 'lru-cache';
import type { Revision } from '../../core/revision.ts';
import { compileSnapshot, snapshotBytes, type LiveKey, type Snapshot } from '../../core/snapshot.ts';
import { digestOfRef } from '../../core/token.ts';
import type { Change } from '../../core/change.ts';
import { createDependents, dependencyOf } from './dependents.ts';
import { createSharedReads } from './shared-reads.ts';

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
  recall(ref: string, minRevision: Revision | undefined): Snapshot | null | undefined;
  /** See SnapshotSource.load. */
  load(ref: string, minRevision: Revision | undefined): Promise<Snapshot | null>;
  /** See SnapshotSource.recallImports. */
  recallImports(minRevision: Revision | undefined): boolean | undefined;
  /** See SnapshotSource.loadImports. */
  loadImports(minRevision: Revision | undefined): Promise<boolean>;
  /** Forgets what a change makes stale, and keeps a load of it that is under way from being remembered. */
  forget(change: Change): void;
  /** Forgets everything, likewise. */
  clear(): void;
  stats(): SnapshotCacheStats;
}

/** How many absences are remembered: enough for honest mistakes, too few for a flood to fill memory. */
const ABSENCES_MAX = 10_000;

/** What whether there are imported keys is read by. */
const IMPORTS = '';

/**
 * The in-memory cache of compiled keys.
 *
 * - Key: what a token's key is found by: the key's id, or the digest of a foreign token. Value: its snapshot; in a
 *   cache of its own, what is known to belong to no key (so that a flood of unknown ids pushes out no key); and
 *   whether there are imported keys at all.
 * - Bound: `maxBytes` of snapshots (estimated), `ABSENCES_MAX` absences. Least recently used go first.
 * - Lifetime: until forgotten. Whether memory may answer at all is asked of `freshness` at each recall.
 * - Invalidation: `forget` and `clear`, called by `coherence` after each commit. A policy, an owner and a catalogue
 *   reach the keys that were compiled with them (`dependents.ts`). A load that an invalidation overtakes is handed to
 *   those who waited for it, whose verifications began before, and is not remembered.
 * - Loads are shared (`shared-reads.ts`). One that began before a verification came may serve it only while memory may
 *   answer: then every change that is effective has been applied here, and has overtaken the loads that it makes stale.
 * - Across replicas: `coherence` decides; this cache knows nothing of others.
 */
export function createSnapshotCache(options: {
  /** Reads a key that is not deleted, with all that it is judged by, from the primary. */
  readonly read: (ref: string) => Promise<LiveKey | undefined>;
  /** Whether there are imported keys. */
  readonly readImports: () => Promise<boolean>;
  readonly freshness: Freshness;
  readonly monotonicMs: () => number;
  /** Bound of the snapshots' estimated size, bytes. */
  readonly maxBytes: number;
  /** A load older than this is waited for by no new verification, ms: its connection may be dead. */
  readonly stuckMs: number;
}): SnapshotCache {
  const { freshness, monotonicMs, maxBytes, stuckMs } = options;
  const dependents = createDependents();
  const snapshots = new LRUCache<string, Snapshot>({
    maxSize: maxBytes,
    sizeCalculation: snapshotBytes,
    dispose: (snapshot, ref) => dependents.remove(ref, snapshot),
  });
  const absences = new LRUCache<string, true>({ max: ABSENCES_MAX });
  const loading = createSharedReads({ read, keep: remember, monotonicMs, stuckMs });
  const loadingImports = createSharedReads({
    read: options.readImports,
    keep: (_key, found) => {
      imports = found;
    },
    monotonicMs,
    stuckMs,
  });
  let imports: boolean | undefined;
  let loads = 0;
  let loadFailures = 0;

  async function read(ref: string): Promise<Snapshot | null> {
    loads += 1;
    try {
      const live = await options.read(ref);
      return live === undefined ? null : compileSnapshot(live.key, live);
    } catch (error) {
      loadFailures += 1;
      throw error;
    }
  }

  function remember(ref: string, snapshot: Snapshot | null): void {
    if (snapshot === null) {
      snapshots.delete(ref);
      absences.set(ref, true);
    } else {
      absences.delete(ref);
      snapshots.set(ref, snapshot);
      // A snapshot larger than the whole cache is not kept.
      if (snapshots.has(ref)) dependents.add(ref, snapshot);
    }
  }

  function mayAnswer(minRevision: Revision | undefined): boolean {
    return freshness.isFresh() && (minRevision === undefined || freshness.covers(minRevision));
  }

  /** What a load under way will turn out to depend on is not known yet. */
  function overtakeAll(): void {
    for (const ref of loading.keys()) loading.overtake(ref);
  }

  function forgetImports(): void {
    imports = undefined;
    loadingImports.overtake(IMPORTS);
  }

  return {
    recall(ref, minRevision) {
      if (!mayAnswer(minRevision)) return undefined;
      return snapshots.get(ref) ?? (absences.get(ref) === true ? null : undefined);
    },

    load: (ref, minRevision) => loading.read(ref, mayAnswer(minRevision)),

    recallImports: (minRevision) => (mayAnswer(minRevision) ? imports : undefined),

    loadImports: (minRevision) => loadingImports.read(IMPORTS, mayAnswer(minRevision)),

    forget(change) {
      // What was counted is no part of a key.
      if (change.kind === 'limit') return;
      if (change.kind === 'imports') {
        absences.clear();
        forgetImports();
        overtakeAll();
        return;
      }
      for (const ref of dependents.of(dependencyOf(change))) snapshots.delete(ref);
      if (change.kind !== 'key') {
        overtakeAll();
        return;
      }
      absences.delete(change.id);
      for (const ref of loading.keys()) {
        // A foreign token's key is not known before it is read.
        if (ref === change.id || digestOfRef(ref) !== undefined) loading.overtake(ref);
      }
    },

    clear() {
      snapshots.clear();
      absences.clear();
      forgetImports();
      overtakeAll();
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
