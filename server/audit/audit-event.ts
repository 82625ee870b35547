import { stringify } from 'safe-stable-stringify';
import { newId } from '../../core/ids.ts';

/** What can be done to what. */
export type AuditAction =
  | 'key.create'
  | 'key.update'
  | 'key.enable'
  | 'key.disable'
  | 'key.revoke'
  | 'key.delete'
  | 'key.undelete'
  | 'key.rotate'
  | 'key.complete-rotation'
  | 'key.cancel-rotation'
  | 'key.import'
  | 'key.report-leaked'
  | 'key.batch-revoke'
  | 'policy.create'
  | 'policy.update'
  | 'policy.delete'
  | 'owner.create'
  | 'owner.update'
  | 'owner.suspend'
  | 'owner.resume'
  | 'owner.delete'
  | 'credits.adjust'
  | 'limit.set-override'
  | 'limit.clear-override'
  | 'keyspace.create'
  | 'keyspace.update'
  | 'keyspace.import'
  | 'keyspace.delete';

/** One line of the audit trail: who did what to what, when. Never holds a token or a digest. */
export interface AuditEvent {
  /** `evt_…` */
  readonly id: string;
  readonly timeMs: number;
  /** The id of the caller's root key, or `system`. */
  readonly actor: string;
  readonly action: AuditAction;
  readonly keyspaceId: string;
  /** The id of the key, keyspace, policy or owner. */
  readonly targetId: string;
  /** What was given and what was changed, as plain data. */
  readonly details: Readonly<Record<string, unknown>>;
}

export function newAuditEvent(event: Omit<AuditEvent, 'id'>): AuditEvent {
  return { id: newId('event'), ...event };
}

/** The fields that differ between two states of one record, as `{ field: { from, to } }`. */
export function difference<T extends object>(
  before: T,
  after: T,
  fields: readonly (keyof T & string)[],
): Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>> {
  return Object.fromEntries(
    fields
      .filter((field) => stringify(before[field]) !== stringify(after[field]))
      .map((field) => [field, { from: before[field], to: after[field] }]),
  );
}
