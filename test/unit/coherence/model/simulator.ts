import { vi } from 'vitest';
import type { Clock } from '../../../../server/telemetry/clock.ts';
import type { Random } from '../../../support/random.ts';

/** A process of the simulation: with clocks of its own, and times at which it does not run. */
export interface Host {
  readonly clock: Clock;
  /** Runs something on it after a while; later, if it stands still then; never, if it has ended. */
  after(delayMs: number, run: () => void): () => void;
  /** It stands still for a while: stopped (its clocks go on), or with its machine, whose monotonic clock stops too. */
  pause(ms: number, how: 'stopped' | 'suspended'): void;
  /** Somebody sets its wall clock back. */
  setBack(ms: number): void;
  /** Nothing of it runs any more. */
  end(): void;
}

/** Virtual time, and what happens in it. What is due at the same time happens in random order. */
export interface Simulator {
  /** The true time, ms. */
  nowMs(): number;
  /** Something that happens outside of all hosts, and settles no promise of theirs. */
  after(delayMs: number, run: () => void): void;
  host(): Host;
  /** Lets everything happen up to a time. Timers of the code under test belong to the host that set them. */
  run(untilMs: number): Promise<void>;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly host: (Host & { readonly runsFromMs: () => number }) | undefined;
  readonly run: () => unknown;
  cancelled: boolean;
}

/** More than any chain of promises in the code under test is long; a turn of the event loop would take far longer. */
const CHAIN_MAX = 40;
const settled = Promise.resolve();

export function createSimulator(random: Random): Simulator {
  const events: Event[] = [];
  let nowMs = 0;
  let current: Event['host'];

  function add(delayMs: number, host: Event['host'], run: () => unknown): Event {
    const event: Event = {
      atMs: nowMs + Math.max(0, delayMs),
      order: random.next(),
      host,
      run,
      cancelled: false,
    };
    let at = events.length;
    // The soonest stands last.
    while (at > 0 && isBefore(events[at - 1], event)) at -= 1;
    events.splice(at, 0, event);
    return event;
  }

  function isBefore(one: Event | undefined, other: Event): boolean {
    if (one === undefined) return false;
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
  }

  function createHost(): Host {
    let pausedUntilMs = 0;
    let suspendedMs = 0;
    let setBackMs = 0;
    let ended = false;
    const host = {
      clock: {
        nowMs: () => Date.UTC(2030, 0, 1) + nowMs - setBackMs,
        // All that is suspended is suspended from the pause's first moment on; nobody looks in between.
        monotonicMs: () => 1000 + nowMs - suspendedMs,
      },
      runsFromMs: () => (ended ? Infinity : pausedUntilMs),
      after(delayMs: number, run: () => void) {
        const event = add(delayMs, host, run);
        return () => void (event.cancelled = true);
      },
      pause(ms: number, how: 'stopped' | 'suspended') {
        const untilMs = Math.max(pausedUntilMs, nowMs + ms);
        if (how === 'suspended') suspendedMs += untilMs - Math.max(pausedUntilMs, nowMs);
        pausedUntilMs = untilMs;
      },
      setBack: (ms: number) => void (setBackMs += ms),
      end: () => void (ended = true),
    };
    return host;
  }

  /** Lets an event happen. @returns whether more may follow from it, by promises */
  function take(event: Event): boolean {
    nowMs = event.atMs;
    if (event.cancelled) return false;
    if (event.host === undefined) {
      event.run();
      return false;
    }
    const waitMs = event.host.runsFromMs() - nowMs;
    if (waitMs > 0) {
      if (waitMs < Infinity) add(waitMs, event.host, () => event.cancelled || event.run());
      return false;
    }
    current = event.host;
    event.run();
    return true;
  }

  return {
    nowMs: () => nowMs,
    after: (delayMs, run) => void add(delayMs, undefined, run),
    host: createHost,
    async run(untilMs) {
      vi.stubGlobal('setTimeout', (run: () => void, delayMs: number) => {
        if (current === undefined) throw new Error('a timer was set outside of all hosts');
        return current.after(delayMs, run);
      });
      vi.stubGlobal('clearTimeout', (cancel: (() => void) | undefined) => cancel?.());
      try {
        for (let event = events.pop(); event !== undefined && event.atMs <= untilMs; event = events.pop()) {
          if (!take(event)) continue;
          // All that follows happens at the same time, on the same host.
          for (let link = 0; link < CHAIN_MAX; link += 1) await settled;
          current = undefined;
        }
      } finally {
        vi.unstubAllGlobals();
      }
    },
  };
}
