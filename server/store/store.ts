import type { Knex } from 'knex';
import type { KeyRecord } from '../../core/key.ts';
import type { Repositories, Store } from '../lifecycle/ports.ts';
import { createChangeHead } from './change-head.ts';
import { faultOf, isCollision } from './errors.ts';
import { createIdempotencyRepository } from './idempotency.ts';
import { createKeyRepository } from './keys.ts';
import { createKeyspaceRepository } from './keyspaces.ts';
import { readLiveKey } from './read-live-key.ts';

/** How often a transaction that collides with others is run in all. */
const ATTEMPTS = 5;

/** The store with the one read that verification needs. */
export interface KnexStore extends Store {
  /** A key that is not deleted. @throws Fault DATABASE_UNAVAILABLE */
  readLiveKey(id: string): Promise<KeyRecord | undefined>;
}

export function createStore(knex: Knex): KnexStore {
  async function transaction<T>(body: (tx: Repositories) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await knex.transaction((trx) => body(createRepositories(trx)));
      } catch (error) {
        if (!isCollision(error) || attempt === ATTEMPTS) throw faultOf(error);
        // Apart from each other, so that the same two do not meet again.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** attempt));
      }
    }
  }

  const repositories = createRepositories(knex);
  return {
    keys: withFaults(repositories.keys),
    keyspaces: withFaults(repositories.keyspaces),
    idempotency: withFaults(repositories.idempotency),
    audit: withFaults(repositories.audit),
    changes: withFaults(repositories.changes),
    ...withFaults({ readLiveKey: (id: string) => readLiveKey(knex, id) }),
    transaction,
  };
}

function createRepositories(knex: Knex): Repositories {
  return {
    keys: createKeyRepository(knex),
    keyspaces: createKeyspaceRepository(knex),
    idempotency: createIdempotencyRepository(knex),
    changes: createChangeHead(knex),
    audit: {
      async append(event) {
        await knex('audit_events').insert({
          id: event.id,
          time: new Date(event.timeMs),
          actor: event.actor,
          action: event.action,
          keyspace_id: event.keyspaceId,
          target_id: event.targetId,
          details: JSON.stringify(event.details),
        });
      },
    },
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
