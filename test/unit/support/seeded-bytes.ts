import type { RandomBytes } from '../../../core/base62.ts';

/** Reproducible bytes of good quality: SplitMix32, one byte a step. Not for secrets. */
export function seededBytes(seed: number): RandomBytes {
  let state = seed >>> 0;
  return (size) =>
    Uint8Array.from({ length: size }, () => {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) >>> 24;
    });
}
