/** Something that was admitted, at some moment between two that are known. All times are of one monotonic clock, ms. */
export interface Admission {
  /** Before it was asked for. */
  readonly sentMs: number;
  /** After it was answered. */
  readonly answeredMs: number;
  /** How much it took. */
  readonly cost: number;
}

/** An interval, and what was surely admitted in it. */
export interface Interval {
  readonly fromMs: number;
  readonly cost: number;
}

/**
 * The interval of a length in which most was admitted, counting only what was both asked for and answered in it: what it
 * holds, it held, so one that holds too much is a proof. Exact: of the intervals that hold the same admissions one begins
 * where one of them was sent, and each of those is looked at.
 */
export function worstInterval(admissions: readonly Admission[], lengthMs: number): Interval {
  const bySent = admissions.toSorted((one, other) => one.sentMs - other.sentMs);
  const byAnswered = admissions.toSorted((one, other) => one.answeredMs - other.answeredMs);
  let worst: Interval = { fromMs: bySent[0]?.sentMs ?? 0, cost: 0 };
  let cost = 0;
  let [entering, leaving] = [0, 0];
  const inside = new Set<Admission>();
  for (const { sentMs: fromMs } of bySent) {
    for (let next = byAnswered[entering]; next !== undefined && next.answeredMs < fromMs + lengthMs;) {
      if (next.sentMs >= fromMs) {
        inside.add(next);
        cost += next.cost;
      }
      next = byAnswered[(entering += 1)];
    }
    for (let next = bySent[leaving]; next !== undefined && next.sentMs < fromMs;) {
      if (inside.delete(next)) cost -= next.cost;
      next = bySent[(leaving += 1)];
    }
    if (cost > worst.cost) worst = { fromMs, cost };
  }
  return worst;
}

/** The same as if each were admitted when it was answered: no proof of anything, but an upper neighbour of the truth. */
export function worstByAnswer(admissions: readonly Admission[], lengthMs: number): number {
  return worstInterval(
    admissions.map(({ answeredMs, cost }) => ({ sentMs: answeredMs, answeredMs, cost })),
    lengthMs,
  ).cost;
}
