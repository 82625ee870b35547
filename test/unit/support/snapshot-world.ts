import type { KeyRecord } from '../../../core/key.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import type { SnapshotSource } from '../../../server/verification/verifier.ts';

/** A source of snapshots that a test fills, and the questions that it was asked. */
export interface SnapshotWorld extends SnapshotSource {
  readonly recalls: Parameters<SnapshotSource['recall']>[];
  readonly loads: Parameters<SnapshotSource['load']>[];
}

/**
 * The keys of a test.
 * @param warm whether memory knows of every id that is asked for, or of none
 */
export function snapshotWorld(
  keys: readonly KeyRecord[],
  { warm }: { readonly warm: boolean },
): SnapshotWorld {
  const snapshots = new Map(keys.map((key) => [key.id, compileSnapshot(key)]));
  const recalls: Parameters<SnapshotSource['recall']>[] = [];
  const loads: Parameters<SnapshotSource['load']>[] = [];
  return {
    recalls,
    loads,
    recall(...question) {
      recalls.push(question);
      return warm ? (snapshots.get(question[0]) ?? null) : undefined;
    },
    async load(...question) {
      loads.push(question);
      return snapshots.get(question[0]) ?? null;
    },
  };
}
