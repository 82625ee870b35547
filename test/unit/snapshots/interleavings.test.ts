import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { NO_CONTEXT, type LiveKey, type Snapshot } from '../../../core/snapshot.ts';
import { createSnapshotCache, type SnapshotCache } from '../../../server/snapshots/snapshot-cache.ts';
import { issueKey } from '../support/issue-key.ts';

/**
 * The cache over a database of its own, under every order of events that a scheduler can think of: commits, what
 * memory is told after them, reads that reach the database now and answer later, loads that begin anywhere in between.
 */
const RECORDS = [issueKey().key, issueKey().key];
const IDS = RECORDS.map(({ id }) => id);
const STUCK_MS = 2000;

/** Some seconds are usual; a busy machine takes longer. */
const TIMEOUT_MS = 60_000;

interface Row {
  readonly version: number;
  readonly isDeleted: boolean;
}

/** All that a key ever was, the newest state last. A key's `version` is its place in this list. */
type History = Row[];

interface World {
  readonly cache: SnapshotCache;
  /** Changes a key in the database, and later tells the cache, as a mutation does. */
  write(keyId: string, isDeleted: boolean): Promise<void>;
  /** Verifies: memory first, then the database; must not see less than was told before it began. */
  verify(keyId: string): Promise<void>;
  /** What was told of all changes: forgets everything. */
  clear(): Promise<void>;
  /** Lets time pass, so that reads grow too old to be joined. */
  wait(): Promise<void>;
  /** Memory itself must not hold less than was told. */
  checkMemory(): void;
}

function createWorld(scheduler: fc.Scheduler): World {
  const database = new Map<string, History>(
    IDS.map((id, index) => [id, [{ version: 0, isDeleted: index === 1 }]]),
  );
  /** The version up to which the cache was told of changes, by key. */
  const told = new Map<string, number>(IDS.map((id) => [id, 0]));
  let monotonicMs = 0;

  const turn = (label: string): Promise<void> => scheduler.schedule(Promise.resolve(), label);
  const historyOf = (keyId: string): History => database.get(keyId) ?? [];

  async function read(keyId: string): Promise<LiveKey | undefined> {
    await turn(`read of ${keyId} reaches the database`);
    const row = historyOf(keyId).at(-1);
    await turn(`read of ${keyId} answers version ${row?.version}`);
    const record = RECORDS.find(({ id }) => id === keyId);
    if (row === undefined || record === undefined || row.isDeleted) return undefined;
    return { ...NO_CONTEXT, key: { ...record, version: row.version } };
  }

  const cache = createSnapshotCache({
    read,
    readImports: async () => false,
    freshness: { isFresh: () => true, covers: () => true },
    monotonicMs: () => monotonicMs,
    maxBytes: 1_000_000,
    stuckMs: STUCK_MS,
  });

  /** Whether an answer could have been true at or after a version. */
  function requireAtLeast(keyId: string, answer: Snapshot | null, floor: number): void {
    const possible = historyOf(keyId).filter(({ version }) => version >= floor);
    const isTrue = possible.some(({ version, isDeleted }) =>
      answer === null ? isDeleted : !isDeleted && answer.key.version === version,
    );
    if (isTrue) return;
    const said = answer === null ? 'absent' : `version ${answer.key.version}`;
    throw new Error(`${keyId} is said to be ${said}, but version ${floor} was told before`);
  }

  function checkMemory(): void {
    for (const keyId of IDS) {
      const answer = cache.recall(keyId, undefined);
      if (answer !== undefined) requireAtLeast(keyId, answer, told.get(keyId) ?? 0);
    }
  }

  return {
    cache,
    checkMemory,
    async write(keyId, isDeleted) {
      await turn(`commit to ${keyId}`);
      const history = historyOf(keyId);
      const version = history.length;
      history.push({ version, isDeleted });
      await turn(`forget ${keyId} for version ${version}`);
      cache.forget({ kind: 'key', id: keyId });
      told.set(keyId, Math.max(told.get(keyId) ?? 0, version));
      checkMemory();
    },
    async verify(keyId) {
      await turn(`verify ${keyId}`);
      checkMemory();
      const floor = told.get(keyId) ?? 0;
      const known = cache.recall(keyId, undefined);
      const answer = known === undefined ? await cache.load(keyId, undefined) : known;
      requireAtLeast(keyId, answer, floor);
      checkMemory();
    },
    async clear() {
      await turn('clear');
      cache.clear();
      for (const keyId of IDS) told.set(keyId, historyOf(keyId).length - 1);
    },
    async wait() {
      await turn('wait');
      monotonicMs += STUCK_MS / 2;
    },
  };
}

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('verify'), keyId: fc.constantFrom(...IDS) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      keyId: fc.constantFrom(...IDS),
      isDeleted: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait') }) },
) as fc.Arbitrary<
  | { kind: 'verify'; keyId: string }
  | { kind: 'write'; keyId: string; isDeleted: boolean }
  | { kind: 'clear' | 'wait' }
>;

test(
  'no verification that begins after a change was told sees the state before it, in 2,000 schedules',
  { timeout: TIMEOUT_MS },
  async () => {
    let filled = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(action, { minLength: 2, maxLength: 14 }),
        async (scheduler, actions) => {
          const world = createWorld(scheduler);
          const running = Promise.all(
            actions.map((one) => {
              if (one.kind === 'verify') return world.verify(one.keyId);
              if (one.kind === 'write') return world.write(one.keyId, one.isDeleted);
              return one.kind === 'clear' ? world.clear() : world.wait();
            }),
          );
          await scheduler.waitFor(running);
          world.checkMemory();
          const { keys, absences } = world.cache.stats();
          filled += keys + absences;
        },
      ),
      { numRuns: 2000 },
    );
    // A cache that remembers nothing would pass, too.
    expect(filled).toBeGreaterThan(500);
  },
);
