import { ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import { createServer, type CompatServiceDefinition, type ServiceImplementation } from 'nice-grpc';
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health';
import { KeyServiceDefinition } from '../../proto/gen/latchkey/v1/key_service.ts';
import { KeyspaceServiceDefinition } from '../../proto/gen/latchkey/v1/keyspace_service.ts';
import { LimitServiceDefinition } from '../../proto/gen/latchkey/v1/limit_service.ts';
import { OwnerServiceDefinition } from '../../proto/gen/latchkey/v1/owner_service.ts';
import { PolicyServiceDefinition } from '../../proto/gen/latchkey/v1/policy_service.ts';
import { ReplicaServiceDefinition } from '../../proto/gen/latchkey/v1/replica_service.ts';
import type { Ledger } from '../budgets/ports.ts';
import type { Authenticator } from '../callers/authenticator.ts';
import type { Coherence } from '../coherence/coherence.ts';
import type { ReplicaList } from '../coherence/replica-list.ts';
import type { Mutate } from '../lifecycle/mutation.ts';
import type { Repositories } from '../lifecycle/ports.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { CallMetrics } from '../telemetry/metrics.ts';
import type { UseRecorder } from '../usage/use-recorder.ts';
import type { Verifier } from '../verification/verifier.ts';
import { createBatchWay } from './batch-way.ts';
import { createKeyService } from './key-service.ts';
import { createKeyspaceService } from './keyspace-service.ts';
import { createLimitService } from './limit-service.ts';
import { withMiddleware, type CallerContext } from './middleware.ts';
import { createOwnerService } from './owner-service.ts';
import { createPolicyService } from './policy-service.ts';
import { addReflection } from './reflection.ts';
import { createReplicaService } from './replica-service.ts';
import { requireAccessRules, RPC_ACCESS, type ServiceMethods } from './rpc-access.ts';
import { VerifyServiceCodec } from './verify-codec.ts';
import { createVerifyLane } from './verify-lane.ts';
import { createVerifyService } from './verify-service.ts';
import { createVerifyWay } from './verify-way.ts';

/** Files of a server that speaks TLS, as PEM. */
export interface TlsFiles {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  /** If given, clients must show a certificate that it signed (mTLS). */
  readonly clientCa: Buffer | undefined;
}

/** Bounds that protect the server from its clients. */
export interface TransportLimits {
  readonly maxMessageBytes: number;
  readonly maxMetadataBytes: number;
  /** Calls at a time on one connection. */
  readonly maxConcurrentStreams: number;
  readonly connectionIdleMs: number;
  readonly connectionAgeMs: number;
  readonly connectionAgeGraceMs: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** The gRPC side of the process. */
export interface Transport {
  /** Binds and serves; returns the port. @throws Error if the address cannot be bound */
  listen(address: string): Promise<number>;
  /** What health says from now on. */
  setServing(serving: boolean): void;
  /** Takes no new calls and waits for those under way; after `graceMs` it cuts them off. */
  drain(graceMs: number): Promise<void>;
}

export function createTransport(options: {
  readonly verifier: Verifier;
  readonly authenticator: Authenticator;
  readonly uses: Pick<UseRecorder, 'note'>;
  readonly store: Repositories;
  readonly ledger: Ledger;
  readonly mutate: Mutate;
  readonly coherence: Coherence;
  readonly replicas: ReplicaList;
  readonly clock: Clock;
  readonly metrics: CallMetrics;
  readonly logger: Logger;
  readonly limits: TransportLimits;
  readonly tls: TlsFiles | undefined;
  readonly reflection: boolean;
}): Transport {
  const {
    authenticator,
    clock,
    coherence,
    ledger,
    logger,
    limits,
    metrics,
    mutate,
    store,
    tls,
    uses,
    verifier,
  } = options;
  const access = RPC_ACCESS;
  const { maxMetadataBytes } = limits;
  const way = createVerifyWay({ verifier, coherence, metrics, uses });
  const batchWay = createBatchWay({ way, logger });

  const serverOptions: ServerOptions = {
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    'grpc.max_concurrent_streams': limits.maxConcurrentStreams,
    'grpc.max_connection_idle_ms': limits.connectionIdleMs,
    'grpc.max_connection_age_ms': limits.connectionAgeMs,
    'grpc.max_connection_age_grace_ms': limits.connectionAgeGraceMs,
    'grpc.keepalive_time_ms': limits.keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    interceptors: [createVerifyLane({ way, batchWay, authenticator, access, maxMetadataBytes, logger })],
  };
  const server = withMiddleware(createServer(serverOptions), {
    authenticator,
    access,
    maxMetadataBytes,
    metrics,
    logger,
  });

  /** Adds a service, if every method of it says who may call it. */
  function add<Service extends ServiceMethods & CompatServiceDefinition>(
    definition: Service,
    implementation: ServiceImplementation<Service, CallerContext>,
  ): string {
    requireAccessRules(definition, access);
    server.add(definition, implementation);
    return definition.fullName;
  }

  const health = HealthState();
  health.setStatus('unhealthy');
  const services = [
    add(VerifyServiceCodec, createVerifyService({ way, batchWay })),
    add(KeyServiceDefinition, createKeyService({ store, mutate, nowMs: clock.nowMs })),
    add(KeyspaceServiceDefinition, createKeyspaceService({ store, mutate })),
    add(PolicyServiceDefinition, createPolicyService({ store, mutate })),
    add(ReplicaServiceDefinition, createReplicaService({ replicas: options.replicas })),
    add(OwnerServiceDefinition, createOwnerService({ store, mutate, nowMs: clock.nowMs })),
    add(LimitServiceDefinition, createLimitService({ store, ledger, mutate, nowMs: clock.nowMs })),
  ];
  add(HealthDefinition, HealthServiceImpl(health));
  if (options.reflection) addReflection(server, [...services, HealthDefinition.fullName]);

  return {
    listen: (address) => server.listen(address, credentialsOf(tls)),
    setServing(serving) {
      for (const name of ['', ...services]) health.setStatus(serving ? 'healthy' : 'unhealthy', name);
    },
    async drain(graceMs) {
      let timer: NodeJS.Timeout | undefined;
      const bound = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          server.forceShutdown();
          resolve();
        }, graceMs);
      });
      await Promise.race([server.shutdown(), bound]);
      clearTimeout(timer);
    },
  };
}

function credentialsOf(tls: TlsFiles | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const { certificate, privateKey, clientCa } = tls;
  const pair = { cert_chain: certificate, private_key: privateKey };
  return ServerCredentials.createSsl(clientCa ?? null, [pair], clientCa !== undefined);
}
