import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../child.ts';
import type { Comparison, Row, Sample } from '../comparison.ts';
import type { BenchDatabase } from '../database.ts';
import { watchDatabaseCpu } from '../database-cpu.ts';
import type { LatchkeyUnderTest } from '../latchkey.ts';
import { callGrpc } from '../load/grpc-call.ts';
import type { Timing } from '../load/run-in-flight.ts';
import type { NodeLoadAnswers } from '../processes/node-load-process.ts';
import { batchMessage, verifyMessage } from '../requests.ts';
import type { SeededKey } from '../seed.ts';

/** How much to measure. */
export interface LeasesPlan {
  readonly rounds: number;
  /** How long the limits are kept active, ms. */
  readonly activeMs: number;
}

/** What is leased is given back after this at the latest, ms. */
const FORGOTTEN_MS = 3000;

/** Keys in one BatchVerify. */
const BATCH = 250;

/**
 * What leasing costs: the time of a Verify that has to lease beside one that needs not, and what limits in use ask of the
 * database.
 *
 * @param options.keys each with a limit of 100 per 10 s of its own
 */
export async function measureLeases(
  { rounds, activeMs }: LeasesPlan,
  options: {
    readonly database: BenchDatabase;
    readonly latchkey: LatchkeyUnderTest;
    readonly load: Child<NodeLoadAnswers>;
    readonly keys: readonly SeededKey[];
  },
): Promise<readonly Comparison[]> {
  const { database, latchkey, load, keys } = options;
  const target = latchkey.target('Verify');
  const messages = keys.map(({ token }) => verifyMessage(token));
  const verifyAll = (): Promise<Timing> =>
    load.ask('run', { target, messages, calls: messages.length, connections: 1, streams: 1 });

  await verifyAll();
  const pairs: { readonly leased: Timing; readonly inMemory: Timing }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await sleep(FORGOTTEN_MS);
    const before = await latchkey.metric('latchkey_ledger_leases');
    const leased = await verifyAll();
    const leases = (await latchkey.metric('latchkey_ledger_leases')) - before;
    if (leases < keys.length) throw new Error(`of ${keys.length} verifications, only ${leases} leased`);
    pairs.push({ leased, inMemory: await verifyAll() });
  }
  const samples = (read: (timing: Timing) => number): Sample[] =>
    pairs.map(({ leased, inMemory }) => ({ ours: read(leased) / 1000, theirs: read(inMemory) / 1000 }));

  return [
    {
      title: 'Verify that has to lease first, one call at a time',
      beside: 'out of what is leased',
      rows: [
        { label: 'p50, ms', samples: samples(({ p50Us }) => p50Us) },
        { label: 'p99, ms', samples: samples(({ p99Us }) => p99Us) },
      ],
    },
    // 100 per 10 s are 10 a second: a third of that, and twice as much.
    await measureActive({
      database,
      latchkey,
      keys,
      activeMs,
      perSecond: 3,
      about: 'at 30 % of what they allow',
    }),
    await measureActive({
      database,
      latchkey,
      keys,
      activeMs,
      perSecond: 20,
      about: 'at twice what they allow',
    }),
  ];
}

/** Keeps all limits in use for a while. */
async function measureActive(options: {
  readonly database: BenchDatabase;
  readonly latchkey: LatchkeyUnderTest;
  readonly keys: readonly SeededKey[];
  readonly activeMs: number;
  /** Verifications of each key. */
  readonly perSecond: number;
  readonly about: string;
}): Promise<Comparison> {
  const { database, latchkey, keys, activeMs, perSecond, about } = options;
  const target = latchkey.target('BatchVerify');
  const batches: Buffer[] = [];
  for (let start = 0; start < keys.length; start += BATCH)
    batches.push(batchMessage(keys.slice(start, start + BATCH).map(({ token }) => token)));
  const cpu = await watchDatabaseCpu(database);
  const session = connect(`http://127.0.0.1:${target.port}`);

  async function keepActive(ms: number): Promise<number> {
    const startMs = performance.now();
    let turns = 0;
    for (; performance.now() - startMs < ms; turns += 1) {
      await Promise.all(batches.map((message) => callGrpc(session, target, message)));
      await sleep(Math.max(0, startMs + ((turns + 1) * 1000) / perSecond - performance.now()));
    }
    return turns;
  }
  const read = async () => ({
    databaseMs: await cpu?.readMs(),
    calls: await latchkey.metric('latchkey_ledger_calls'),
    leases: await latchkey.metric('latchkey_ledger_leases'),
    admitted: await latchkey.metric('latchkey_verifications_total{verdict="VALID"}'),
  });

  try {
    // Until demand is known, and the first window is over.
    await keepActive(12_000);
    const startMs = performance.now();
    const before = await read();
    const turns = await keepActive(activeMs);
    const after = await read();
    const seconds = (performance.now() - startMs) / 1000;
    const admitted = after.admitted - before.admitted;
    const row = (label: string, value: number): Row => ({ label, samples: [{ ours: value }] });
    return {
      title: `${keys.length.toLocaleString('en')} limits of 100 per 10 s in use on one replica, ${about}`,
      rows: [
        ...(before.databaseMs === undefined || after.databaseMs === undefined
          ? []
          : [row('database CPU, ms a second', (after.databaseMs - before.databaseMs) / seconds)]),
        row('verifications a second', (turns * keys.length) / seconds),
        row('admitted a second', admitted / seconds),
        row('leases an admitted request', (after.leases - before.leases) / admitted),
        row('calls of the ledger an admitted request', (after.calls - before.calls) / admitted),
        row('calls of the ledger a second', (after.calls - before.calls) / seconds),
      ],
    };
  } finally {
    session.close();
  }
}
