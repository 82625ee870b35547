import type { Duration } from '../../../proto/gen/google/protobuf/duration.ts';
import { invalidArgument, unexpectedResponse } from '../errors.ts';

/** A Duration of a span in ms. @throws LatchkeyError INVALID_FIELD if it is no number */
export function toDuration(name: string, spanMs: number | null | undefined): Duration | undefined {
  if (spanMs === undefined || spanMs === null) return undefined;
  if (!Number.isSafeInteger(Math.trunc(spanMs))) {
    throw invalidArgument('INVALID_FIELD', [
      { field: name, description: 'must be a number of milliseconds' },
    ]);
  }
  const seconds = Math.trunc(spanMs / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((spanMs - seconds * 1000) * 1e6) };
}

/** A time to send. @throws LatchkeyError INVALID_FIELD if it is no time */
export function toTime(name: string, time: Date | null | undefined): Date | undefined {
  if (time === undefined || time === null) return undefined;
  if (Number.isNaN(time.getTime())) {
    throw invalidArgument('INVALID_FIELD', [{ field: name, description: 'is an invalid Date' }]);
  }
  return time;
}

/** A time that every answer has. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function requiredTime(name: string, time: Date | undefined): Date {
  if (time === undefined) throw unexpectedResponse(`no ${name}`);
  return time;
}
