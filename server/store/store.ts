import type { Knex } from 'knex';
import type { LiveKey } from '../../core/snapshot.ts';
import type { Repositories, Store } from '../lifecycle/ports.ts';
import { createAuditLog } from './audit-log.ts';
import { createChangeLog } from './change-log.ts';
import { rerunCollided } from './collisions.ts';
import { createLedgerRepository } from './ledger-entries.ts';
import { faultOf } from './errors.ts';
import { createIdempotencyRepository } from './idempotency.ts';
import { createKeyRepository } from './keys.ts';
import { createKeyspaceRepository } from './keyspaces.ts';
import type { ReplicaStatus } from '../coherence/ports.ts';
import { createOwnerRepository } from './owners.ts';
import { createPolicyRepository } from './policies.ts';
import type { SecretUse } from '../usage/use-recorder.ts';
import { createLiveKeyReader } from './read-live-key.ts';
import { recordUses } from './uses.ts';
import { purgeReplicas, readReplicas } from './replicas.ts';

/** The store with the reads that verification needs. */
export interface KnexStore extends Store {
  /** See LiveKeyReader.read. @throws Fault DATABASE_UNAVAILABLE */
  readLiveKey(ref: string): Promise<LiveKey | undefined>;
  /** See LiveKeyReader.hasImports. @throws Fault DATABASE_UNAVAILABLE */
  hasImports(): Promise<boolean>;
  /** Writes when secrets were last used. @throws Fault DATABASE_UNAVAILABLE */
  recordUses(uses: readonly SecretUse[]): Promise<void>;
  /** The replicas whose lease ended less than a day ago. @throws Fault DATABASE_UNAVAILABLE */
  readReplicas(): Promise<readonly ReplicaStatus[]>;
  /** Takes off the list all others: processes that ended without saying so. @throws Fault DATABASE_UNAVAILABLE */
  purgeReplicas(): Promise<void>;
}

export function createStore(
  knex: Knex,
  options: {
    /** What verification reads with: connections of its own, so that management cannot starve it. Default: the same. */
    readonly loadKnex?: Knex;
    /** Whether statements that are run over and over are prepared. Default: true. */
    readonly prepared?: boolean;
  } = {},
): KnexStore {
  const { loadKnex = knex, prepared = true } = options;
  async function transaction<T>(body: (tx: Repositories) => Promise<T>): Promise<T> {
    try {
      return await rerunCollided(() => knex.transaction((trx) => body(createRepositories(trx))));
    } catch (error) {
      throw faultOf(error);
    }
  }

  const repositories = createRepositories(knex);
  const liveKeys = createLiveKeyReader(loadKnex, { prepared });
  return {
    keys: withFaults(repositories.keys),
    keyspaces: withFaults(repositories.keyspaces),
    policies: withFaults(repositories.policies),
    owners: withFaults(repositories.owners),
    ledger: withFaults(repositories.ledger),
    idempotency: withFaults(repositories.idempotency),
    audit: withFaults(repositories.audit),
    changes: withFaults(repositories.changes),
    ...withFaults({
      readLiveKey: (ref: string) => liveKeys.read(ref),
      hasImports: () => liveKeys.hasImports(),
      recordUses: (uses: readonly SecretUse[]) => recordUses(knex, uses),
      readReplicas: () => readReplicas(knex),
      purgeReplicas: () => purgeReplicas(knex),
    }),
    transaction,
  };
}

function createRepositories(knex: Knex): Repositories {
  return {
    keys: createKeyRepository(knex),
    keyspaces: createKeyspaceRepository(knex),
    policies: createPolicyRepository(knex),
    owners: createOwnerRepository(knex),
    ledger: createLedgerRepository(knex),
    idempotency: createIdempotencyRepository(knex),
    changes: createChangeLog(knex),
    audit: createAuditLog(knex),
  };
}

/** The same functions, with the database's errors turned into faults. */
function withFaults<T extends Record<keyof T, (...args: never[]) => Promise<unknown>>>(functions: T): T {
  const entries = Object.entries<(...args: never[]) => Promise<unknown>>(functions).map(([name, run]) => [
    name,
    async (...args: never[]) => {
      try {
        return await run(...args);
      } catch (error) {
        throw faultOf(error);
      }
    },
  ]);
  return Object.fromEntries(entries) as T;
}
