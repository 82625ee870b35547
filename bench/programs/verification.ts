import type { Program } from '../bench.ts';
import { startChild } from '../child.ts';
import type { Comparison } from '../comparison.ts';
import { startLatchkey } from '../latchkey.ts';
import { startLoad } from '../load/start-load.ts';
import type { BareSelectAnswers } from '../processes/bare-select-process.ts';
import { measureCold, POOL_SIZE } from '../scenarios/cold.ts';
import { measureMemory } from '../scenarios/memory.ts';
import { measureWarm } from '../scenarios/warm.ts';

const FIRST_SIZE = 1000;
/** Many short rounds rather than few long ones: a slow moment of the machine then spoils few of them. */
const FULL = {
  warm: { generations: 6, rounds: 12, calls: 8000, warmUpCalls: 40_000 },
  coldRounds: 7,
  largeSize: 1_000_000,
};
const QUICK = {
  warm: { generations: 1, rounds: 7, calls: 8000, warmUpCalls: 20_000 },
  coldRounds: 3,
  largeSize: undefined,
};
/** Of how many keys of the large database the tokens are known. */
const KNOWN_KEYS = 20_000;

/** What a verification costs. */
export const VERIFICATION: Program = {
  title: 'Latchkey, benchmark',
  note: 'Numbers are medians of the rounds; a ratio is that of one round, with what stands beside it measured in it.',
  help: {
    about: 'What a verification costs, beside a bare gRPC call and a bare select, in one run.',
    command: 'npm run bench',
    quick: 'a short form (under a minute): 1,000 keys only, fewer rounds',
    load: 'Load comes from h2load (nghttp2) where it is on the PATH, else from Node.',
  },

  async measure({ cores, database, progress, closeLater }, { quick }) {
    const { warm, coldRounds, largeSize } = quick ? QUICK : FULL;
    const keys = await database.grow(FIRST_SIZE + 1, FIRST_SIZE);

    const bareSelect = await startChild<BareSelectAnswers>('bare-select', { pin: cores.server });
    closeLater(() => bareSelect.stop());
    await bareSelect.ask('connect', { url: database.url, poolSize: POOL_SIZE });
    const { load, nodeLoad } = await startLoad({ cores, closeLater });

    const comparisons: Comparison[] = [];
    progress('warm keys');
    comparisons.push(...(await measureWarm({ ...warm, database, load, pin: cores.server, keys })));
    const latchkey = await startLatchkey({ databaseUrl: database.url, pin: cores.server });
    closeLater(() => latchkey.stop());
    const cold = { latchkey, database, load: nodeLoad, bareSelect, rounds: coldRounds };
    progress('cold keys');
    comparisons.push(await measureCold({ ...cold, keys, keysInDatabase: FIRST_SIZE }));
    if (largeSize !== undefined) {
      progress(`making ${largeSize.toLocaleString('en')} keys`);
      const known = await database.grow(largeSize, KNOWN_KEYS);
      progress('cold keys');
      comparisons.push(await measureCold({ ...cold, keys: known, keysInDatabase: largeSize }));
      progress('memory');
      comparisons.push(await measureMemory({ latchkey, database, keys: known }));
    }
    return { load: load.about, comparisons };
  },
};
