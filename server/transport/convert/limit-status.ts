import type { LiveLimit } from '../../../core/limit.ts';
import type { Duration } from '../../../proto/gen/google/protobuf/duration.ts';
import {
  LimitScope as LimitScopeCode,
  type LimitStatus,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import type { LimitState } from '../../verification/budgets.ts';
import { toDuration } from './times.ts';

const SCOPE_CODES: Readonly<Record<LiveLimit['scope'], LimitScopeCode>> = {
  KEY: LimitScopeCode.LIMIT_SCOPE_KEY,
  OWNER: LimitScopeCode.LIMIT_SCOPE_OWNER,
};

/** The state of a limit as it is told: made of what it says when somebody reads it, as most are only encoded. */
export class LimitStatusOfState implements LimitStatus {
  readonly state: LimitState;

  constructor(state: LimitState) {
    this.state = state;
  }

  get name(): string {
    return this.state.limit.name;
  }
  get limit(): bigint {
    return BigInt(this.state.max);
  }
  get remaining(): bigint {
    return BigInt(this.state.remaining);
  }
  get resetTime(): Date | undefined {
    const { resetTimeMs } = this.state;
    return resetTimeMs === undefined ? undefined : new Date(Math.ceil(resetTimeMs));
  }
  get scope(): LimitScopeCode {
    return SCOPE_CODES[this.state.limit.scope];
  }
  get refused(): boolean {
    return this.state.refused;
  }
  get window(): Duration | undefined {
    const { rule } = this.state.limit;
    return rule.kind === 'RATE' ? toDuration(rule.windowMs) : undefined;
  }
}
