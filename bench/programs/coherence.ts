import type { Program } from '../bench.ts';
import { startChild } from '../child.ts';
import type { Comparison } from '../comparison.ts';
import { startLatchkey, type LatchkeyUnderTest } from '../latchkey.ts';
import type { FloodAnswers } from '../processes/flood-process.ts';
import type { MutationLoadAnswers } from '../processes/mutation-load-process.ts';
import type { NodeLoadAnswers } from '../processes/node-load-process.ts';
import type { RevocationAnswers } from '../processes/revocation-process.ts';
import { measureFlood } from '../scenarios/flood.ts';
import { measurePolling } from '../scenarios/polling.ts';
import { keysForPropagation, measurePropagation } from '../scenarios/propagation.ts';

const FULL = {
  propagation: { healthySamples: 600, sickSamples: 20 },
  pollingMs: 20_000,
  flood: { rounds: 9, calls: 2000 },
};
const QUICK = {
  propagation: { healthySamples: 40, sickSamples: 3 },
  pollingMs: 5000,
  flood: { rounds: 3, calls: 1000 },
};
/** Keys that the flood is measured with. */
const FLOOD_KEYS = 200;

/** What it costs that several replicas agree, and what a flood of unknown keys does. */
export const COHERENCE: Program = {
  title: 'Latchkey, benchmark of coherence',
  note: 'p50, p99 and longest are of all samples, other numbers medians of the rounds. Replicas share the machine and are not pinned, but for the flood.',
  help: {
    about:
      'How fast a revocation is known on every replica, what polling costs, and what a flood of unknown keys does.',
    command: 'npm run bench:coherence',
    quick: 'a short form (two minutes): fewer samples',
    load: 'Load comes from Node.',
  },

  async measure({ cores, database, progress, closeLater }, { quick }) {
    const plan = quick ? QUICK : FULL;
    const count = keysForPropagation(plan.propagation) + FLOOD_KEYS;
    const keys = await database.grow(count + 1, count);
    const start = (): Promise<LatchkeyUnderTest> => startLatchkey({ databaseUrl: database.url, pin: [] });
    const comparisons: Comparison[] = [];

    progress('idle replicas');
    const startReplicas = async (): Promise<readonly LatchkeyUnderTest[]> => [
      await start(),
      await start(),
      await start(),
    ];
    comparisons.push(...(await measurePolling({ durationMs: plan.pollingMs, database, startReplicas })));

    progress('revocations');
    const replicas = [await start(), await start(), await start()] as const;
    const revoker = await startChild<RevocationAnswers>('revocation', { pin: [] });
    closeLater(() => revoker.stop());
    const mutationLoad = await startChild<MutationLoadAnswers>('mutation-load', { pin: [] });
    closeLater(() => mutationLoad.stop());
    try {
      const propagationKeys = keys.slice(FLOOD_KEYS);
      comparisons.push(
        ...(await measurePropagation(plan.propagation, {
          replicas,
          revoker,
          mutationLoad,
          keys: propagationKeys,
        })),
      );
    } finally {
      for (const replica of replicas) await replica.stop();
    }

    progress('a flood of unknown keys');
    const latchkey = await startLatchkey({ databaseUrl: database.url, pin: cores.server });
    closeLater(() => latchkey.stop());
    const load = await startChild<NodeLoadAnswers>('node-load', { pin: cores.load });
    closeLater(() => load.stop());
    const flood = await startChild<FloodAnswers>('flood', { pin: cores.load });
    closeLater(() => flood.stop());
    comparisons.push(
      ...(await measureFlood({
        ...plan.flood,
        latchkey,
        database,
        load,
        flood,
        keys: keys.slice(0, FLOOD_KEYS),
      })),
    );
    return { load: `node ${process.version}`, comparisons };
  },
};
