import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from './child.ts';
import type { Comparison } from './comparison.ts';
import { createDatabase } from './database.ts';
import { startLatchkey } from './latchkey.ts';
import { findH2load } from './load/h2load.ts';
import { createNodeLoad } from './load/node.ts';
import { chooseCores, describeMachine } from './machine.ts';
import { usePostgres } from './postgres.ts';
import type { BareSelectAnswers } from './processes/bare-select-process.ts';
import type { NodeLoadAnswers } from './processes/node-load-process.ts';
import type { Report } from './report.ts';
import { run } from './run.ts';
import { measureCold, POOL_SIZE } from './scenarios/cold.ts';
import { measureMemory } from './scenarios/memory.ts';
import { measureWarm } from './scenarios/warm.ts';

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

/** A run of the benchmark. */
export interface Bench {
  run(options: { readonly quick: boolean }): Promise<Report>;
  /** Ends all that was started; the run fails. */
  stop(): Promise<void>;
}

export function createBench(options: { readonly progress: (step: string) => void }): Bench {
  const { progress } = options;
  const closers: (() => Promise<unknown>)[] = [];
  let closing: Promise<void> | undefined;

  /** Once, also where a Ctrl-C comes before the end. */
  function stop(): Promise<void> {
    closing ??= (async () => {
      for (const close of closers.toReversed()) await close();
    })();
    return closing;
  }

  async function measureAll({ quick }: { readonly quick: boolean }): Promise<Report> {
    const { warm, coldRounds, largeSize } = quick ? QUICK : FULL;
    progress('compiling the server');
    await compile();
    const cores = chooseCores();
    const directory = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
    closers.push(() => rm(directory, { recursive: true, force: true }));
    const postgres = await usePostgres();
    closers.push(() => postgres.stop());
    const database = await createDatabase(postgres.url);
    closers.push(() => database.drop());
    const keys = await database.grow(FIRST_SIZE + 1, FIRST_SIZE);

    const bareSelect = await startChild<BareSelectAnswers>('bare-select', { pin: cores.server });
    closers.push(() => bareSelect.stop());
    await bareSelect.ask('connect', { url: database.url, poolSize: POOL_SIZE });
    const nodeLoad = await startChild<NodeLoadAnswers>('node-load', { pin: cores.load });
    closers.push(() => nodeLoad.stop());
    const load = findH2load({ pin: cores.load, directory }) ?? createNodeLoad(nodeLoad);

    const comparisons: Comparison[] = [];
    progress('warm keys');
    comparisons.push(...(await measureWarm({ ...warm, database, load, pin: cores.server, keys })));
    const latchkey = await startLatchkey({ databaseUrl: database.url, pin: cores.server });
    closers.push(() => latchkey.stop());
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
    return {
      machine: describeMachine(),
      cores: cores.about,
      load: load.about,
      database: `${database.version} (${postgres.about})`,
      quick,
      comparisons,
    };
  }

  return {
    async run(runOptions) {
      try {
        return await measureAll(runOptions);
      } finally {
        await stop();
      }
    },
    stop,
  };
}

/** Compiles the processes of the benchmark and the server with them, as `npm run build` does. */
async function compile(): Promise<void> {
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
  await run([process.execPath, tsc, '-p', fileURLToPath(new URL('.', import.meta.url))]);
}
