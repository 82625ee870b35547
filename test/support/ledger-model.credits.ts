import type { CreditRefill } from '../../core/limit.ts';

const DAY_MS = 86_400_000;

/** The midnights (UTC) after one time and up to another at which a rule refills: every day is looked at. */
export function refillsBetween(rule: CreditRefill, afterMs: number, untilMs: number): readonly number[] {
  const found: number[] = [];
  for (let ms = (Math.floor(afterMs / DAY_MS) + 1) * DAY_MS; ms <= untilMs; ms += DAY_MS) {
    if (isRefillDay(rule, new Date(ms))) found.push(ms);
  }
  return found;
}

/** A balance after the refills of a time, one after the other. */
export function refilled(balance: number, rule: CreditRefill, afterMs: number, untilMs: number): number {
  return refillsBetween(rule, afterMs, untilMs).reduce(
    (sum) => Math.max(sum, Math.min(sum + rule.amount, rule.maxBalance ?? Infinity, 1e15)),
    balance,
  );
}

function isRefillDay({ interval, day }: CreditRefill, date: Date): boolean {
  if (interval === 'DAILY') return true;
  if (interval === 'WEEKLY') return date.getUTCDay() === day % 7;
  const tomorrow = new Date(date.getTime() + DAY_MS);
  const isLast = tomorrow.getUTCMonth() !== date.getUTCMonth();
  return date.getUTCDate() === day || (isLast && date.getUTCDate() < day);
}
