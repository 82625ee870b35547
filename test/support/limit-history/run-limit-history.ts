import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Verdict } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { newId } from '../../../core/ids.ts';
import { newToken } from '../../../core/token.ts';
import { createClients, type Clients } from '../clients.ts';
import { startReplica, type Replica } from '../history/replica.ts';
import { createRandom } from '../random.ts';
import { spawnServer } from '../spawn-server.ts';
import { chooseLoad, createCase, LIMIT_NAME, type CasePlan, type LimitCase } from './cases.ts';

/** What a run found of one case. */
export interface CaseReport {
  /** `10000 per 10 s on a key`, and the like. */
  readonly limit: string;
  /** How many limits there were of it. */
  readonly limits: number;
  /** What answered calls asked for, and what of it was admitted, in units of the limit. */
  readonly offered: number;
  readonly admitted: number;
  /** The most that surely was in an interval of the window's length. */
  readonly worstInterval: number;
  /** The same, if each was admitted when it was answered: for information. */
  readonly worstByAnswer: number;
  /** How many times what the limit allows was offered. */
  readonly overload: number;
  /** Of what the limit allows after the first window. Changed numbers: undefined. */
  readonly utilisation: number | undefined;
  /** How often its number was changed, or given another one for a time. */
  readonly changes: number;
}

/** What a run found. */
export interface LimitReport {
  readonly seed: number;
  readonly cases: readonly CaseReport[];
  /** Faults that were made, by their kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Intervals that held more than they may. */
  readonly violations: readonly string[];
  /** Calls of the ledger, and leases in them, for each unit that was admitted; undefined with faults. */
  readonly callsPerAdmitted: number | undefined;
  readonly leasesPerAdmitted: number | undefined;
}

const REPLICAS = 3;
/** Calls in flight to each replica, for each case. */
const LANES = 2;
/** How many verifications are offered for one that is allowed, where the machine is fast enough. */
const OVERLOAD = 3;
/** No call comes later than so long after the one before, ms: who comes seldom finds what has come back late. */
const PACE_MAX_MS = 50;

/** Wall clocks tell whole milliseconds, and are read one after the other. */
const CLOCK_MS = 2;

/** Who is asked: a replica, harmed or not. */
interface Asked {
  clients(): Clients;
  /** Counts of the ledger since its start. */
  counts(): Promise<{ readonly calls: number; readonly leases: number }>;
  close(): Promise<void>;
}

/**
 * Offers three replicas more than the limits allow, and checks the promise: in no interval of a window's length is more
 * admitted than the number says that held in it.
 *
 * What was admitted lies between the sending of the call and its answer, on this process's monotonic clock; only what
 * surely lies in an interval is counted there. A number that was lowered holds for intervals that begin after its
 * effective time; one that was raised, from before the change was sent.
 */
export async function runLimitHistory(options: {
  readonly databaseUrl: string;
  readonly seed: number;
  readonly durationMs: number;
  readonly cases: readonly CasePlan[];
  /** Harms the replicas, and changes the numbers. */
  readonly faults: boolean;
  /** Kills the database and brings it back. */
  readonly crashDatabase?: () => Promise<void>;
  /** Where the server's program is; default: as it was built. */
  readonly program?: string;
}): Promise<LimitReport> {
  const { databaseUrl, seed, durationMs, faults, crashDatabase, program } = options;
  const random = createRandom(seed);
  const made: Record<string, number> = {};
  const rootToken = newToken('latchkey', newId('key'));
  const harmed: Replica[] = [];
  const asked: Asked[] = [];
  const changes = new Map<LimitCase, number>();
  const offered = new Map<LimitCase, number>();
  let startMs = Infinity;
  let endMs = Infinity;
  const isOver = (): boolean => performance.now() >= endMs;

  async function start(): Promise<void> {
    if (faults) {
      const replica = await startReplica({ databaseUrl, rootToken, program });
      harmed.push(replica);
      asked.push({
        clients: () => replica.clients(),
        counts: async () => ({ calls: NaN, leases: NaN }),
        close: () => replica.close(),
      });
    } else {
      asked.push(await startCalm({ databaseUrl, rootToken, program }));
    }
  }

  async function load(replica: Asked, limitCase: LimitCase): Promise<void> {
    const { costMax, batch, verificationsPerMs } = limitCase;
    const paceMs = Math.min(PACE_MAX_MS, (REPLICAS * LANES * batch) / (OVERLOAD * verificationsPerMs));
    for (let dueMs = performance.now(); !isOver(); dueMs = Math.max(dueMs + paceMs, performance.now())) {
      await sleep(Math.max(0, dueMs - performance.now()));
      const chosen = chooseLoad(limitCase, random, performance.now() - startMs);
      const requests = chosen.map(({ key: { token }, cost }) => ({
        token,
        charges: costMax === 1 ? [] : [{ limit: LIMIT_NAME, cost: BigInt(cost) }],
      }));
      const sentMs = performance.now();
      try {
        const signal = AbortSignal.timeout(3000);
        const { responses } = await replica.clients().verify.batchVerify({ requests }, { signal });
        const answeredMs = performance.now();
        const units = chosen.reduce((sum, { cost }) => sum + cost, 0);
        offered.set(limitCase, (offered.get(limitCase) ?? 0) + units);
        responses.forEach(({ result }, index) => {
          const choice = chosen[index];
          if (choice === undefined || result?.$case !== 'response') return;
          if (result.value.verdict !== Verdict.VERDICT_VALID) return;
          choice.key.counter.admit({ sentMs, answeredMs, cost: choice.cost });
        });
      } catch {
        // A replica that is down, stopped or cut off does not answer: nobody knows what it admitted.
        await sleep(20);
      }
    }
  }

  /** Asks until it is known that it was done, at one replica or another. */
  async function insist(
    ask: (by: Clients, requestId: string) => Promise<number>,
  ): Promise<number | undefined> {
    const requestId = randomUUID();
    while (!isOver()) {
      const replica = random.pick(asked);
      if (replica === undefined) break;
      try {
        return await ask(replica.clients(), requestId);
      } catch {
        await sleep(20);
      }
    }
    return undefined;
  }

  async function change(limitCase: LimitCase): Promise<void> {
    const { limit, windowMs, on, counters } = limitCase;
    const fell = (max: number, wallMs: number): void => {
      for (const counter of counters) counter.fell(max, monotonicOf(wallMs) + CLOCK_MS);
    };
    const rose = (max: number, atMs: number): void => {
      for (const counter of counters) counter.rose(max, atMs);
    };
    const kinds = on === 'policy' ? ['lower'] : ['lower', 'override-up', 'override-down'];
    while (!isOver()) {
      await sleep(random.between(300, windowMs));
      if (isOver()) return;
      const holdMs = windowMs * (1 + random.next());
      const kind = random.pick(kinds);
      if (kind === 'lower') {
        const low = random.between(1, Math.max(1, Math.floor(limit / 2)));
        const lowered = await insist((by, id) => limitCase.change(by, low, id));
        // Whether it holds is not known, and less than the limit it is at any rate.
        if (lowered === undefined) return;
        fell(low, lowered);
        await sleep(holdMs);
        rose(limit, performance.now());
        if ((await insist((by, id) => limitCase.change(by, limit, id))) === undefined) return;
      } else {
        const value =
          kind === 'override-up' ? 2 * limit : random.between(0, Math.max(1, Math.floor(limit / 2)));
        const endTime = new Date(Date.now() + Math.ceil(holdMs) + 1000);
        if (value > limit) rose(value, performance.now());
        const isOpen = (): boolean => Date.now() < endTime.getTime() - 500;
        const effective = await insist((by, id) =>
          isOpen() ? limitCase.override(by, value, endTime, id) : Promise.resolve(-1),
        );
        if (value < limit && effective !== undefined && effective >= 0) fell(value, effective);
        await sleep(Math.max(0, endTime.getTime() - Date.now()) + CLOCK_MS);
        if (value > limit) fell(limit, endTime.getTime());
        else rose(limit, monotonicOf(endTime.getTime()) - CLOCK_MS);
      }
      changes.set(limitCase, (changes.get(limitCase) ?? 0) + 1);
    }
  }

  async function breakThings(): Promise<void> {
    while (!isOver()) {
      await sleep(random.between(200, 1200));
      const replica = random.pick(harmed);
      if (replica === undefined || isOver()) continue;
      const crash = crashDatabase !== undefined && random.next() < 0.15;
      const kind = crash
        ? 'database'
        : await replica.breakOnce(random, Math.max(500, endMs - performance.now()));
      if (crash) await crashDatabase();
      made[kind] = (made[kind] ?? 0) + 1;
    }
  }

  try {
    // The first migrates, if need be.
    await start();
    await Promise.all(Array.from({ length: REPLICAS - 1 }, start));
    const first = asked[0]?.clients();
    if (first === undefined) throw new Error('no replica has started');
    const cases: LimitCase[] = [];
    for (const plan of options.cases) cases.push(await createCase(first, plan));
    const before = await Promise.all(asked.map((replica) => replica.counts()));
    startMs = performance.now();
    endMs = startMs + durationMs;
    const work = asked.flatMap((replica) =>
      cases.flatMap((limitCase) => Array.from({ length: LANES }, () => load(replica, limitCase))),
    );
    if (faults) work.push(breakThings(), ...cases.map(change));
    await Promise.all(work);

    const after = await Promise.all(asked.map((replica) => replica.counts()));
    const spent = (name: 'calls' | 'leases'): number =>
      after.reduce((sum, counts, index) => sum + counts[name] - (before[index]?.[name] ?? 0), 0);
    const told = { startMs, endMs: startMs + durationMs };
    const reports = cases.map((limitCase) =>
      reportOf(limitCase, {
        ...told,
        offered: offered.get(limitCase) ?? 0,
        changes: changes.get(limitCase) ?? 0,
        faults,
      }),
    );
    const admitted = reports.reduce((sum, report) => sum + report.admitted, 0);
    const perAdmitted = (name: 'calls' | 'leases'): number | undefined =>
      faults ? undefined : rounded(spent(name) / admitted);
    return {
      seed,
      cases: reports,
      faults: made,
      violations: cases.flatMap(violationsOf),
      callsPerAdmitted: perAdmitted('calls'),
      leasesPerAdmitted: perAdmitted('leases'),
    };
  } finally {
    await Promise.all(asked.map((replica) => replica.close()));
  }
}

async function startCalm(options: {
  readonly databaseUrl: string;
  readonly rootToken: string;
  readonly program: string | undefined;
}): Promise<Asked> {
  const { databaseUrl, rootToken, program } = options;
  const server = await spawnServer({
    env: { DATABASE_URL: databaseUrl, LATCHKEY_ROOT_TOKEN: rootToken, LATCHKEY_LOG_LEVEL: 'error' },
    ...(program === undefined ? {} : { program }),
  });
  const clients = createClients({ address: server.address, token: rootToken });
  return {
    clients: () => clients,
    async counts() {
      const text = await (await fetch(`${server.httpAddress}/metrics`)).text();
      const count = (name: string): number => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
      return { calls: count('latchkey_ledger_calls'), leases: count('latchkey_ledger_leases') };
    },
    async close() {
      clients.close();
      await server.end('SIGTERM');
    },
  };
}

function reportOf(
  limitCase: LimitCase,
  told: {
    readonly startMs: number;
    readonly endMs: number;
    readonly offered: number;
    readonly changes: number;
    readonly faults: boolean;
  },
): CaseReport {
  const { counters, limit, windowMs, on, keys } = limitCase;
  const { startMs, endMs, offered, changes } = told;
  const settledMs = startMs + windowMs;
  let [admitted, settled] = [0, 0];
  for (const counter of counters) {
    for (const { answeredMs, cost } of counter.admissions()) {
      admitted += cost;
      if (answeredMs >= settledMs && answeredMs < endMs) settled += cost;
    }
  }
  const allowed = (counters.length * limit * (endMs - settledMs)) / windowMs;
  return {
    limit: `${limit} per ${windowMs / 1000} s on ${on === 'key' ? 'a key' : on === 'owner' ? `an owner of ${keys} keys` : 'each key, by a policy'}`,
    limits: counters.length,
    offered,
    admitted,
    worstInterval: Math.max(...counters.map((counter) => counter.check()[0]?.worst ?? 0)),
    worstByAnswer: Math.max(...counters.map((counter) => counter.worstByAnswer())),
    overload: rounded((offered * windowMs) / (counters.length * limit * (endMs - startMs))),
    utilisation: told.faults ? undefined : rounded(settled / allowed),
    changes,
  };
}

function violationsOf({ counters, limit, windowMs, on }: LimitCase): readonly string[] {
  return counters.flatMap((counter, index) =>
    counter
      .check()
      .filter(({ worst, max }) => worst > max)
      .map(
        ({ worst, max, fromMs, untilMs, worstFromMs }) =>
          `limit ${index} of ${limit} per ${windowMs} ms (${on}): ${worst} where ${max} may be, from ${worstFromMs}; ` +
          `that number held from ${fromMs} to ${untilMs}`,
      ),
  );
}

const monotonicOf = (wallMs: number): number => wallMs - (Date.now() - performance.now());

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;
