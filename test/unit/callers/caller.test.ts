import { describe, expect, test } from 'vitest';
import { ROOT_KEYSPACE_ID } from '../../../core/key.ts';
import type { ResourceAccess } from '../../../core/rules.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { CALLER_SCOPES } from '../../../server/callers/access.ts';
import { callerOf, requireReach, requireScope, type Caller } from '../../../server/callers/caller.ts';
import { faultOf } from '../support/fault-of.ts';
import { issueKey } from '../support/issue-key.ts';

const ALL: ResourceAccess = { type: 'ALL' };
const LISTED: ResourceAccess = { type: 'LISTED', ids: ['ks_a', 'ks_b'] };

function callerWith(scopes: readonly string[], resourceAccess = ALL): Caller {
  return callerOf(compileSnapshot(issueKey({ keyspaceId: ROOT_KEYSPACE_ID, scopes, resourceAccess }).key));
}

describe('scopes', () => {
  test.each(CALLER_SCOPES)('a caller with %s holds it and no other', (scope) => {
    const caller = callerWith([scope]);
    for (const other of CALLER_SCOPES) {
      expect(caller.holds(other)).toBe(other === scope || scope === 'admin');
    }
  });

  test('a caller without any holds none', () => {
    expect(CALLER_SCOPES.filter(callerWith([]).holds)).toEqual([]);
  });

  test('reading is not a part of writing, nor revoking of either', () => {
    const caller = callerWith(['keys:write']);
    expect(caller.holds('keys:read')).toBe(false);
    expect(caller.holds('keys:revoke')).toBe(false);
  });

  test('one of those that an RPC takes is enough; else the fault names them', () => {
    const caller = callerWith(['keys:revoke']);
    expect(() => requireScope(caller, ['keys:write', 'keys:revoke'])).not.toThrow();
    const fault = faultOf(() => requireScope(caller, ['keys:write', 'config:write']));
    expect(fault).toMatchObject({
      reason: 'CALLER_SCOPE_MISSING',
      code: 'PERMISSION_DENIED',
      metadata: { scopes: 'keys:write config:write' },
    });
    expect(fault.message).toContain('`keys:write` or `config:write`');
  });

  test('an RPC without a rule is for nobody, not even for an administrator', () => {
    expect(faultOf(() => requireScope(callerWith(['admin']), [])).reason).toBe('CALLER_SCOPE_MISSING');
  });
});

describe('confinement', () => {
  test('a caller with access to all reaches every keyspace but the built-in one', () => {
    const caller = callerWith(['keys:read']);
    expect(caller.confinedTo).toBeUndefined();
    expect(['ks_a', 'ks_z', '__proto__'].every(caller.reaches)).toBe(true);
    expect(caller.reaches(ROOT_KEYSPACE_ID)).toBe(false);
  });

  test('a confined caller reaches the keyspaces that it lists, and no other', () => {
    const caller = callerWith(['keys:read'], LISTED);
    expect(caller.confinedTo).toEqual(['ks_a', 'ks_b']);
    expect(['ks_a', 'ks_b'].every(caller.reaches)).toBe(true);
    expect(['ks_c', 'ks_', 'KS_A', 'ks_a ', '', '*', '__proto__'].some(caller.reaches)).toBe(false);
  });

  test('a caller confined to nothing reaches nothing', () => {
    const caller = callerWith(['admin'], { type: 'LISTED', ids: [] });
    expect(caller.confinedTo).toEqual([]);
    expect(caller.reaches('ks_a')).toBe(false);
  });

  test('out of reach is refused in the same words whether the keyspace exists or not', () => {
    const caller = callerWith(['keys:read'], LISTED);
    expect(() => requireReach(caller, 'ks_a')).not.toThrow();
    const fault = faultOf(() => requireReach(caller, 'ks_c'));
    expect(fault).toMatchObject({
      reason: 'CALLER_KEYSPACE_NOT_ALLOWED',
      code: 'PERMISSION_DENIED',
      metadata: { keyspace_id: 'ks_c' },
    });
  });
});

describe('root keys', () => {
  test.each<[string, readonly string[], ResourceAccess, boolean]>([
    ['admin with access to all', ['admin'], ALL, true],
    ['admin that is confined', ['admin'], LISTED, false],
    [
      'admin that lists the built-in keyspace itself',
      ['admin'],
      { type: 'LISTED', ids: [ROOT_KEYSPACE_ID] },
      false,
    ],
    ['every scope but admin', CALLER_SCOPES.filter((scope) => scope !== 'admin'), ALL, false],
    [
      'every scope but admin, and the built-in keyspace listed',
      CALLER_SCOPES.filter((scope) => scope !== 'admin'),
      { type: 'LISTED', ids: [ROOT_KEYSPACE_ID, 'ks_a'] },
      false,
    ],
    ['no scope', [], ALL, false],
  ])('%s: %4$j', (_what, scopes, access, expected) => {
    const caller = callerWith(scopes, access);
    expect(caller.managesRootKeys).toBe(expected);
    expect(caller.reaches(ROOT_KEYSPACE_ID)).toBe(expected);
    expect(caller.confinedTo ?? []).not.toContain(ROOT_KEYSPACE_ID);
  });
});
