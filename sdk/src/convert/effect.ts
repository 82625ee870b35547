import type { Propagation as PropagationMessage } from '../../../proto/gen/latchkey/v1/key.ts';
import type { ValidateOptions } from '../types/call.ts';
import type { Propagated } from '../types/propagation.ts';
import { requiredTime } from './times.ts';

/** What answers of changes that may take access away have in common. */
interface Answer {
  readonly effectiveTime: Date | undefined;
  readonly propagation: PropagationMessage | undefined;
}

/** When a change is effective everywhere, and how far it had come. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromEffect(answer: Answer): Propagated & { readonly effectiveTime: Date } {
  return {
    effectiveTime: requiredTime('effective_time', answer.effectiveTime),
    ...fromPropagation(answer.propagation),
  };
}

/** The same of a change that could also be only looked at; then there is no time. */
export function fromEffectIfAny(
  answer: Answer,
  { validateOnly = false }: ValidateOptions,
): Propagated & { readonly effectiveTime: Date | null } {
  return validateOnly ? { effectiveTime: null } : fromEffect(answer);
}

function fromPropagation(message: PropagationMessage | undefined): Propagated {
  if (message === undefined) return {};
  const { replicas, confirmed } = message;
  return { propagation: { replicas, confirmed } };
}
