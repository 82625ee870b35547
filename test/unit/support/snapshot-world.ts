import type { KeyRecord } from '../../../core/key.ts';
import { compileSnapshot, type Snapshot } from '../../../core/snapshot.ts';
import { digestRef } from '../../../core/token.ts';
import type { SnapshotSource } from '../../../server/verification/verifier.ts';

/** A source of snapshots that a test fills, and the questions that it was asked. */
export interface SnapshotWorld extends SnapshotSource {
  readonly recalls: Parameters<SnapshotSource['recall']>[];
  readonly loads: Parameters<SnapshotSource['load']>[];
  /** What was asked about imports, in order. */
  readonly importQuestions: ('recall' | 'load')[];
}

/**
 * The keys of a test. An imported one is found by the digests of its secrets, too.
 * @param warm whether memory knows of every reference that is asked for and of imports, or of none
 */
export function snapshotWorld(
  keys: readonly KeyRecord[],
  { warm }: { readonly warm: boolean },
): SnapshotWorld {
  const snapshots = new Map<string, Snapshot>();
  let hasImports = false;
  for (const key of keys) {
    const snapshot = compileSnapshot(key);
    snapshots.set(key.id, snapshot);
    for (const { imported, digestHex } of key.secrets) {
      if (!imported) continue;
      hasImports = true;
      snapshots.set(digestRef(digestHex), snapshot);
    }
  }
  const recalls: Parameters<SnapshotSource['recall']>[] = [];
  const loads: Parameters<SnapshotSource['load']>[] = [];
  const importQuestions: ('recall' | 'load')[] = [];
  return {
    recalls,
    loads,
    importQuestions,
    recall(...question) {
      recalls.push(question);
      return warm ? (snapshots.get(question[0]) ?? null) : undefined;
    },
    async load(...question) {
      loads.push(question);
      return snapshots.get(question[0]) ?? null;
    },
    recallImports() {
      importQuestions.push('recall');
      return warm ? hasImports : undefined;
    },
    async loadImports() {
      importQuestions.push('load');
      return hasImports;
    },
  };
}

/** A source whose memory is what `recall` says, without imported keys and without a database. */
export function memoryOnly(recall: () => Snapshot | null | undefined): SnapshotSource {
  const fail = (): Promise<never> => Promise.reject(new Error('memory suffices'));
  return { recall, load: fail, recallImports: () => false, loadImports: fail };
}
