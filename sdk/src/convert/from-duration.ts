import type { Duration } from '../../../proto/gen/google/protobuf/duration.ts';

/** A span in ms; undefined stands for 0. */
export function fromDuration(span: Duration | undefined): number {
  return span === undefined ? 0 : Number(span.seconds) * 1000 + span.nanos / 1e6;
}
