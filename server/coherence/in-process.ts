import type { Revision } from '../../core/revision.ts';
import type { Coherence, Memory } from './coherence.ts';

/**
 * Coherence of a process that owns its database alone (the embedded engine, proven by the lock on its directory):
 * every change is its own and is applied before its caller hears of it, so memory is always true.
 */
export function createInProcessCoherence(options: {
  readonly memory: Memory;
  readonly head: Revision;
}): Coherence {
  const { memory } = options;
  let { head } = options;
  return {
    isFresh: () => true,
    covers: ({ shard, seq }) => shard === head.shard && seq <= head.seq,
    revision: () => head,
    epoch: () => undefined,
    publish(changes, revision) {
      for (const change of changes) memory.forget(change);
      if (revision !== undefined && revision.seq > head.seq) head = revision;
    },
    confirm: async () => ({ replicas: 1, confirmed: 1 }),
    announce: () => {},
    effectiveDelayMs: 0,
    stop: async () => {},
  };
}
