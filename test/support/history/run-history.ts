import { setTimeout as sleep } from 'node:timers/promises';
import { Verdict } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import type { Clients } from '../clients.ts';
import { createRandom } from '../random.ts';
import { startReplica, type Replica } from './replica.ts';
import { createSubject, NARROWINGS, type Narrowing, type Subject } from './subjects.ts';

/** What a run found. */
export interface HistoryReport {
  readonly seed: number;
  /** Verdicts that were checked. */
  readonly verifications: number;
  /** Changes that took access away, by their kind. */
  readonly changes: Readonly<Record<Narrowing, number>>;
  /** Faults that were made, by their kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Verifications that started after the access was declared gone, and passed. */
  readonly violations: readonly string[];
  /** How long changes took to be effective, ms, sorted. */
  readonly waitsMs: readonly number[];
}

const REPLICAS = 3;
/** Keys that can still lose their access. */
const ALIVE_MAX = 60;
const CHANGERS = 3;
const BATCH = 64;

/**
 * Changes keys on random replicas while all replicas verify them and faults are made, and checks the promise: no
 * verification that starts after `effective_time`, on any replica, accepts what was taken away.
 *
 * Every subject loses its access once and never gets it back, so each VALID can be held against one time. Both are of
 * this machine's wall clock; a verification's is taken before it is sent.
 */
export async function runHistory(options: {
  readonly databaseUrl: string;
  readonly seed: number;
  /** At least so long, and on until `enough` was done, ms. */
  readonly durationMs: number;
  readonly enough: { readonly verifications: number; readonly changes: number };
  readonly faults: boolean;
  /** Kills the database and brings it back. */
  readonly crashDatabase?: () => Promise<void>;
  /** Where the server's program is; default: as it was built. */
  readonly program?: string;
}): Promise<HistoryReport> {
  const { databaseUrl, seed, durationMs, enough, faults, crashDatabase } = options;
  const random = createRandom(seed);
  const replicas: Replica[] = [];
  const subjects: Subject[] = [];
  const violations: string[] = [];
  const waitsMs: number[] = [];
  const made: Record<string, number> = {};
  const changes = Object.fromEntries(NARROWINGS.map((kind) => [kind, 0])) as Record<Narrowing, number>;
  let verifications = 0;
  const endMs = Date.now() + durationMs;
  const changed = (): number => Object.values(changes).reduce((sum, count) => sum + count, 0);
  const isOver = (): boolean =>
    Date.now() >= endMs && verifications >= enough.verifications && changed() >= enough.changes;

  function check(subject: Subject): void {
    const { lastValidStartMs, effectiveMs } = subject;
    if (effectiveMs === undefined || lastValidStartMs <= effectiveMs) return;
    violations.push(
      `${subject.narrowing} of ${subject.keyId}: effective at ${effectiveMs}, but replica ${subject.lastValidReplica} ` +
        `passed a verification that started ${lastValidStartMs - effectiveMs} ms later`,
    );
  }

  async function verify(replica: Replica, index: number): Promise<void> {
    while (!isOver()) {
      const asked = random.sample(subjects, BATCH);
      if (asked.length === 0) {
        await sleep(5);
        continue;
      }
      const startMs = Date.now();
      try {
        const { responses } = await replica
          .clients()
          .verify.batchVerify(
            { requests: asked.map(({ token }) => ({ token, scopes: ['work'] })) },
            { signal: AbortSignal.timeout(8000) },
          );
        responses.forEach(({ result }, at) => {
          const subject = asked[at];
          if (subject === undefined || result?.$case !== 'response') return;
          verifications += 1;
          if (result.value.verdict !== Verdict.VERDICT_VALID || startMs <= subject.lastValidStartMs) return;
          subject.lastValidStartMs = startMs;
          subject.lastValidReplica = index;
          check(subject);
        });
      } catch {
        // A replica that is down, stopped or cut off does not answer: that is no acceptance.
        await sleep(20);
      }
    }
  }

  async function change(clientsOf: () => Clients): Promise<void> {
    while (!isOver()) {
      const clients = clientsOf();
      try {
        const alive = subjects.filter(({ state }) => state === 'alive');
        if (alive.length < ALIVE_MAX) subjects.push(await createSubject(clients, random));
        // One that every replica has had the time to know.
        const subject = subjects.find(
          ({ state, createdMs }) => state === 'alive' && Date.now() - createdMs > 300,
        );
        if (subject === undefined) continue;
        // Now and then it is left to others too: who comes second finds the aim reached.
        if (random.next() < 0.8) subject.state = 'changing';
        const startMs = performance.now();
        const effectiveMs = await subject.narrow(clients);
        waitsMs.push(performance.now() - startMs);
        changes[subject.narrowing] += 1;
        subject.effectiveMs = Math.min(subject.effectiveMs ?? Infinity, effectiveMs);
        subject.state = 'gone';
        check(subject);
        retire(subject);
      } catch {
        // Nobody knows whether it was done: the subject stays as it is, and is never held against a time.
        await sleep(20);
      }
    }
  }

  /** What is gone is verified for a while yet. */
  function retire(subject: Subject): void {
    setTimeout(() => {
      const at = subjects.indexOf(subject);
      if (at >= 0) subjects.splice(at, 1);
    }, 4000).unref();
  }

  async function breakThings(): Promise<void> {
    while (!isOver()) {
      await sleep(random.between(200, 1200));
      const replica = random.pick(replicas);
      if (replica === undefined || isOver()) continue;
      if (crashDatabase !== undefined && random.next() < 0.15) {
        await crashDatabase();
        made['database'] = (made['database'] ?? 0) + 1;
        continue;
      }
      const kind = await replica.breakOnce(random, Math.max(500, endMs - Date.now()));
      made[kind] = (made[kind] ?? 0) + 1;
    }
  }

  try {
    for (let index = 0; index < REPLICAS; index += 1) {
      const rootToken = replicas[0]?.rootToken;
      replicas.push(await startReplica({ databaseUrl, rootToken, program: options.program }));
    }
    const work = replicas.flatMap((replica, index) => [
      verify(replica, index),
      verify(replica, index),
      ...Array.from({ length: CHANGERS }, () => change(() => replica.clients())),
    ]);
    if (faults) work.push(breakThings());
    await Promise.all(work);
    waitsMs.sort((one, other) => one - other);
    return { seed, verifications, changes, faults: made, violations, waitsMs };
  } finally {
    await Promise.all(replicas.map((replica) => replica.close()));
  }
}

/** A report with what people want to know of its waits, ms. */
export function summaryOf({ waitsMs, ...told }: HistoryReport): object {
  const at = (part: number): number => Math.round(waitsMs[Math.floor(waitsMs.length * part)] ?? NaN);
  return { ...told, waitMs: { p50: at(0.5), p99: at(0.99), longest: Math.round(waitsMs.at(-1) ?? NaN) } };
}
