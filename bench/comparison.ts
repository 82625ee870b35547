/** What was measured in one round. */
export interface Sample {
  readonly ours: number;
  /** What it is compared with, measured right before or after. */
  readonly theirs?: number;
}

/** One line of the report. */
export interface Row {
  /** What is measured, and its unit. */
  readonly label: string;
  /** One a round, or one a call. */
  readonly samples: readonly Sample[];
  /** What is shown of the samples; default: the median. */
  readonly shown?: 'p99' | 'max';
  /** The bound of the ratio of ours to theirs. */
  readonly ratioMax?: number;
  /** The bound of what is shown of ours. */
  readonly oursMax?: number;
}

/** Lines about the same work. */
export interface Comparison {
  readonly title: string;
  /** What stands beside ours. */
  readonly beside?: string;
  readonly rows: readonly Row[];
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? NaN) + (sorted[Math.floor(half)] ?? NaN)) / 2;
}
