import { expect, test } from 'vitest';
import { logChange, readLoggedChange, type Change } from '../../../core/change.ts';
import { ledgerId, ownerSubject } from '../../../core/limit.ts';

const CREDITS = { kind: 'CREDITS', initial: 1, refill: null } as const;

test.each<Change>([
  { kind: 'key', id: 'key_1' },
  { kind: 'policy', id: 'pol_1' },
  { kind: 'keyspace', id: 'ks_1' },
  { kind: 'owner', keyspaceId: 'ks_1', id: 'Team 7' },
  { kind: 'limit', id: ledgerId(ownerSubject('ks_1', 'Team 7'), { name: 'pool', rule: CREDITS }) },
  { kind: 'imports' },
])('a change is read from the log as it was written: %j', (change) => {
  const { kind, id } = logChange(change);
  expect(readLoggedChange(kind, id)).toEqual(change);
});

test('a change of a kind that is not known may be about anything', () => {
  expect(readLoggedChange('other', 'x')).toBe('anything');
});
