import { HealthCheckResponse_ServingStatus as ServingStatus } from '../../proto/gen/grpc/health/v1/health.ts';
import { createConnection } from './transport/connection.ts';
import { createKeys, type Keys } from './keys.ts';
import { createKeyspaces, type Keyspaces } from './keyspaces.ts';
import { createLimits, type Limits } from './limits.ts';
import { createOwners, type Owners } from './owners.ts';
import { createPolicies, type Policies } from './policies.ts';
import { createReplicas, type Replicas } from './replicas.ts';
import { resolveOptions, type LatchkeyOptions } from './options.ts';
import type { CallOptions } from './types/call.ts';
import { createVerify, type Verify } from './verify.ts';

/** A client of Latchkey. One is enough for a process: it holds one connection, which all calls share. */
export interface Latchkey extends Verify {
  /** The lifecycle of keys. */
  readonly keys: Keys;
  /** Sets of keys with a wall around them. */
  readonly keyspaces: Keyspaces;
  /** Named bundles of rules that keys refer to. */
  readonly policies: Policies;
  /** What keys belong to. */
  readonly owners: Owners;
  /** Limits in use: what is left of them, credits, and numbers for a time. */
  readonly limits: Limits;
  /** The server processes that share one database. */
  readonly replicas: Replicas;
  /**
   * Whether the replica at the other end may answer: NOT_SERVING while it has lost its database or shuts down. Needs no
   * scope. Rejected with a LatchkeyError if there is no answer at all.
   */
  health(options?: CallOptions): Promise<'SERVING' | 'NOT_SERVING'>;
  /** Closes the connection once the calls under way are over; new ones fail with the reason CLIENT_CLOSED. */
  close(): void;
  /** The same as `close`, for `using`. */
  [Symbol.dispose](): void;
}

/**
 * Makes a client. It connects with the first call, and again by itself whenever the connection is lost.
 *
 * @throws LatchkeyError INVALID_ARGUMENT, reason INVALID_OPTION, naming every option that is out of its bounds
 */
export function createLatchkey(options: LatchkeyOptions): Latchkey {
  const resolved = resolveOptions(options);
  const connection = createConnection(resolved);
  return {
    ...createVerify(connection, resolved.verifyDeadlineMs),
    keys: createKeys(connection),
    keyspaces: createKeyspaces(connection),
    policies: createPolicies(connection),
    owners: createOwners(connection),
    limits: createLimits(connection),
    replicas: createReplicas(connection),
    async health(callOptions = {}) {
      const { status } = await connection.call(connection.health.check, {}, callOptions);
      return status === ServingStatus.SERVING ? 'SERVING' : 'NOT_SERVING';
    },
    close: connection.close,
    [Symbol.dispose]: connection.close,
  };
}
