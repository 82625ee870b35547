import type { Change } from '../../../../core/change.ts';
import {
  LOG_PAGE_MAX,
  type LogPage,
  type LogRow,
  type ReplicaStatus,
} from '../../../../server/coherence/ports.ts';

/** A state of a key; its version is its place in the key's history. */
export interface KeyState {
  readonly version: number;
  /** Whether the key is there. */
  readonly present: boolean;
}

/** The one database of a simulation. Each of its functions happens at one moment. */
export interface Primary {
  /** Changes a key and takes a position in the log. */
  commit(keyId: string, present: boolean, wait: boolean): { readonly version: number; readonly seq: number };
  /** Rows of the log up to here are removed, as if they were too old. */
  purge(): void;
  state(keyId: string): KeyState | undefined;
  /** Whether an answer could have been true at or after a version. */
  couldBe(keyId: string, answered: number | 'absent', version: number): boolean;
  page(cursor: number): LogPage;
  enter(id: string, appliedSeq: number, leaseUntilMs: number): void;
  leave(id: string): void;
  replicas(nowMs: number): readonly ReplicaStatus[];
}

export function createPrimary(initial: Readonly<Record<string, boolean>>): Primary {
  const histories = new Map<string, KeyState[]>(
    Object.entries(initial).map(([id, present]) => [id, [{ version: 0, present }]]),
  );
  const entered = new Map<string, { readonly appliedSeq: number; readonly leaseUntilMs: number }>();
  const log: LogRow[] = [];
  let purgedSeq = 0;
  const historyOf = (keyId: string): KeyState[] => histories.get(keyId) ?? [];

  return {
    commit(keyId, present, wait) {
      const version = historyOf(keyId).length;
      historyOf(keyId).push({ version, present });
      const seq = log.length + 1;
      const change: Change = { kind: 'key', id: keyId };
      log.push({ seq, change, wait });
      return { version, seq };
    },
    purge: () => void (purgedSeq = log.length),
    state: (keyId) => historyOf(keyId).at(-1),
    couldBe: (keyId, answered, version) =>
      historyOf(keyId)
        .slice(version)
        .some((state) =>
          answered === 'absent' ? !state.present : state.present && state.version === answered,
        ),
    page(cursor) {
      const rows = log.filter(({ seq }) => seq > cursor && seq > purgedSeq && seq <= cursor + LOG_PAGE_MAX);
      return { head: { shard: 0, seq: log.length }, epoch: 'epoch', rows };
    },
    enter: (id, appliedSeq, leaseUntilMs) => void entered.set(id, { appliedSeq, leaseUntilMs }),
    leave: (id) => void entered.delete(id),
    replicas: (nowMs) =>
      [...entered].map(([id, { appliedSeq, leaseUntilMs }]) => ({
        id,
        version: '',
        startTimeMs: 0,
        appliedSeq,
        leaseEndedMs: nowMs - leaseUntilMs,
        lease: String(leaseUntilMs),
      })),
  };
}
