import type { Propagation } from '../../../proto/gen/latchkey/v1/key.ts';
import type { Mutated } from '../../lifecycle/mutation.ts';
import { toTimestamp } from './times.ts';

/** When a change is effective everywhere, and how far it had come by the answer. */
export function toEffect({ effectiveTimeMs, propagation }: Mutated<object>): {
  readonly effectiveTime: Date | undefined;
  readonly propagation: Propagation | undefined;
} {
  return {
    effectiveTime: toTimestamp(effectiveTimeMs),
    propagation: propagation === undefined ? undefined : { ...propagation },
  };
}
