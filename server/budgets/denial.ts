/** That the ledger has not had what was needed; so that those who come next are refused without asking it again. */
export interface Denial {
  /**
   * When it is worth asking for so many, ms from now; Infinity: never; undefined: at once.
   * @param sinceMs what was learned of a call that was sent after this is believed whatever time it is by now
   */
  ofMs(need: number, nowMs: number, sinceMs?: number): number | undefined;
  /** Whether anything is known. */
  isKnown(): boolean;
  /** So many were not there, and will be after a time; null: never. */
  learn(need: number, sentMs: number, retryMs: number | null): void;
  /** Something was there. */
  forgive(): void;
}

/** A denial is believed for so long at most, ms, and twice as long each time that it is repeated: others may give back. */
const BELIEF_MS = 1000;
const BELIEF_MAX_MS = 16_000;

export function createDenial(): Denial {
  let denied = Infinity;
  let untilMs = 0;
  let learnedMs = -Infinity;
  let retryAtMs = 0;
  let beliefMs = BELIEF_MS;
  return {
    ofMs(need, nowMs, sinceMs = Infinity) {
      if (need < denied || (nowMs >= untilMs && learnedMs < sinceMs)) return undefined;
      return Math.max(1, retryAtMs - nowMs);
    },
    isKnown: () => denied !== Infinity,
    learn(need, sentMs, retryMs) {
      denied = need;
      learnedMs = sentMs;
      retryAtMs = sentMs + (retryMs ?? Infinity);
      untilMs = Math.min(retryAtMs, sentMs + beliefMs);
      beliefMs = Math.min(2 * beliefMs, BELIEF_MAX_MS);
    },
    forgive() {
      denied = Infinity;
      beliefMs = BELIEF_MS;
    },
  };
}
