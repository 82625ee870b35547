import { expect, it } from 'vitest';
import { newAuditEvent, type AuditEvent } from '../../server/audit/audit-event.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS } from './records.ts';

interface Row {
  readonly id: string;
  readonly time: Date;
  readonly actor: string;
  readonly action: string;
  readonly keyspace_id: string;
  readonly target_id: string;
  readonly details: unknown;
}

const anEvent = (change: Partial<AuditEvent> = {}): AuditEvent => ({
  ...newAuditEvent({
    timeMs: CREATED_MS,
    actor: 'key_0000000000000000',
    action: 'key.update',
    keyspaceId: 'ks_0000000000000000',
    targetId: 'key_1111111111111111',
    details: {
      displayName: { from: `'";-- ?`, to: 'ä€😀' },
      tags: { from: [], to: ['NULL', 'a,b'] },
      expireTimeMs: { from: null, to: 12.5 },
      secrets: undefined,
    },
  }),
  ...change,
});

onEachEngine((subject) => {
  const read = (id: string): Promise<Row[]> =>
    subject().sql<Row>('SELECT * FROM audit_events WHERE id = ?', [id]);

  it('keeps all of an event', async () => {
    const event = anEvent();
    await subject().store.audit.append(event);
    expect(await read(event.id)).toEqual([
      {
        id: event.id,
        time: new Date(CREATED_MS),
        actor: event.actor,
        action: 'key.update',
        keyspace_id: event.keyspaceId,
        target_id: event.targetId,
        // JSON has no undefined.
        details: JSON.parse(JSON.stringify(event.details)),
      },
    ]);
  });

  it('keeps nothing of an event whose transaction is rolled back', async () => {
    const event = anEvent();
    const failing = subject().store.transaction(async (tx) => {
      await tx.audit.append(event);
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await read(event.id)).toEqual([]);
  });

  it('never writes over an event', async () => {
    const event = anEvent();
    await subject().store.audit.append(event);
    const second = anEvent({ id: event.id, actor: 'someone else' });
    await expect(subject().store.audit.append(second)).rejects.toThrow('audit_events_pkey');
    expect(await read(event.id)).toMatchObject([{ actor: event.actor }]);
  });

  it('keeps all of many events, more than one statement takes', async () => {
    const events = Array.from({ length: 4500 }, () => anEvent({ actor: 'the batch' }));
    await subject().store.transaction((tx) => tx.audit.appendAll(events));
    const rows = await subject().sql<Row>(`SELECT * FROM audit_events WHERE actor = 'the batch'`);
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(events.map(({ id }) => id)));
    const [first] = events;
    const [single, batched] = [anEvent(), rows.find(({ id }) => id === first?.id)];
    await subject().store.audit.append(single);
    expect(batched).toEqual({ ...(await read(single.id))[0], id: first?.id, actor: 'the batch' });
  });

  it('keeps none of several events where one is refused, and takes none at all', async () => {
    const [kept, fresh] = [anEvent(), anEvent()];
    await subject().store.audit.append(kept);
    const second = anEvent({ id: kept.id, actor: 'someone else' });
    await expect(subject().store.audit.appendAll([fresh, second])).rejects.toThrow('audit_events_pkey');
    expect(await read(fresh.id)).toEqual([]);
    await subject().store.audit.appendAll([]);
  });

  it('keeps the events of a key and keyspace that are gone', async () => {
    const event = anEvent({ keyspaceId: 'ks_gone', targetId: 'key_gone' });
    await subject().store.audit.append(event);
    expect(await read(event.id)).toHaveLength(1);
  });
});
