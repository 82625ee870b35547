import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Change } from '../../../core/change.ts';
import type { Api } from '../../../core/rules.ts';
import type { LiveKey, Snapshot } from '../../../core/snapshot.ts';
import { digestOfRef, digestRef } from '../../../core/token.ts';
import { createSnapshotCache } from '../../../server/snapshots/snapshot-cache.ts';
import { issueKey, KEYSPACE_ID } from '../support/issue-key.ts';
import { policyOf } from '../support/policy-of.ts';

/**
 * The cache over a database of keys, policies, an owner and a catalogue, under every order of events: commits to any of
 * them, what memory is told after each, reads that see the database at one moment and answer at another.
 *
 * Everything counts its changes, and a snapshot shows of all that it was compiled with which state that was. One key is
 * found by its id; the other is imported some time, and found by the digest of its token.
 */
const POLICIES = [policyOf(), policyOf()];
const NATIVE = issueKey({ ownerId: 'ann', resourceAccess: { type: 'LISTED', ids: [] } }).key;
const IMPORTED = issueKey({ ownerId: 'ann', resourceAccess: { type: 'LISTED', ids: [] } }).key;
const DIGEST_REF = digestRef('ab'.repeat(32));
const REFS = [NATIVE.id, DIGEST_REF] as const;
type Ref = (typeof REFS)[number];
const STUCK_MS = 2000;

/** Some seconds are usual; a busy machine takes longer. */
const TIMEOUT_MS = 60_000;

/** How often each was changed. Of a key, an odd number stands for the second policy. */
interface State {
  readonly keys: Readonly<Record<Ref, { readonly version: number; readonly exists: boolean }>>;
  readonly policies: readonly [number, number];
  /** Odd: suspended. */
  readonly owner: number;
  readonly catalogue: number;
  readonly imports: boolean;
}

type Write =
  | { readonly kind: 'key'; readonly ref: Ref; readonly exists: boolean }
  | { readonly kind: 'policy'; readonly which: 0 | 1 }
  | { readonly kind: 'owner' }
  | { readonly kind: 'keyspace' };
type Action =
  | Write
  | { readonly kind: 'verify'; readonly ref: Ref }
  | { readonly kind: 'clear' }
  | { readonly kind: 'wait' };

const FIRST: State = {
  keys: { [NATIVE.id]: { version: 0, exists: true }, [DIGEST_REF]: { version: 0, exists: false } },
  policies: [0, 0],
  owner: 0,
  catalogue: 0,
  imports: false,
};

function keyIn(state: State, ref: Ref): State['keys'][Ref] {
  const key = state.keys[ref];
  if (key === undefined) throw new Error(`no key ${ref}`);
  return key;
}

/** The state after a change, and what memory is told of it. */
function after(state: State, write: Write): readonly [State, readonly Change[]] {
  if (write.kind === 'policy') {
    const [one, other] = state.policies;
    const policies = write.which === 0 ? ([one + 1, other] as const) : ([one, other + 1] as const);
    return [{ ...state, policies }, [{ kind: 'policy', id: POLICIES[write.which]?.id ?? '' }]];
  }
  if (write.kind === 'owner') {
    const change: Change = { kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'ann' };
    return [{ ...state, owner: state.owner + 1 }, [change]];
  }
  if (write.kind === 'keyspace') {
    return [{ ...state, catalogue: state.catalogue + 1 }, [{ kind: 'keyspace', id: KEYSPACE_ID }]];
  }
  const { ref, exists } = write;
  const before = keyIn(state, ref);
  const isImported = ref === DIGEST_REF;
  const changes: Change[] = [{ kind: 'key', id: isImported ? IMPORTED.id : NATIVE.id }];
  // Made or undeleted: a foreign token that was known to belong to no key belongs to one now.
  if (isImported && exists && !before.exists) changes.push({ kind: 'imports' });
  const keys = { ...state.keys, [ref]: { version: before.version + 1, exists } };
  return [{ ...state, keys, imports: state.imports || (isImported && exists) }, changes];
}

const catalogueOf = (version: number): readonly Api[] => [
  {
    name: 'shop',
    groups: [{ name: 'all', methods: [{ verb: '', path: `/v${version}`, noResource: true }] }],
  },
];

/** What a read gives that saw the key with its policies and owner in one state and the catalogue in another. */
function liveKey(state: State, ref: Ref, catalogue: number): LiveKey | undefined {
  const { version, exists } = keyIn(state, ref);
  if (!exists) return undefined;
  const which = version % 2 === 0 ? 0 : 1;
  const policy = policyOf({ ...POLICIES[which], tags: [`v${state.policies[which]}`] });
  const key = ref === DIGEST_REF ? IMPORTED : NATIVE;
  return {
    key: { ...key, version, policyIds: [policy.id] },
    policies: [policy],
    ownerSuspended: state.owner % 2 === 1,
    ownerLimits: [],
    ownerLimitOverrides: [],
    apis: catalogueOf(catalogue),
  };
}

/** Whether what was read could have been true in a state. */
function isTrueOf(state: State, ref: Ref, answer: Snapshot | null): boolean {
  const { version, exists } = keyIn(state, ref);
  if (answer === null) return !exists;
  return (
    exists &&
    answer.key.version === version &&
    answer.rules.tags[0] === `v${state.policies[version % 2 === 0 ? 0 : 1]}` &&
    answer.ownerSuspended === (state.owner % 2 === 1)
  );
}

function createWorld(scheduler: fc.Scheduler) {
  const history: State[] = [FIRST];
  /** All before this place in history was told to the cache. */
  const told = new Set<number>([0]);
  let monotonicMs = 0;
  const turn = (label: string): Promise<void> => scheduler.schedule(Promise.resolve(), label);
  const now = (): State => history.at(-1) ?? FIRST;
  /** The place in history up to which the cache was told of every change: of others it need not know. */
  const floor = (): number => {
    let place = 0;
    while (told.has(place + 1)) place += 1;
    return place;
  };

  const cache = createSnapshotCache({
    async read(ref) {
      await turn(`read of ${ref} reaches the database`);
      const state = now();
      await turn(`read of ${ref} asks for the catalogue`);
      const { catalogue } = now();
      await turn(`read of ${ref} answers`);
      return liveKey(state, ref, catalogue);
    },
    async readImports() {
      await turn('read of imports reaches the database');
      const { imports } = now();
      await turn(`read of imports answers ${imports}`);
      return imports;
    },
    freshness: { isFresh: () => true, covers: () => true },
    monotonicMs: () => monotonicMs,
    maxBytes: 1_000_000,
    stuckMs: STUCK_MS,
  });

  function requireTrueSince(place: number, ref: Ref, answer: Snapshot | null): void {
    const possible = history.slice(place);
    const isTrue = possible.some((state) => isTrueOf(state, ref, answer));
    const catalogueIsTrue =
      answer === null ||
      possible.some(({ catalogue }) =>
        answer.isResourceless({ api: 'shop', verb: '', path: `/v${catalogue}` }),
      );
    if (!isTrue || !catalogueIsTrue) throw new Error(`${ref} is said to be as it was before ${place}`);
  }
  function requireImportsSince(place: number, imports: boolean): void {
    if (!history.slice(place).some((state) => state.imports === imports))
      throw new Error(`imports are said to be ${imports}, as before ${place}`);
  }

  function checkMemory(): void {
    for (const ref of REFS) {
      const answer = cache.recall(ref, undefined);
      if (answer !== undefined) requireTrueSince(floor(), ref, answer);
    }
    const imports = cache.recallImports(undefined);
    if (imports !== undefined) requireImportsSince(floor(), imports);
  }

  return {
    cache,
    checkMemory,
    async run(action: Action): Promise<void> {
      await turn(action.kind);
      switch (action.kind) {
        case 'verify': {
          const { ref } = action;
          const place = floor();
          checkMemory();
          if (digestOfRef(ref) !== undefined) {
            const imports = cache.recallImports(undefined) ?? (await cache.loadImports(undefined));
            requireImportsSince(place, imports);
            if (!imports) return;
          }
          const known = cache.recall(ref, undefined);
          requireTrueSince(place, ref, known === undefined ? await cache.load(ref, undefined) : known);
          checkMemory();
          return;
        }
        case 'clear': {
          cache.clear();
          for (let place = 0; place < history.length; place += 1) told.add(place);
          return;
        }
        case 'wait': {
          monotonicMs += STUCK_MS / 2;
          return;
        }
        default: {
          const [state, changes] = after(now(), action);
          const place = history.push(state) - 1;
          await turn(`tell of ${action.kind}`);
          for (const change of changes) cache.forget(change);
          told.add(place);
          checkMemory();
        }
      }
    },
  };
}

const someRef = fc.constantFrom(...REFS);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('verify' as const), ref: someRef }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('key' as const),
      ref: someRef,
      exists: fc.constantFrom(true, true, true, false),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('policy' as const), which: fc.constantFrom<0 | 1>(0, 1) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('owner' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('keyspace' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const) }) },
);

test(
  'no verification that begins after a change was told sees the state before it, whatever was changed',
  { timeout: TIMEOUT_MS },
  async () => {
    let filled = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(action, { minLength: 2, maxLength: 16 }),
        async (scheduler, actions) => {
          const world = createWorld(scheduler);
          await scheduler.waitFor(Promise.all(actions.map((one) => world.run(one))));
          world.checkMemory();
          const { keys, absences } = world.cache.stats();
          filled += keys + absences;
        },
      ),
      { numRuns: 2500 },
    );
    // A cache that remembers nothing would pass, too.
    expect(filled).toBeGreaterThan(500);
  },
);

test(
  'changes one after the other, with nothing under way, each reach what was remembered',
  { timeout: TIMEOUT_MS },
  async () => {
    let remembered = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(action, { minLength: 5, maxLength: 30 }),
        async (scheduler, actions) => {
          const world = createWorld(scheduler);
          for (const one of actions) {
            await scheduler.waitFor(world.run(one));
            world.checkMemory();
            remembered += world.cache.stats().keys;
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(remembered).toBeGreaterThan(1000);
  },
);
