import { ServerCredentials } from '@grpc/grpc-js';
import {
  createServer,
  ServerError,
  Status as StatusCode,
  type CallContext,
  type ServiceImplementation,
} from 'nice-grpc';
import { createLatchkey, type Latchkey, type LatchkeyOptions } from '../../../sdk/src/index.ts';
import type { Any } from '../../../proto/gen/google/protobuf/any.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../../proto/gen/google/rpc/status.ts';
import {
  HealthDefinition,
  type HealthServiceImplementation,
} from '../../../proto/gen/grpc/health/v1/health.ts';
import { Key, KeyState } from '../../../proto/gen/latchkey/v1/key.ts';
import {
  KeyServiceDefinition,
  type KeyServiceImplementation,
} from '../../../proto/gen/latchkey/v1/key_service.ts';
import {
  Keyspace,
  KeyspaceServiceDefinition,
  type KeyspaceServiceImplementation,
} from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import {
  LimitServiceDefinition,
  type LimitServiceImplementation,
} from '../../../proto/gen/latchkey/v1/limit_service.ts';
import {
  Owner,
  OwnerServiceDefinition,
  type OwnerServiceImplementation,
} from '../../../proto/gen/latchkey/v1/owner_service.ts';
import {
  Policy,
  PolicyServiceDefinition,
  type PolicyServiceImplementation,
} from '../../../proto/gen/latchkey/v1/policy_service.ts';
import {
  VerifyServiceDefinition,
  type VerifyServiceImplementation,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';

/** A token that must appear nowhere but in the metadata of calls. */
export const CANARY = 'latchkey_CANARY0000000000000000000000000000000000000000000000000';

/** What a fake Latchkey answers; RPCs that are left out are UNIMPLEMENTED. */
export type Answers = Partial<
  VerifyServiceImplementation &
    KeyServiceImplementation &
    KeyspaceServiceImplementation &
    PolicyServiceImplementation &
    OwnerServiceImplementation &
    LimitServiceImplementation &
    HealthServiceImplementation
>;

/** A gRPC server that answers as it is told, with a client of the SDK. */
export interface FakeLatchkey {
  readonly client: Latchkey;
  readonly port: number;
  /** Ends the server as a crash does; the client stays. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

export async function startFakeLatchkey(
  answers: Answers,
  options: Partial<LatchkeyOptions> & {
    readonly port?: number;
    readonly credentials?: ServerCredentials;
  } = {},
): Promise<FakeLatchkey> {
  const {
    port: wantedPort = 0,
    credentials = ServerCredentials.createInsecure(),
    ...clientOptions
  } = options;
  const server = createServer();
  const missing = new Proxy(answers, {
    get: (target, name) =>
      Reflect.get(target, name) ??
      (() => Promise.reject(new ServerError(StatusCode.UNIMPLEMENTED, `no answer for ${String(name)}`))),
  });
  server.add(VerifyServiceDefinition, missing as ServiceImplementation<VerifyServiceDefinition>);
  server.add(KeyServiceDefinition, missing as ServiceImplementation<KeyServiceDefinition>);
  server.add(KeyspaceServiceDefinition, missing as ServiceImplementation<KeyspaceServiceDefinition>);
  server.add(PolicyServiceDefinition, missing as ServiceImplementation<PolicyServiceDefinition>);
  server.add(OwnerServiceDefinition, missing as ServiceImplementation<OwnerServiceDefinition>);
  server.add(LimitServiceDefinition, missing as ServiceImplementation<LimitServiceDefinition>);
  server.add(HealthDefinition, missing as ServiceImplementation<HealthDefinition>);
  const port = await server.listen(`127.0.0.1:${wantedPort}`, credentials);
  // A certificate is for a name; in plaintext the address will do.
  const host = clientOptions.tls === undefined || clientOptions.tls === false ? '127.0.0.1' : 'localhost';
  const client = createLatchkey({
    address: `${host}:${port}`,
    token: CANARY,
    tls: false,
    ...clientOptions,
  });
  async function crash(): Promise<void> {
    server.forceShutdown();
    await server.shutdown();
  }
  return {
    client,
    port,
    crash,
    async stop() {
      client.close();
      await crash();
    },
  };
}

/** The details of a fault, as Latchkey sends them. */
export interface FaultDetails {
  readonly reason: string;
  readonly metadata?: Record<string, string>;
  readonly violations?: { readonly field: string; readonly description: string }[];
  readonly retryAfterMs?: number;
}

/** Fails a call as Latchkey does: with the whole status in the trailer. */
export function fail(context: CallContext, code: StatusCode, message: string, details: FaultDetails): never {
  const status = statusMessage(code, message, details);
  context.trailer.set('grpc-status-details-bin', Status.encode(status).finish());
  throw new ServerError(code, message);
}

/** The status that stands for a fault. */
export function statusMessage(code: StatusCode, message: string, details: FaultDetails): Status {
  const { reason, metadata = {}, violations, retryAfterMs } = details;
  return {
    code,
    message,
    details: [
      pack(
        'ErrorInfo',
        ErrorInfo.encode({
          reason,
          domain: 'latchkey',
          metadata: new Map(Object.entries(metadata)),
        }).finish(),
      ),
      ...(violations === undefined
        ? []
        : [pack('BadRequest', BadRequest.encode({ fieldViolations: violations }).finish())]),
      ...(retryAfterMs === undefined
        ? []
        : [
            pack(
              'RetryInfo',
              RetryInfo.encode({
                retryDelay: {
                  seconds: BigInt(Math.trunc(retryAfterMs / 1000)),
                  nanos: (retryAfterMs % 1000) * 1e6,
                },
              }).finish(),
            ),
          ]),
    ],
  };
}

function pack(name: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${name}`, value: Buffer.from(value) };
}

const CREATE_TIME = new Date('2026-01-02T03:04:05.678Z');

/** A key as the server tells of it. */
export function keyMessage(values: Parameters<typeof Key.fromPartial>[0] = {}): Key {
  return Key.fromPartial({
    id: 'key_0000000000000000',
    keyspaceId: 'ks_0000000000000000',
    state: KeyState.KEY_STATE_ACTIVE,
    createTime: CREATE_TIME,
    updateTime: CREATE_TIME,
    etag: '1',
    ...values,
  });
}

/** A keyspace as the server tells of it. */
export function keyspaceMessage(values: Parameters<typeof Keyspace.fromPartial>[0] = {}): Keyspace {
  return Keyspace.fromPartial({
    id: 'ks_0000000000000000',
    slug: 'orders',
    tokenPrefix: 'ord',
    createTime: CREATE_TIME,
    updateTime: CREATE_TIME,
    etag: '1',
    ...values,
  });
}

/** A policy as the server tells of it. */
export function policyMessage(values: Parameters<typeof Policy.fromPartial>[0] = {}): Policy {
  return Policy.fromPartial({
    id: 'pol_0000000000000000',
    keyspaceId: 'ks_0000000000000000',
    displayName: 'partner',
    createTime: CREATE_TIME,
    updateTime: CREATE_TIME,
    etag: '1',
    ...values,
  });
}

/** An owner as the server tells of it. */
export function ownerMessage(values: Parameters<typeof Owner.fromPartial>[0] = {}): Owner {
  return Owner.fromPartial({
    keyspaceId: 'ks_0000000000000000',
    id: 'acme',
    createTime: CREATE_TIME,
    updateTime: CREATE_TIME,
    etag: '1',
    ...values,
  });
}
