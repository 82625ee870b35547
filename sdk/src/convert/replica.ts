import type { Replica as ReplicaMessage } from '../../../proto/gen/latchkey/v1/replica_service.ts';
import type { Replica } from '../types/replica.ts';
import { fromDuration } from './from-duration.ts';
import { requiredTime } from './times.ts';

/** @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromReplica(message: ReplicaMessage): Replica {
  const { id, version, startTime, lag, leaseValid, leaseLeft, self } = message;
  return {
    id,
    version,
    startTime: requiredTime('start_time', startTime),
    lag: Number(lag),
    leaseValid,
    leaseLeftMs: leaseLeft === undefined ? null : fromDuration(leaseLeft),
    self,
  };
}
