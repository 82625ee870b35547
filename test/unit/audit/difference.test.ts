import { describe, expect, test } from 'vitest';
import { isId } from '../../../core/ids.ts';
import { difference, newAuditEvent } from '../../../server/audit/audit-event.ts';

describe('the difference of two records', () => {
  const before = { name: 'a', tags: ['x'], data: { a: 1 }, other: 1 };

  test('names the fields that differ, with both values', () => {
    const after = { name: 'b', tags: ['x', 'y'], data: { a: 1 }, other: 2 };
    expect(difference(before, after, ['name', 'tags', 'data'])).toEqual({
      name: { from: 'a', to: 'b' },
      tags: { from: ['x'], to: ['x', 'y'] },
    });
  });

  test('is empty for equal values in other objects', () => {
    expect(difference(before, structuredClone(before), ['name', 'tags', 'data', 'other'])).toEqual({});
  });
});

test('an event gets an id of its own', () => {
  const event = {
    timeMs: 1,
    actor: 'key_a',
    action: 'key.create',
    keyspaceId: 'ks_a',
    targetId: 'key_b',
    details: {},
  } as const;
  const one = newAuditEvent(event);
  expect(one).toMatchObject(event);
  expect(isId('event', one.id)).toBe(true);
  expect(newAuditEvent(event).id).not.toBe(one.id);
});
