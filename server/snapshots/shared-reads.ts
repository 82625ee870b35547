/** Reads that several verifications share. `Key`: what is read; `T`: what comes of it. */
export interface SharedReads<T> {
  /**
   * What is read of a key: by the read that is under way, if `mayJoin` says that it is as good as a new one; else by
   * one that begins now, or, so that many who come meanwhile do not read each by itself, when that one has ended.
   */
  read(key: string, mayJoin: boolean): Promise<T>;
  /** Keeps what the read of a key that is under way finds from being kept: it may be old. */
  overtake(key: string): void;
  /** The keys whose reads are under way and not overtaken. */
  keys(): Iterable<string>;
}

/** A read that is under way. */
interface Flight<T> {
  readonly promise: Promise<T>;
  readonly startedMs: number;
  /** The one after it. */
  next: Promise<T> | undefined;
}

export function createSharedReads<T>(options: {
  readonly read: (key: string) => Promise<T>;
  /** Takes what a read found that nothing has overtaken. */
  readonly keep: (key: string, found: T) => void;
  readonly monotonicMs: () => number;
  /** A read older than this is waited for by nobody who comes new, ms: its connection may be dead. */
  readonly stuckMs: number;
}): SharedReads<T> {
  const { read, keep, monotonicMs, stuckMs } = options;
  const flights = new Map<string, Flight<T>>();

  async function fly(key: string): Promise<T> {
    const flight: Flight<T> = { promise: read(key), startedMs: monotonicMs(), next: undefined };
    // One that is stuck is overtaken by this.
    flights.set(key, flight);
    try {
      const found = await flight.promise;
      if (flights.get(key) === flight) keep(key, found);
      return found;
    } finally {
      if (flights.get(key) === flight) flights.delete(key);
    }
  }

  return {
    read(key, mayJoin) {
      const running = flights.get(key);
      if (running === undefined || monotonicMs() - running.startedMs >= stuckMs) return fly(key);
      if (mayJoin) return running.promise;
      // Whatever is under way by then began after all who wait for it had come.
      const begin = async (): Promise<T> => flights.get(key)?.promise ?? fly(key);
      return (running.next ??= running.promise.then(begin, begin));
    },
    overtake: (key) => void flights.delete(key),
    keys: () => flights.keys(),
  };
}
