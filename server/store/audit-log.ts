import type { Knex } from 'knex';
import type { Repositories } from '../lifecycle/ports.ts';
import { inBatches } from './in-batches.ts';

export function createAuditLog(knex: Knex): Repositories['audit'] {
  return {
    async append(event) {
      await knex('audit_events').insert(writeEvent(event));
    },
    appendAll: (events) =>
      inBatches(events, async (batch) => {
        await knex('audit_events').insert(batch.map(writeEvent));
      }),
  };
}

function writeEvent(event: Parameters<Repositories['audit']['append']>[0]): object {
  return {
    id: event.id,
    time: new Date(event.timeMs),
    actor: event.actor,
    action: event.action,
    keyspace_id: event.keyspaceId,
    target_id: event.targetId,
    details: JSON.stringify(event.details),
  };
}
