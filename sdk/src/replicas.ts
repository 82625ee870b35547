import { fromReplica } from './convert/replica.ts';
import type { Connection } from './transport/connection.ts';
import type { CallOptions } from './types/call.ts';
import type { ReplicaList } from './types/replica.ts';

/** The server processes that share one database, for operators. Every method is rejected with a LatchkeyError. */
export interface Replicas {
  /**
   * Lists the replicas that were alive in the last day. On the embedded database there is one. Scope `config:read`;
   * PERMISSION_DENIED, reason CALLER_KEYSPACE_NOT_ALLOWED, for a root key that is confined to keyspaces.
   */
  list(options?: CallOptions): Promise<ReplicaList>;
}

/** @internal */
export function createReplicas({ replicas, call }: Connection): Replicas {
  return {
    async list(options = {}) {
      const answer = await call(replicas.listReplicas, {}, options);
      return { replicas: answer.replicas.map(fromReplica), revision: answer.revision };
    },
  };
}
