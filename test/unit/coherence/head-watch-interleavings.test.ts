import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHeadWatch } from '../../../server/coherence/head-watch.ts';
import type { Revision } from '../../../core/revision.ts';
import { captureLogger } from '../../support/capture-logger.ts';
import { createTestClock } from '../../support/test-clock.ts';
import { nameOf } from '../support/watch-under-test.ts';

/**
 * The watch against a model of the truth: a change log that this process and others write to, polls that read it at
 * one moment and answer at another, replies to our own commits that come in any order or never, and clocks that jump.
 */
const POLL_MS = 200;
const MAX_STALENESS_MS = 2000;

/** Some seconds are usual; a busy machine takes longer. */
const TIMEOUT_MS = 60_000;

interface Change {
  readonly seq: number;
  readonly isOwn: boolean;
  readonly committedMonotonicMs: number;
  readonly committedWallMs: number;
  /** Whether memory has forgotten what this change made stale, since its commit. */
  isApplied: boolean;
}

interface Poll {
  /** The head when the poll reached the database; undefined: it has not yet. */
  head: number | undefined;
  readonly resolve: (head: Revision) => void;
  readonly reject: (error: Error) => void;
}

function createModel() {
  const clock = createTestClock();
  const log: Change[] = [];
  const polls: Poll[] = [];
  let clears = 0;
  /** Our own commits whose replies are under way. */
  const unpublished: Change[] = [];

  const watch = createHeadWatch({
    memory: {
      forget(forgotten) {
        const change = log.find(({ seq }) => `key_${seq}` === nameOf(forgotten));
        if (change !== undefined) change.isApplied = true;
      },
      clear() {
        clears += 1;
        for (const change of log) change.isApplied = true;
      },
    },
    reader: {
      read: () =>
        new Promise((resolve, reject) => {
          polls.push({ head: undefined, resolve, reject });
        }),
      close: async () => {},
    },
    clock,
    logger: captureLogger({ level: 'silent' }).logger,
    pollMs: POLL_MS,
    maxStalenessMs: MAX_STALENESS_MS,
  });
  const head = (): number => log.length;
  const settle = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(0));

  return {
    watch,
    clears: () => clears,
    head,
    async start() {
      const started = watch.start();
      polls.shift()?.resolve({ shard: 0, seq: 0 });
      await started;
    },
    commit(isOwn: boolean) {
      const change: Change = {
        seq: head() + 1,
        isOwn,
        committedMonotonicMs: clock.monotonicMs(),
        committedWallMs: clock.nowMs(),
        isApplied: false,
      };
      log.push(change);
      if (isOwn) unpublished.push(change);
    },
    /** The reply to one of our commits arrives, or is lost. */
    publish(which: number, isLost: boolean) {
      const [change] = unpublished.splice(which % Math.max(1, unpublished.length), 1);
      if (change === undefined) return;
      const { seq } = change;
      watch.publish([{ kind: 'key', id: `key_${seq}` }], isLost ? undefined : { shard: 0, seq });
    },
    reachDatabase() {
      const [poll] = polls;
      if (poll !== undefined) poll.head ??= head();
    },
    async answer() {
      const poll = polls.shift();
      poll?.resolve({ shard: 0, seq: poll.head ?? head() });
      await settle();
    },
    async fail() {
      polls.shift()?.reject(new Error('no connection'));
      await settle();
    },
    async pass(ms: number) {
      clock.advance(ms);
      await vi.advanceTimersByTimeAsync(ms);
    },
    suspend: (ms: number) => clock.suspend(ms),
    setBack: (ms: number) => clock.setWall(clock.nowMs() - ms),

    /** What must hold at every moment. */
    check(wallIsSteady: boolean) {
      const known = watch.revision().seq;
      expect(known).toBeLessThanOrEqual(head());
      for (const change of log) {
        const { seq, isApplied } = change;
        // What is covered was applied, and all before it.
        if (watch.covers({ shard: 0, seq })) expect(seq).toBeLessThanOrEqual(known);
        if (seq <= known) expect({ seq, isApplied }).toEqual({ seq, isApplied: true });
        // Memory that may answer holds every change of others that is older than the bound.
        if (change.isOwn || !watch.isFresh()) continue;
        const isOld =
          clock.monotonicMs() - change.committedMonotonicMs >= MAX_STALENESS_MS ||
          (wallIsSteady && clock.nowMs() - change.committedWallMs >= MAX_STALENESS_MS);
        if (isOld) expect({ seq, isApplied }).toEqual({ seq, isApplied: true });
      }
    },
  };
}

type Step =
  | { readonly kind: 'own' | 'foreign' | 'reach' | 'answer' | 'fail' }
  | { readonly kind: 'publish'; readonly which: number; readonly isLost: boolean }
  | { readonly kind: 'pass' | 'suspend' | 'setBack'; readonly ms: number };

const simple = (kind: 'own' | 'foreign' | 'reach' | 'answer' | 'fail'): fc.Arbitrary<Step> =>
  fc.constant({ kind });
const ms = fc.constantFrom(1, 50, POLL_MS, 900, MAX_STALENESS_MS - 1, MAX_STALENESS_MS);
const publish = (isLost: fc.Arbitrary<boolean>): fc.Arbitrary<Step> =>
  fc.record({ kind: fc.constant('publish'), which: fc.nat(3), isLost });
const clockStep = (kind: 'pass' | 'suspend' | 'setBack'): fc.Arbitrary<Step> =>
  fc.record({ kind: fc.constant(kind), ms });

async function take(model: ReturnType<typeof createModel>, step: Step): Promise<void> {
  switch (step.kind) {
    case 'own':
      return model.commit(true);
    case 'foreign':
      return model.commit(false);
    case 'publish':
      return model.publish(step.which, step.isLost);
    case 'reach':
      return model.reachDatabase();
    case 'answer':
      return await model.answer();
    case 'fail':
      return await model.fail();
    case 'pass':
      return await model.pass(step.ms);
    case 'suspend':
      return model.suspend(step.ms);
    case 'setBack':
      return model.setBack(step.ms);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test(
  'memory that may answer is never older than the bound, and no change is covered before it is applied',
  { timeout: TIMEOUT_MS },
  async () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: simple('own') },
        { weight: 3, arbitrary: simple('foreign') },
        { weight: 5, arbitrary: publish(fc.nat(9).map((dice) => dice === 0)) },
        { weight: 3, arbitrary: simple('reach') },
        { weight: 5, arbitrary: simple('answer') },
        { weight: 1, arbitrary: simple('fail') },
        { weight: 5, arbitrary: clockStep('pass') },
        { weight: 1, arbitrary: clockStep('suspend') },
        { weight: 1, arbitrary: clockStep('setBack') },
      ),
      { minLength: 10, maxLength: 60 },
    );
    let freshChecks = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const model = createModel();
        await model.start();
        let wallIsSteady = true;
        for (const step of taken) {
          await take(model, step);
          if (step.kind === 'setBack') wallIsSteady = false;
          model.check(wallIsSteady);
          if (model.watch.isFresh()) freshChecks += 1;
        }
      }),
      { numRuns: 1500 },
    );
    // A watch that is never fresh would pass, too.
    expect(freshChecks).toBeGreaterThan(10_000);
  },
);

test(
  'changes of our own, whose replies come before any poll sees them, never clear memory or move the head back',
  { timeout: TIMEOUT_MS },
  async () => {
    // Polls answer with what they saw when they were sent, which is before any of the later changes.
    const steps = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: simple('own') },
        { weight: 3, arbitrary: simple('reach') },
        { weight: 3, arbitrary: simple('answer') },
        { weight: 1, arbitrary: simple('fail') },
        { weight: 3, arbitrary: clockStep('pass') },
      ),
      { minLength: 5, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const model = createModel();
        await model.start();
        const clears = model.clears();
        let known = model.watch.revision().seq;
        for (const step of taken) {
          await take(model, step);
          // The reply to our commit comes before any poll can have seen it.
          if (step.kind === 'own') model.publish(0, false);
          const now = model.watch.revision().seq;
          expect(now).toBeGreaterThanOrEqual(known);
          known = now;
          model.check(true);
        }
        expect(known).toBe(model.head());
        expect(model.clears()).toBe(clears);
      }),
      { numRuns: 1000 },
    );
  },
);
