import { median, type Comparison, type Row } from './comparison.ts';
import { percentile } from './load/run-in-flight.ts';

/** What a run found. */
export interface Report {
  readonly title: string;
  /** How to read the numbers. */
  readonly note: string;
  readonly machine: string;
  readonly cores: string;
  readonly load: string;
  readonly database: string;
  readonly quick: boolean;
  readonly comparisons: readonly Comparison[];
}

const HEADINGS = ['', 'Latchkey', 'beside', 'ratio', 'min – max', 'target'] as const;

/** The report as a table for people. */
export function formatReport(report: Report): string {
  const lines = report.comparisons.flatMap(({ title, beside, rows }) => [
    ['', '', '', '', '', ''],
    [title, '', beside ?? '', '', '', ''],
    ...rows.map((row) => cells(row)),
  ]);
  const table = [[...HEADINGS], ...lines];
  const widths = HEADINGS.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  const text = table.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const { title, note, machine, cores, load, database, quick } = report;
  return [
    `${title}${quick ? ' (quick: for a look, not for a comparison)' : ''}`,
    machine,
    `${cores}; load by ${load}; ${database}`,
    note,
    ...text,
    '',
  ].join('\n');
}

/** The report for programs: every sample, and what the table shows of them. */
export function reportJson(report: Report): string {
  const comparisons = report.comparisons.map((comparison) => ({
    ...comparison,
    rows: comparison.rows.map((row) => ({ ...row, ...summary(row) })),
  }));
  return `${JSON.stringify({ ...report, comparisons }, null, 2)}\n`;
}

interface Summary {
  readonly ours: number;
  readonly theirs?: number;
  readonly ratio?: { readonly median: number; readonly min: number; readonly max: number };
  readonly met?: boolean;
}

function summary({ samples, shown, ratioMax, oursMax }: Row): Summary {
  const values = samples.map((sample) => sample.ours);
  const ours = shown === undefined ? median(values) : percentile(values, shown === 'p99' ? 0.99 : 1);
  const pairs = samples.flatMap(({ ours: our, theirs }) => (theirs === undefined ? [] : [{ our, theirs }]));
  if (pairs.length === 0) return { ours, ...(oursMax === undefined ? {} : { met: ours <= oursMax }) };
  const ratios = pairs.map(({ our, theirs }) => our / theirs);
  const ratio = { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
  return {
    ours,
    theirs: median(pairs.map(({ theirs }) => theirs)),
    ratio,
    ...(ratioMax === undefined ? {} : { met: ratio.median <= ratioMax }),
  };
}

function cells(row: Row): string[] {
  const { ours, theirs, ratio, met } = summary(row);
  const bound = row.ratioMax ?? row.oursMax;
  const target =
    bound === undefined ? '' : `≤ ${bound.toLocaleString('en')} ${met === true ? 'met' : 'MISSED'}`;
  return [
    `  ${row.label}`,
    format(ours),
    theirs === undefined ? '' : format(theirs),
    ratio === undefined ? '' : format(ratio.median),
    ratio === undefined ? '' : `${format(ratio.min)} – ${format(ratio.max)}`,
    target,
  ];
}

/** Three digits that count, more before the point. */
function format(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en', {
    minimumFractionDigits: Math.min(3, digits),
    maximumFractionDigits: Math.min(3, digits),
  });
}
