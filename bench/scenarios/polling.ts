import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../child.ts';
import type { Comparison, Row, Sample } from '../comparison.ts';
import type { BenchDatabase } from '../database.ts';
import { watchDatabaseCpu } from '../database-cpu.ts';
import type { LatchkeyUnderTest } from '../latchkey.ts';
import type { PollersAnswers } from '../processes/pollers-process.ts';
import { LEASE_MS, POLL_MS } from './propagation.ts';

/** More than whole servers fit on a small machine, so they are simulated. */
const MANY = 30;

/** What comes before a measurement: connections settle, and Postgres hands in its counts at most once a second, ms. */
const SETTLE_MS = 2000;

/** What so long took. */
interface Cost {
  readonly seconds: number;
  readonly databaseMs: number | undefined;
  readonly statements: number;
  readonly processMs: number;
}

interface Accountable {
  ask(name: 'cpuUs'): Promise<number>;
}

/** What replicas cost that do nothing but look for changes: three servers, and thirty pollers in one process. */
export async function measurePolling(options: {
  /** How long each measurement takes, ms. */
  readonly durationMs: number;
  readonly database: BenchDatabase;
  /** Starts three servers. */
  readonly startReplicas: () => Promise<readonly LatchkeyUnderTest[]>;
}): Promise<readonly Comparison[]> {
  const { durationMs, database, startReplicas } = options;
  const cpu = await watchDatabaseCpu(database);

  async function read(processes: readonly Accountable[]): Promise<Omit<Cost, 'seconds'>> {
    const [row] = await database.query<{ statements: number }>(
      `SELECT (xact_commit + xact_rollback)::double precision AS statements FROM pg_stat_database
        WHERE datname = current_database()`,
    );
    const cpuUs = await Promise.all(processes.map((each) => each.ask('cpuUs')));
    return {
      databaseMs: await cpu?.readMs(),
      statements: row?.statements ?? NaN,
      processMs: cpuUs.reduce((sum, each) => sum + each, 0) / 1000,
    };
  }

  async function cost(processes: readonly Accountable[]): Promise<Cost> {
    await sleep(SETTLE_MS);
    const startMs = performance.now();
    const before = await read(processes);
    await sleep(durationMs);
    const after = await read(processes);
    return {
      seconds: (performance.now() - startMs) / 1000,
      databaseMs:
        before.databaseMs === undefined || after.databaseMs === undefined
          ? undefined
          : after.databaseMs - before.databaseMs,
      statements: after.statements - before.statements,
      processMs: after.processMs - before.processMs,
    };
  }

  const nobody = await cost([]);

  const servers = await startReplicas();
  let few: Cost;
  try {
    few = await cost(servers.map(({ child }) => child));
  } finally {
    for (const server of servers) await server.stop();
  }

  const pollers = await startChild<PollersAnswers>('pollers', { pin: [] });
  let many: Cost;
  try {
    await pollers.ask('start', { url: database.url, count: MANY, pollMs: POLL_MS, leaseMs: LEASE_MS });
    many = await cost([pollers]);
    await pollers.ask('stop');
  } finally {
    await pollers.stop();
  }

  return [
    {
      title: 'A database without replicas',
      rows: [...databaseRow('database CPU, ms a second', nobody, 1)],
    },
    {
      title: `${servers.length} replicas that do nothing: servers`,
      rows: rows(few, servers.length, 'server'),
    },
    {
      title: `${MANY} replicas that do nothing: simulated, the pollers of ${MANY} in one process without the servers around them`,
      rows: rows(many, MANY, 'process'),
    },
  ];
}

function rows(cost: Cost, replicas: number, process: string): Row[] {
  const sample = (value: number): readonly Sample[] => [{ ours: value / cost.seconds }];
  return [
    ...databaseRow('database CPU, ms a second and replica', cost, replicas),
    { label: 'transactions a second, one a poll', samples: sample(cost.statements) },
    { label: `${process} CPU, ms a second and replica`, samples: sample(cost.processMs / replicas) },
  ];
}

/** None where the system does not tell. */
function databaseRow(label: string, { databaseMs, seconds }: Cost, replicas: number): Row[] {
  return databaseMs === undefined ? [] : [{ label, samples: [{ ours: databaseMs / replicas / seconds }] }];
}
