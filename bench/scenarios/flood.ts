import type { Child } from '../child.ts';
import type { Comparison, Row, Sample } from '../comparison.ts';
import type { BenchDatabase } from '../database.ts';
import { watchDatabaseCpu } from '../database-cpu.ts';
import type { LatchkeyUnderTest } from '../latchkey.ts';
import type { Timing } from '../load/run-in-flight.ts';
import type { FloodAnswers, FloodFound } from '../processes/flood-process.ts';
import type { NodeLoadAnswers } from '../processes/node-load-process.ts';
import { requireAllValid, verifyMessage } from '../requests.ts';
import type { SeededKey } from '../seed.ts';

/** The calls that are timed: of one client that verifies valid keys. */
const VALID = { connections: 1, streams: 8 };
/** The flood: as much as the server takes with so many calls under way. */
const FLOOD = { connections: 16, streams: 16 };
const FLOOD_CALLS = FLOOD.connections * FLOOD.streams;

const WARM_KEYS = 100;
const WARM_UP_ROUNDS = 1;
/** What a flood gets to fill the server's queues, ms. */
const RISE_MS = 500;

const RATIO_MAX = 1.2;

type Kind = 'none' | 'warm' | 'unknown';

/** How the valid calls fared in one round, and what the flood beside them did. */
interface Round {
  readonly valid: Timing;
  readonly flood: FloodFound | undefined;
  /** Keys that the server looked for in the database meanwhile, a second. */
  readonly loadsPerSecond: number;
  /** CPU time of the server meanwhile, ms a second. */
  readonly serverMsPerSecond: number;
  /** CPU time of the database a key that was looked for, µs; undefined where the system does not tell. */
  readonly databaseUsPerLoad: number | undefined;
}

/**
 * What a flood of tokens with unknown ids, each of which has to be looked for in the database, does to those who verify
 * keys that are in memory: beside no flood, and beside a flood of the same number of calls at a time that the server
 * answers from memory, which takes its share of the CPU too.
 */
export async function measureFlood(options: {
  readonly rounds: number;
  /** Valid calls of each measurement. */
  readonly calls: number;
  readonly latchkey: LatchkeyUnderTest;
  readonly database: BenchDatabase;
  readonly load: Child<NodeLoadAnswers>;
  readonly flood: Child<FloodAnswers>;
  readonly keys: readonly SeededKey[];
}): Promise<readonly Comparison[]> {
  const { rounds, calls, latchkey, database, load, flood } = options;
  const target = latchkey.target('Verify');
  const tokens = options.keys.slice(0, 2 * WARM_KEYS).map(({ token }) => token);
  const valid = tokens.slice(0, WARM_KEYS);
  const others = tokens.slice(WARM_KEYS);
  const messages = valid.map(verifyMessage);
  const cpu = await watchDatabaseCpu(database);
  for (const batch of [valid, others]) await requireAllValid(latchkey.target('BatchVerify'), batch);

  async function account(): Promise<{ loads: number; serverUs: number; databaseMs: number | undefined }> {
    return {
      loads: await latchkey.metric('latchkey_key_loads'),
      serverUs: await latchkey.child.ask('cpuUs'),
      databaseMs: await cpu?.readMs(),
    };
  }

  async function measureRound(kind: Kind): Promise<Round> {
    if (kind !== 'none') {
      await flood.ask('start', { target, ...FLOOD, tokens: kind === 'warm' ? others : [] });
      await new Promise((resolve) => setTimeout(resolve, RISE_MS));
    }
    const startMs = performance.now();
    const before = await account();
    const timing = await load.ask('run', { target, messages, calls, ...VALID });
    const after = await account();
    const seconds = (performance.now() - startMs) / 1000;
    const loads = after.loads - before.loads;
    return {
      valid: timing,
      flood: kind === 'none' ? undefined : await flood.ask('stop'),
      loadsPerSecond: loads / seconds,
      serverMsPerSecond: (after.serverUs - before.serverUs) / 1000 / seconds,
      databaseUsPerLoad:
        after.databaseMs === undefined || before.databaseMs === undefined
          ? undefined
          : ((after.databaseMs - before.databaseMs) * 1000) / loads,
    };
  }

  const found: Record<Kind, Round[]> = { none: [], warm: [], unknown: [] };
  const before = await latchkey.metric('latchkey_verifications_total{verdict="NOT_FOUND"}');
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const kinds: readonly Kind[] = ['none', 'warm', 'unknown'];
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const measured = await measureRound(kind);
      if (round >= 0) found[kind].push(measured);
    }
  }
  const notFound = (await latchkey.metric('latchkey_verifications_total{verdict="NOT_FOUND"}')) - before;
  const answered = sum(found.unknown, ({ flood: each }) => each?.succeeded ?? 0);
  if (notFound < answered) throw new Error(`of ${answered} unknown tokens, ${notFound} were NOT_FOUND`);

  const beside = (kind: Kind, read: (round: Round) => number): readonly Sample[] =>
    found.unknown.map((round, index) => {
      const other = found[kind][index];
      return { ours: read(round), ...(other === undefined ? {} : { theirs: read(other) }) };
    });
  const latencies = (kind: Kind, bound: { readonly ratioMax?: number }): Row[] => [
    {
      label: 'p50, 8 calls at a time, ms',
      samples: beside(kind, (each) => each.valid.p50Us / 1000),
      ...bound,
    },
    { label: 'p99, 8 calls at a time, ms', samples: beside(kind, (each) => each.valid.p99Us / 1000) },
  ];
  const rate = ({ flood: each }: Round): number => (each === undefined ? 0 : each.succeeded / each.seconds);

  return [
    {
      title: `Verify of warm keys under a flood of unknown keys, ${FLOOD_CALLS} calls at a time`,
      beside: 'no flood',
      rows: latencies('none', {}),
    },
    {
      title: 'Verify of warm keys under that flood',
      beside: `a flood of warm keys, ${FLOOD_CALLS} calls at a time`,
      rows: latencies('warm', { ratioMax: RATIO_MAX }),
    },
    {
      title: 'The flood of unknown keys',
      beside: 'the flood of warm keys',
      rows: [
        { label: 'calls answered a second', samples: beside('warm', rate) },
        { label: 'server CPU, ms a second', samples: beside('warm', (each) => each.serverMsPerSecond) },
        {
          label: 'keys looked for in the database a second',
          samples: found.unknown.map((each) => ({ ours: each.loadsPerSecond })),
        },
        ...databaseRow(found.unknown),
        {
          label: 'calls refused',
          samples: [{ ours: sum(found.unknown, ({ flood: each }) => each?.failed ?? 0) }],
        },
        {
          label: 'connections that looked for keys',
          samples: [{ ours: await countLoadConnections(database) }],
        },
      ],
    },
  ];
}

/** None where the system does not tell. */
function databaseRow(rounds: readonly Round[]): Row[] {
  const samples = rounds.flatMap(({ databaseUsPerLoad: ours }) => (ours === undefined ? [] : [{ ours }]));
  return samples.length === 0 ? [] : [{ label: 'database CPU a key looked for, µs', samples }];
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

/** How many connections the server has made for reading keys; LATCHKEY_DATABASE_LOAD_POOL_SIZE bounds them. */
async function countLoadConnections(database: BenchDatabase): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'latchkey-load'`,
  );
  return row?.count ?? NaN;
}
