/** How long calls took. */
export interface Timing {
  /** From the first to the last, s. */
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Runs `act` on each item, `inFlight` at a time, each as soon as one before it has ended. */
export async function runInFlight<T>(
  items: readonly T[],
  inFlight: number,
  act: (item: T) => Promise<void>,
): Promise<Timing> {
  const latenciesUs: number[] = [];
  const rest = items[Symbol.iterator]();
  async function worker(): Promise<void> {
    for (const item of rest) {
      const startMs = performance.now();
      await act(item);
      latenciesUs.push((performance.now() - startMs) * 1000);
    }
  }
  const startMs = performance.now();
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { seconds: (performance.now() - startMs) / 1000, ...percentiles(latenciesUs) };
}

/** The median and the 99th percentile (nearest rank). */
export function percentiles(latenciesUs: readonly number[]): {
  readonly p50Us: number;
  readonly p99Us: number;
} {
  const sorted = Float64Array.from(latenciesUs).toSorted();
  return { p50Us: atRank(sorted, 0.5), p99Us: atRank(sorted, 0.99) };
}

/** The value that this share of all values is no greater than (nearest rank); of none: NaN. */
export function percentile(values: readonly number[], share: number): number {
  return atRank(Float64Array.from(values).toSorted(), share);
}

function atRank(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}
