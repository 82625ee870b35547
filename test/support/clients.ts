import { createChannel, createClient, Metadata, type Client } from 'nice-grpc';
import { HealthDefinition } from '../../proto/gen/grpc/health/v1/health.ts';
import { KeyServiceDefinition } from '../../proto/gen/latchkey/v1/key_service.ts';
import { KeyspaceServiceDefinition } from '../../proto/gen/latchkey/v1/keyspace_service.ts';
import { LimitServiceDefinition } from '../../proto/gen/latchkey/v1/limit_service.ts';
import { OwnerServiceDefinition } from '../../proto/gen/latchkey/v1/owner_service.ts';
import { PolicyServiceDefinition } from '../../proto/gen/latchkey/v1/policy_service.ts';
import { ReplicaServiceDefinition } from '../../proto/gen/latchkey/v1/replica_service.ts';
import { VerifyServiceDefinition } from '../../proto/gen/latchkey/v1/verify_service.ts';

/** Plain clients of the contract: what they send and get is what is on the wire. No retries, no deadline. */
export interface Clients {
  readonly verify: Client<VerifyServiceDefinition>;
  readonly keys: Client<KeyServiceDefinition>;
  readonly keyspaces: Client<KeyspaceServiceDefinition>;
  readonly policies: Client<PolicyServiceDefinition>;
  readonly replicas: Client<ReplicaServiceDefinition>;
  readonly owners: Client<OwnerServiceDefinition>;
  readonly limits: Client<LimitServiceDefinition>;
  readonly health: Client<HealthDefinition>;
  close(): void;
}

/** @param options.token the root token to send; undefined: none */
export function createClients(options: {
  /** `host:port`, plain text. */
  readonly address: string;
  readonly token: string | undefined;
}): Clients {
  const channel = createChannel(options.address, undefined, {
    // Each its own connection, so that closing one client closes nobody else's.
    'grpc.use_local_subchannel_pool': 1,
    // A test that restarts a server does not want to wait for a second.
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 200,
  });
  const metadata = new Metadata();
  if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`);
  const everyCall = { '*': { metadata } };
  return {
    verify: createClient(VerifyServiceDefinition, channel, everyCall),
    keys: createClient(KeyServiceDefinition, channel, everyCall),
    keyspaces: createClient(KeyspaceServiceDefinition, channel, everyCall),
    policies: createClient(PolicyServiceDefinition, channel, everyCall),
    replicas: createClient(ReplicaServiceDefinition, channel, everyCall),
    owners: createClient(OwnerServiceDefinition, channel, everyCall),
    limits: createClient(LimitServiceDefinition, channel, everyCall),
    health: createClient(HealthDefinition, channel, everyCall),
    close: () => channel.close(),
  };
}
