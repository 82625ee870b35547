import type { ServiceImplementation } from 'nice-grpc';
import { Fault } from '../../core/fault.ts';
import { formatRevision } from '../../core/revision.ts';
import type { ReplicaServiceDefinition } from '../../proto/gen/latchkey/v1/replica_service.ts';
import type { ReplicaList } from '../coherence/replica-list.ts';
import { toDuration, toTimestamp } from './convert/times.ts';
import type { CallerContext } from './middleware.ts';

/** ReplicaService, for operators. */
export function createReplicaService(options: {
  readonly replicas: ReplicaList;
}): ServiceImplementation<ReplicaServiceDefinition, CallerContext> {
  return {
    async listReplicas(_request, { caller }) {
      if (caller.confinedTo !== undefined) {
        throw new Fault(
          'CALLER_KEYSPACE_NOT_ALLOWED',
          'only a root key with access to all keyspaces can see the replicas',
        );
      }
      const { head, replicas } = await options.replicas.read();
      return {
        revision: formatRevision(head),
        replicas: replicas.map(({ id, version, startTimeMs, lag, leaseLeftMs, self }) => ({
          id,
          version,
          startTime: toTimestamp(startTimeMs),
          lag: BigInt(lag),
          leaseValid: leaseLeftMs === null || leaseLeftMs > 0,
          leaseLeft: toDuration(leaseLeftMs),
          self,
        })),
      };
    },
  };
}
