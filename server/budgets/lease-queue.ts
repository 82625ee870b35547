import { LedgerUnreached } from './ports.ts';

/** What is leased for: one limit's allowance. `L`: what is asked of the ledger; `G`: what it grants. */
export interface Leasing<L, G> {
  readonly id: string;
  lease(needed: number, wanted: number, nowMs: number): L;
  /** @param tookMs how long the call took that was sent at a time */
  settle(lease: L, grant: G, sentMs: number, tookMs: number): void;
  /** The lease never reached the ledger. */
  restore(lease: L): void;
}

/** Asks the ledger, one call at a time, for all who wait. */
export interface LeaseQueue<A> {
  /**
   * Asks for an allowance; resolves once it has taken in the answer. Not all that was asked for need be there then.
   * @param needed what the caller must have; 0: nobody waits
   * @param wanted what it would take; 0: it only looks
   * @throws what the ledger's call was rejected with
   */
  ask(allowance: A, needed: number, wanted: number): Promise<void>;
  /** Whether an answer for an allowance is awaited. */
  isAsked(allowance: A): boolean;
  /** Resolves when nothing is under way or waits. Never rejected. */
  idle(): Promise<void>;
  /** Calls of the ledger, and leases in them, since the start. */
  stats(): { readonly calls: number; readonly leases: number; readonly failures: number };
}

/** The most leases in one call: it holds the locks of all its rows until it ends. */
const BATCH_MAX = 1000;

/** Those who wait for one allowance. */
interface Waiting<A> {
  readonly allowance: A;
  readonly settled: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Of the first who waits for it; else of the first who only looks. */
  needed: number;
  wanted: number;
}

export function createLeaseQueue<L, G, A extends Leasing<L, G>>(options: {
  /** Answers in the order of the leases. */
  readonly call: (leases: readonly L[]) => Promise<readonly G[]>;
  readonly monotonicMs: () => number;
}): LeaseQueue<A> {
  const { call, monotonicMs } = options;
  const waiting = new Map<string, Waiting<A>>();
  let flying: ReadonlySet<string> = new Set();
  let running: Promise<void> | undefined;
  let calls = 0;
  let leased = 0;
  let failures = 0;

  async function send(batch: readonly Waiting<A>[]): Promise<void> {
    const sentMs = monotonicMs();
    const leases = batch.map(({ allowance, wanted, needed }) => allowance.lease(needed, wanted, sentMs));
    calls += 1;
    leased += leases.length;
    try {
      const grants = await call(leases);
      const tookMs = monotonicMs() - sentMs;
      batch.forEach(({ allowance, resolve, reject }, index) => {
        const [lease, grant] = [leases[index], grants[index]];
        if (lease === undefined || grant === undefined) {
          reject(new Error(`the ledger answered ${grants.length} of ${leases.length} leases`));
          return;
        }
        allowance.settle(lease, grant, sentMs, tookMs);
        resolve();
        // Those who came since may have enough by it; else they ask again.
        const later = waiting.get(allowance.id);
        if (later === undefined) return;
        waiting.delete(allowance.id);
        later.resolve();
      });
    } catch (error) {
      failures += 1;
      batch.forEach(({ allowance, reject }, index) => {
        const lease = leases[index];
        if (error instanceof LedgerUnreached && lease !== undefined) allowance.restore(lease);
        reject(error);
      });
    }
  }

  async function drain(): Promise<void> {
    while (waiting.size > 0) {
      // Those who come in the same turn of the event loop go in the same call, and those whom an answer left wanting.
      await new Promise((resolve) => setImmediate(resolve));
      const batch = [...waiting.values()].slice(0, BATCH_MAX);
      for (const { allowance } of batch) waiting.delete(allowance.id);
      flying = new Set(batch.map(({ allowance }) => allowance.id));
      await send(batch);
      flying = new Set();
    }
    running = undefined;
  }

  return {
    ask(allowance, needed, wanted) {
      let entry = waiting.get(allowance.id);
      if (entry === undefined) {
        const { promise, resolve, reject } = withResolvers();
        entry = { allowance, settled: promise, resolve, reject, wanted: 0, needed: 0 };
        waiting.set(allowance.id, entry);
      }
      const looks = wanted === 0;
      if (looks ? entry.wanted === 0 && entry.needed === 0 : entry.wanted === 0 || entry.needed === 0)
        entry.needed = needed;
      entry.wanted += wanted;
      running ??= drain();
      return entry.settled;
    },
    isAsked: ({ id }) => waiting.has(id) || flying.has(id),
    async idle() {
      await running;
    },
    stats: () => ({ calls, leases: leased, failures }),
  };
}

/** A promise with what settles it. One that is rejected while nobody waits is no error of the process. */
function withResolvers(): {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
} {
  let resolve = (): void => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
