import { startChild } from '../child.ts';
import type { Comparison, Sample } from '../comparison.ts';
import type { BenchDatabase } from '../database.ts';
import { startLatchkey } from '../latchkey.ts';
import type { LoadGenerator } from '../load/load.ts';
import type { Measured } from '../measure.ts';
import type { EchoAnswers } from '../processes/echo-process.ts';
import type { SeededKey } from '../seed.ts';
import { BATCH_SIZE, measureWarmRounds, type Pair, type WarmPlan, type WarmRounds } from './warm-rounds.ts';

/**
 * Keys that are in memory: Verify beside the bare echo of the same payload, BatchVerify beside Verify.
 *
 * Each generation is a new process of each server. A process of Node keeps a luck of its own: with the same code, one
 * may need a third more CPU than another for as long as it lives, because of what its garbage collector happens to
 * have promoted.
 */
export async function measureWarm(
  options: WarmPlan & {
    readonly generations: number;
    readonly database: BenchDatabase;
    readonly load: LoadGenerator;
    /** What pins a command to the core of the servers. */
    readonly pin: readonly string[];
    readonly keys: readonly SeededKey[];
  },
): Promise<readonly Comparison[]> {
  const { generations, database, load, pin, keys } = options;
  const found: WarmRounds[] = [];
  for (let generation = 0; generation < generations; generation += 1) {
    const latchkey = await startLatchkey({ databaseUrl: database.url, pin });
    const echo = await startChild<EchoAnswers>('echo', { pin });
    try {
      found.push(await measureWarmRounds(options, { latchkey, echo, database, load, keys }));
    } finally {
      await latchkey.stop();
      await echo.stop();
    }
  }
  return describe(found);
}

function describe(found: readonly WarmRounds[]): Comparison[] {
  const busy = found.flatMap((each) => each.busy);
  const alone = found.flatMap((each) => each.alone);
  const batches = found.flatMap((each) => each.batches);
  const ruled = found.flatMap((each) => each.ruled);
  const sum = (value: (each: WarmRounds) => number): number =>
    found.reduce((total, each) => total + value(each), 0);
  const verifications = sum((each) => each.verifications).toLocaleString('en');

  return [
    {
      title: 'Verify of a warm key',
      beside: 'bare grpc-js echo',
      rows: [
        { label: 'server CPU a call, µs', samples: samples(busy, ({ cpuUs }) => cpuUs), ratioMax: 1.15 },
        { label: 'calls a second on one core', samples: samples(busy, (each) => each.callsPerSecond) },
        { label: 'p50, 64 calls at a time, ms', samples: samples(busy, ({ p50Us }) => p50Us / 1000) },
        { label: 'p99, 64 calls at a time, ms', samples: samples(busy, ({ p99Us }) => p99Us / 1000) },
        { label: 'p50, one call at a time, ms', samples: samples(alone, ({ p50Us }) => p50Us / 1000) },
        { label: 'p99, one call at a time, ms', samples: samples(alone, ({ p99Us }) => p99Us / 1000) },
      ],
    },
    {
      title: `BatchVerify of ${BATCH_SIZE} warm keys`,
      beside: 'Verify, a call',
      rows: [
        {
          label: 'server CPU a key, µs',
          samples: batches.map(({ ours, theirs }) => ({
            ours: ours.cpuUs / BATCH_SIZE,
            theirs: theirs.cpuUs,
          })),
          ratioMax: 1 / 8,
        },
        {
          label: 'keys a second on one core',
          samples: batches.map(({ ours, theirs }) => ({
            ours: ours.callsPerSecond * BATCH_SIZE,
            theirs: theirs.callsPerSecond,
          })),
        },
      ],
    },
    {
      title: 'Verify of a warm key with 20 path patterns, 20 address ranges and 50 scopes',
      beside: 'a key with one scope',
      rows: [
        { label: 'server CPU a call, µs', samples: samples(ruled, ({ cpuUs }) => cpuUs), ratioMax: 1.3 },
      ],
    },
    {
      title: `I/O of these ${verifications} warm verifications`,
      rows: [
        { label: 'keys read from the database', samples: [{ ours: sum((each) => each.keysRead) }] },
        { label: "queries on the server's pool", samples: [{ ours: sum((each) => each.queries) }] },
      ],
    },
  ];
}

function samples(pairs: readonly Pair[], value: (measured: Measured) => number): Sample[] {
  return pairs.map(({ ours, theirs }) => ({ ours: value(ours), theirs: value(theirs) }));
}
