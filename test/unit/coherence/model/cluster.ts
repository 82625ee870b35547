import type { KeyRecord } from '../../../../core/key.ts';
import { NO_CONTEXT, type LiveKey, type Snapshot } from '../../../../core/snapshot.ts';
import { createAwaitReplicas, type AwaitReplicas } from '../../../../server/coherence/await-replicas.ts';
import { createLogWatch } from '../../../../server/coherence/log-watch.ts';
import type { LogReader } from '../../../../server/coherence/ports.ts';
import type { Freshness, SnapshotCache } from '../../../../server/snapshots/snapshot-cache.ts';
import type { Clock } from '../../../../server/telemetry/clock.ts';
import { captureLogger } from '../../../support/capture-logger.ts';
import type { Random } from '../../../support/random.ts';
import { issueKey } from '../../support/issue-key.ts';
import { emptyCache } from './cache-pool.ts';
import { createPrimary } from './primary.ts';
import type { Host, Simulator } from './simulator.ts';

/** How long things take and how often they go wrong. */
export interface Weather {
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly pollTimeoutMs: number;
  /** A poll's time from its arrival to its reading, and from there until its entry can be seen; ms, and how often. */
  readonly pollStall: { readonly chance: number; readonly maxMs: number };
  /** How often a poll's answer never comes, though its entry may be written. */
  readonly pollLoss: number;
  /** A read's time from its reading to its answer, ms, and how often it takes longer than usual. */
  readonly readStall: { readonly chance: number; readonly maxMs: number };
  /** How often the answer to a commit is lost. */
  readonly answerLoss: number;
  /** How often a hint is lost. */
  readonly hintLoss: number;
}

/** A remedy switched off: what stands between the parts, in place of nothing. */
export interface Sabotage {
  reader?(inner: LogReader, clock: Clock): LogReader;
  /** The clock of the watch. */
  clock?(inner: Clock): Clock;
  /** What the cache is told of freshness. */
  freshness?(inner: Freshness, clock: Clock, leaseMs: number): Freshness;
  cache?(inner: SnapshotCache, freshness: Freshness): SnapshotCache;
  awaitReplicas?(inner: AwaitReplicas): AwaitReplicas;
  /** A replica takes every change for one that it has applied itself. */
  readonly allOwn?: boolean;
}

/** What a run has seen. */
export interface Tally {
  verifications: number;
  /** Those that memory answered. */
  recalled: number;
  /** Changes that were waited for. */
  confirmed: number;
  /** Of these, those that some replica never acknowledged. */
  timedOut: number;
}

/** Replicas with the real watch, cache and waiting, on a database and a network of a simulation. */
export interface Cluster {
  readonly hosts: readonly Host[];
  readonly tally: Tally;
  /** What broke the promise: verifications that started after a change was effective, and did not know of it. */
  readonly violations: readonly string[];
  /** Starts a replica, after a while. */
  start(index: number, delayMs: number): void;
  /** Stops a replica in peace. */
  stop(index: number): void;
  verify(index: number, keyId: string): void;
  /** Changes a key by a replica, and says when that is effective. */
  change(index: number, keyId: string, wait: boolean): void;
  /** Finds a key by a replica as it shall be, and says when that is effective. */
  findDone(index: number, keyId: string): void;
  /** No poll of a replica comes through for a while. */
  deafen(index: number, ms: number): void;
  /** The log loses its rows. */
  purge(): void;
}

const KEYS: readonly KeyRecord[] = [issueKey().key, issueKey().key];

/** A key that is there at first, and one that is not. */
export const [PRESENT_ID = '', ABSENT_ID = ''] = KEYS.map(({ id }) => id);

const { logger } = captureLogger({ level: 'silent' });

interface Replica {
  readonly cache: SnapshotCache;
  readonly host: Host;
  hint(): void;
  deafen(ms: number): void;
  serving: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
  publish(keyId: string, seq: number | undefined): void;
  confirm(seq: number, own: boolean): Promise<boolean>;
}

export function createCluster(options: {
  readonly simulator: Simulator;
  readonly random: Random;
  readonly weather: Weather;
  readonly sabotage: Sabotage;
  readonly size: number;
}): Cluster {
  const { simulator, random, weather, sabotage, size } = options;
  const { leaseMs, pollMs, pollTimeoutMs } = weather;
  const primary = createPrimary({ [PRESENT_ID]: true, [ABSENT_ID]: false });
  const effective: {
    readonly keyId: string;
    readonly version: number;
    readonly isPast: (ms: number) => boolean;
  }[] = [];
  const violations: string[] = [];
  const tally: Tally = { verifications: 0, recalled: 0, confirmed: 0, timedOut: 0 };

  const chance = (part: number): boolean => random.next() < part;
  const hop = (): number => random.between(0, 1);
  const stall = ({ chance: part, maxMs }: Weather['pollStall']): number =>
    chance(part) ? random.between(2, maxMs) : 0;

  /** A question to the database: there, something at one moment, and back, if the host's way to it is not cut. */
  function ask<T>(host: Host, at: () => T, { stallMs = 0 }: { readonly stallMs?: number } = {}): Promise<T> {
    return new Promise((resolve) => {
      simulator.after(1 + hop(), () => {
        const result = at();
        host.after(1 + stallMs, () => {
          resolve(result);
        });
      });
    });
  }

  function createReader(host: Host, id: string): LogReader & { hint(): void; deafen(ms: number): void } {
    let hint = (): void => {};
    let deafUntilMs = 0;
    return {
      hint: () => hint(),
      deafen: (ms) => void (deafUntilMs = simulator.nowMs() + ms),
      onHint: (listener) => void (hint = listener),
      poll: ({ cursor, leaseMs: askedMs }) =>
        new Promise((resolve, reject) => {
          const giveUp = host.after(pollTimeoutMs, () => reject(new Error('no answer in time')));
          const isLost = chance(weather.pollLoss);
          if (simulator.nowMs() < deafUntilMs || (isLost && chance(0.5))) return;
          simulator.after(1 + hop() + stall(weather.pollStall), () => {
            const page = primary.page(cursor);
            const leaseUntilMs = simulator.nowMs() + askedMs;
            simulator.after(stall(weather.pollStall), () => {
              primary.enter(id, cursor, leaseUntilMs);
              if (isLost) return;
              host.after(1 + hop() + stall(weather.pollStall), () => {
                giveUp();
                resolve(page);
              });
            });
          });
        }),
      async close() {
        await ask(host, () => primary.leave(id));
      },
    };
  }

  function createReplica(index: number): Replica {
    const host = simulator.host();
    const { clock } = host;
    const id = `rep_${index}`;
    const plainReader = createReader(host, id);
    const awaitReplicas = createAwaitReplicas({
      replicaId: id,
      read: () => ask(host, () => primary.replicas(simulator.nowMs())),
      hint() {
        for (const replica of replicas) {
          if (!chance(weather.hintLoss)) replica.host.after(1 + hop(), () => replica.hint());
        }
      },
      clock,
      leaseMs,
      sleep: (ms) => new Promise((resolve) => void host.after(ms, resolve)),
    });

    async function read(keyId: string): Promise<LiveKey | undefined> {
      const state = await ask(host, () => primary.state(keyId), { stallMs: stall(weather.readStall) });
      const key = KEYS.find((one) => one.id === keyId);
      if (key === undefined || state === undefined || !state.present) return undefined;
      return { ...NO_CONTEXT, key: { ...key, version: state.version } };
    }

    const watched: Freshness = {
      isFresh: () => watch.isFresh(),
      covers: (revision) => watch.covers(revision),
    };
    const freshness = sabotage.freshness?.(watched, clock, leaseMs) ?? watched;
    const plainCache = emptyCache(index, { read, freshness, monotonicMs: () => clock.monotonicMs() });
    const cache = sabotage.cache?.(plainCache, freshness) ?? plainCache;
    const watch = createLogWatch({
      memory: cache,
      reader: sabotage.reader?.(plainReader, clock) ?? plainReader,
      awaitReplicas: sabotage.awaitReplicas?.(awaitReplicas) ?? awaitReplicas,
      hint: () => {},
      clock: sabotage.clock?.(clock) ?? clock,
      logger,
      pollMs,
      leaseMs,
    });
    const replica: Replica = {
      cache,
      host,
      hint: () => plainReader.hint(),
      deafen: (ms) => plainReader.deafen(ms),
      serving: false,
      async start() {
        await watch.start();
        replica.serving = true;
      },
      async stop() {
        replica.serving = false;
        await watch.stop();
      },
      publish: (keyId, seq) =>
        watch.publish(
          [{ kind: 'key', id: keyId }],
          seq === undefined ? undefined : { shard: 0, seq },
          watch.epoch(),
        ),
      async confirm(seq, own) {
        const { replicas: all, confirmed } = await watch.confirm(
          { shard: 0, seq },
          own || sabotage.allOwn === true,
        );
        return all === confirmed;
      },
    };
    return replica;
  }

  const replicas: readonly Replica[] = Array.from({ length: size }, (_, index) => createReplica(index));
  const replicaAt = (index: number): Replica => {
    const replica = replicas[index];
    if (replica === undefined) throw new Error(`there is no replica ${index}`);
    return replica;
  };

  function check(
    index: number,
    keyId: string,
    startMs: number,
    floor: number,
    answer: Snapshot | null,
  ): void {
    tally.verifications += 1;
    const answered = answer === null ? 'absent' : answer.key.version;
    if (primary.couldBe(keyId, answered, floor)) return;
    violations.push(
      `replica ${index} took ${keyId === PRESENT_ID ? 'one' : 'other'} key for ${answered} in a verification that ` +
        `started at ${startMs} ms, after version ${floor} was effective`,
    );
  }

  return {
    hosts: replicas.map(({ host }) => host),
    tally,
    violations,
    start(index, delayMs) {
      const replica = replicaAt(index);
      replica.host.after(delayMs, () => void replica.start().catch(() => {}));
    },
    stop(index) {
      const replica = replicaAt(index);
      replica.host.after(0, () => {
        if (replica.serving) void replica.stop().catch(() => {});
      });
    },
    verify(index, keyId) {
      const replica = replicaAt(index);
      replica.host.after(0, () => {
        if (!replica.serving) return;
        const startMs = simulator.nowMs();
        const floor = effective
          .filter((one) => one.keyId === keyId && one.isPast(startMs))
          .reduce((most, { version }) => Math.max(most, version), 0);
        const known = replica.cache.recall(keyId, undefined);
        if (known !== undefined) {
          tally.recalled += 1;
          check(index, keyId, startMs, floor, known);
          return;
        }
        replica.cache.load(keyId, undefined).then(
          (answer) => check(index, keyId, startMs, floor, answer),
          // UNAVAILABLE accepts nothing.
          () => {},
        );
      });
    },
    change(index, keyId, wait) {
      const replica = replicaAt(index);
      async function act(): Promise<void> {
        const isLost = chance(weather.answerLoss);
        const present = primary.state(keyId)?.present !== true;
        const done = await ask(replica.host, () => primary.commit(keyId, present, wait)).catch(
          () => undefined,
        );
        replica.publish(keyId, isLost ? undefined : done?.seq);
        if (isLost || done === undefined) return;
        const { seq, version } = done;
        if (wait) {
          tally.confirmed += 1;
          if (!(await replica.confirm(seq, true))) tally.timedOut += 1;
          effective.push({ keyId, version, isPast: () => true });
        } else {
          const atMs = simulator.nowMs() + leaseMs;
          effective.push({ keyId, version, isPast: (nowMs) => nowMs > atMs });
        }
      }
      replica.host.after(0, () => {
        if (replica.serving) void act();
      });
    },
    findDone(index, keyId) {
      const replica = replicaAt(index);
      async function act(): Promise<void> {
        const found = await ask(replica.host, () => ({
          version: primary.state(keyId)?.version ?? 0,
          seq: primary.page(0).head.seq,
        })).catch(() => undefined);
        if (found === undefined) return;
        tally.confirmed += 1;
        if (!(await replica.confirm(found.seq, false))) tally.timedOut += 1;
        effective.push({ keyId, version: found.version, isPast: () => true });
      }
      replica.host.after(0, () => {
        if (replica.serving) void act();
      });
    },
    deafen: (index, ms) => replicaAt(index).deafen(ms),
    purge: () => primary.purge(),
  };
}
