import { worstByAnswer, worstInterval, type Admission } from './worst-interval.ts';

/** A span of time in which no interval may hold more than a number. Of the monotonic clock, ms. */
interface Era {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly max: number;
}

/** What one rate limit admitted, held against the numbers that it had. */
export interface Counter {
  readonly windowMs: number;
  admit(admission: Admission): void;
  /** From a moment on no more than this may be admitted. */
  fell(max: number, atMs: number): void;
  /** From a moment on so much may be admitted. */
  rose(max: number, atMs: number): void;
  /** Everything that was admitted. */
  admissions(): readonly Admission[];
  /** What each era's worst interval says, the whole history first. */
  check(): readonly Finding[];
  /** See `worstByAnswer`, of the whole history. */
  worstByAnswer(): number;
}

/** The worst interval of an era. */
export interface Finding extends Era {
  readonly worst: number;
  /** When it began. */
  readonly worstFromMs: number;
}

/** @param max the number that the limit begins with */
export function createCounter({
  max,
  windowMs,
}: {
  readonly max: number;
  readonly windowMs: number;
}): Counter {
  const admissions: Admission[] = [];
  const turns: { readonly atMs: number; readonly max: number }[] = [];
  let highest = max;

  /** From each fall to the next time at which more may pass. */
  function eras(): readonly Era[] {
    const whole = { fromMs: -Infinity, untilMs: Infinity, max: highest };
    const falls = turns.map(({ atMs, max: most }, index) => ({
      fromMs: atMs,
      untilMs: turns.slice(index + 1).find((later) => later.max > most)?.atMs ?? Infinity,
      max: most,
    }));
    return [whole, ...falls.filter(({ fromMs, untilMs }) => untilMs - fromMs > 0)];
  }

  return {
    windowMs,
    admit: (admission) => void admissions.push(admission),
    fell: (most, atMs) => void turns.push({ atMs, max: most }),
    rose(most, atMs) {
      turns.push({ atMs, max: most });
      highest = Math.max(highest, most);
    },
    admissions: () => admissions,
    check: () =>
      eras().map((era) => {
        const within = admissions.filter(
          ({ sentMs, answeredMs }) => sentMs > era.fromMs && answeredMs < era.untilMs,
        );
        const { cost, fromMs } = worstInterval(within, windowMs);
        const { fromMs: eraFromMs, untilMs, max: most } = era;
        return { fromMs: eraFromMs, untilMs, max: most, worst: cost, worstFromMs: fromMs };
      }),
    worstByAnswer: () => worstByAnswer(admissions, windowMs),
  };
}
