import { fileURLToPath } from 'node:url';
import type { Comparison } from './comparison.ts';
import { createDatabase, type BenchDatabase } from './database.ts';
import { chooseCores, describeMachine, type Cores } from './machine.ts';
import type { helpText } from './options.ts';
import { usePostgres } from './postgres.ts';
import type { Report } from './report.ts';
import { run } from './run.ts';

/** What a program measures with. */
export interface Stage {
  readonly cores: Cores;
  /** With Latchkey's schema and one key. */
  readonly database: BenchDatabase;
  /** Tells that a step begins. */
  progress(step: string): void;
  /** Closes something at the end; what was opened last is closed first. */
  closeLater(close: () => Promise<unknown>): void;
}

/** A benchmark: measurements that belong together. */
export interface Program {
  /** Stands above the report. */
  readonly title: string;
  /** How to read the numbers, in a line. */
  readonly note: string;
  readonly help: Parameters<typeof helpText>[0];
  measure(
    stage: Stage,
    options: { readonly quick: boolean },
  ): Promise<{
    /** Where the load came from. */
    readonly load: string;
    readonly comparisons: readonly Comparison[];
  }>;
}

/** A run of a benchmark. */
export interface Bench {
  run(options: { readonly quick: boolean }): Promise<Report>;
  /** Ends all that was started; the run fails. */
  stop(): Promise<void>;
}

export function createBench(options: {
  readonly program: Program;
  readonly progress: (step: string) => void;
}): Bench {
  const { program, progress } = options;
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
    progress('compiling the server');
    await compile();
    const cores = chooseCores();
    const postgres = await usePostgres();
    closers.push(() => postgres.stop());
    const database = await createDatabase(postgres.url);
    closers.push(() => database.drop());
    const closeLater = (close: () => Promise<unknown>): void => void closers.push(close);
    const found = await program.measure({ cores, database, progress, closeLater }, { quick });
    return {
      title: program.title,
      note: program.note,
      machine: describeMachine(),
      cores: cores.about,
      load: found.load,
      database: `${database.version} (${postgres.about})`,
      quick,
      comparisons: found.comparisons,
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
