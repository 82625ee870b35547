/** Random choices that a seed repeats. */
export interface Random {
  /** From 0 up to 1. */
  next(): number;
  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number;
  pick<T>(values: readonly T[]): T | undefined;
  /** Up to `count` of them, each at most once. */
  sample<T>(values: readonly T[], count: number): readonly T[];
}

/** Mulberry32: small, and good enough to choose faults with. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  return {
    next,
    between: (min, max) => min + Math.floor(next() * (max - min + 1)),
    pick: (values) => values[Math.floor(next() * values.length)],
    sample(values, count) {
      const rest = [...values];
      const taken: (typeof values)[number][] = [];
      while (taken.length < count && rest.length > 0) {
        const at = Math.floor(next() * rest.length);
        const [one] = rest.splice(at, 1);
        if (one !== undefined) taken.push(one);
      }
      return taken;
    },
  };
}
