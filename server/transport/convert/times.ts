import type { Duration } from '../../../proto/gen/google/protobuf/duration.ts';

/** A Timestamp of a time in ms since 1970; null: absent. */
export function toTimestamp(timeMs: number | null): Date | undefined {
  return timeMs === null ? undefined : new Date(timeMs);
}

/** A Duration of a span in ms; null: absent. */
export function toDuration(spanMs: number | null): Duration | undefined {
  if (spanMs === null) return undefined;
  const seconds = Math.trunc(spanMs / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((spanMs - seconds * 1000) * 1e6) };
}
