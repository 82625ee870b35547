import { isDeepStrictEqual } from 'node:util';
import { VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Child } from '../child.ts';
import type { BenchDatabase } from '../database.ts';
import type { LatchkeyUnderTest } from '../latchkey.ts';
import type { Blast, LoadGenerator } from '../load/load.ts';
import { measure, type Measured } from '../measure.ts';
import type { EchoAnswers } from '../processes/echo-process.ts';
import { batchMessage, callOnce, requireAllValid, requireValid, verifyMessage } from '../requests.ts';
import type { SeededKey } from '../seed.ts';

/** Calls at a time when a server is to be busy: on as many connections, and streams on each. */
export const BUSY = { connections: 8, streams: 8 };
const ALONE = { connections: 1, streams: 1 };
export const BATCH_SIZE = 100;

/** Two measurements in one round. */
export interface Pair {
  readonly ours: Measured;
  readonly theirs: Measured;
}

/** What some rounds found. */
export interface WarmRounds {
  /** Verify and the echo, 64 calls at a time. */
  readonly busy: readonly Pair[];
  /** The same, one call at a time. */
  readonly alone: readonly Pair[];
  /** BatchVerify, and the Verify of the same round. */
  readonly batches: readonly Pair[];
  /** Verify of a key with many rules, and of one with none. */
  readonly ruled: readonly Pair[];
  /** How many keys were verified in these rounds. */
  readonly verifications: number;
  /** How many keys the server read from the database meanwhile. */
  readonly keysRead: number;
  /** How many connections of the server's pool ran a query meanwhile. */
  readonly queries: number;
}

/** How much to measure. */
export interface WarmPlan {
  readonly rounds: number;
  /** Calls of each measurement that keeps a server busy; fewer of those that cost more. */
  readonly calls: number;
  /** Calls before the first round: V8 compiles what is called often. */
  readonly warmUpCalls: number;
}

/** Measures two running servers, each in turn, so that a slow moment of the machine meets both. */
export async function measureWarmRounds(
  plan: WarmPlan,
  options: {
    readonly latchkey: LatchkeyUnderTest;
    readonly echo: Child<EchoAnswers>;
    readonly database: BenchDatabase;
    readonly load: LoadGenerator;
    readonly keys: readonly SeededKey[];
  },
): Promise<WarmRounds> {
  const { latchkey, echo, database, load } = options;
  const { rounds, calls, warmUpCalls } = plan;
  const batchCalls = Math.ceil(calls / 20);
  const aloneCalls = Math.ceil(calls / 8);
  const tokens = options.keys.slice(0, BATCH_SIZE).map(({ token }) => token);
  const [token = ''] = tokens;

  const verify = { target: latchkey.target('Verify'), message: verifyMessage(token) };
  const batch = { target: latchkey.target('BatchVerify'), message: batchMessage(tokens) };
  const bareEcho = { target: { ...verify.target, port: await echo.ask('port') }, message: verify.message };
  const { bare, ruled } = database.template;
  const bareKey = { target: verify.target, message: verifyMessage(bare.token) };
  const ruledKey = { target: verify.target, message: verifyMessage(ruled.token) };
  await requireAllValid(batch.target, [...tokens, bare.token, ruled.token]);
  await echo.ask('answerWith', (await requireValid(verify.target, token)).toString('base64'));
  await requireSameAnswer(verify, bareEcho);

  await load.blast({ ...bareEcho, ...BUSY, calls: warmUpCalls });
  await load.blast({ ...verify, ...BUSY, calls: warmUpCalls });
  await load.blast({ ...ruledKey, ...BUSY, calls: Math.ceil(warmUpCalls / 4) });
  await load.blast({ ...batch, ...BUSY, calls: Math.ceil(warmUpCalls / 20) });

  const ofEcho = (blast: Blast): Promise<Measured> => measure(echo, blast.calls, () => load.blast(blast));
  const ofLatchkey = (blast: Blast): Promise<Measured> =>
    measure(latchkey.child, blast.calls, () => load.blast(blast));
  const busy: Pair[] = [];
  const alone: Pair[] = [];
  const batches: Pair[] = [];
  const ruledOnes: Pair[] = [];
  const before = await witness(latchkey, database);
  for (let round = 0; round < rounds; round += 1) {
    const pair = await inTurn(round, {
      theirs: () => ofEcho({ ...bareEcho, ...BUSY, calls }),
      ours: () => ofLatchkey({ ...verify, ...BUSY, calls }),
    });
    busy.push(pair);
    batches.push({ ours: await ofLatchkey({ ...batch, ...BUSY, calls: batchCalls }), theirs: pair.ours });
    ruledOnes.push(
      await inTurn(round, {
        theirs: () => ofLatchkey({ ...bareKey, ...BUSY, calls }),
        ours: () => ofLatchkey({ ...ruledKey, ...BUSY, calls }),
      }),
    );
    alone.push(
      await inTurn(round, {
        theirs: () => ofEcho({ ...bareEcho, ...ALONE, calls: aloneCalls }),
        ours: () => ofLatchkey({ ...verify, ...ALONE, calls: aloneCalls }),
      }),
    );
  }
  const after = await witness(latchkey, database);

  const verifications = rounds * (3 * calls + batchCalls * BATCH_SIZE + aloneCalls);
  const valid = after.valid - before.valid;
  if (valid !== verifications) throw new Error(`of ${verifications} verifications, ${valid} were VALID`);
  const keysRead = after.loads - before.loads;
  return {
    busy,
    alone,
    batches,
    ruled: ruledOnes,
    verifications,
    keysRead,
    queries: await queriesSince(database, before.time),
  };
}

/** @throws Error unless both answer the same in as many bytes; the order of the fields in them is free */
async function requireSameAnswer(
  one: Pick<Blast, 'target' | 'message'>,
  other: Pick<Blast, 'target' | 'message'>,
): Promise<void> {
  const bytes = await callOnce(one.target, one.message);
  const otherBytes = await callOnce(other.target, other.message);
  const same = isDeepStrictEqual(VerifyResponse.decode(bytes), VerifyResponse.decode(otherBytes));
  if (!same || bytes.length !== otherBytes.length)
    throw new Error('the echo does not answer what Latchkey answers');
}

/** Measures both, now this one first, now that one. */
async function inTurn(
  round: number,
  both: { readonly ours: () => Promise<Measured>; readonly theirs: () => Promise<Measured> },
): Promise<Pair> {
  if (round % 2 === 0) {
    const theirs = await both.theirs();
    return { theirs, ours: await both.ours() };
  }
  const ours = await both.ours();
  return { ours, theirs: await both.theirs() };
}

/** What the server and the database have counted. */
async function witness(
  latchkey: LatchkeyUnderTest,
  database: BenchDatabase,
): Promise<{ readonly loads: number; readonly valid: number; readonly time: Date }> {
  const [now] = await database.query<{ time: Date }>('SELECT clock_timestamp() AS time');
  return {
    loads: await latchkey.metric('latchkey_key_loads'),
    valid: await latchkey.metric('latchkey_verifications_total{verdict="VALID"}'),
    time: now?.time ?? new Date(NaN),
  };
}

/** How many connections of the server's pool have run a query since; its poll of changes has one of its own. */
async function queriesSince(database: BenchDatabase, time: Date): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'latchkey' AND query_start > $1`,
    [time],
  );
  return row?.count ?? NaN;
}
