import { describe, expect, test } from 'vitest';
import { ROOT_KEYSPACE_ID } from '../../../core/key.ts';
import type { Limit } from '../../../core/limit.ts';
import { compileSnapshot, NO_CONTEXT, snapshotBytes } from '../../../core/snapshot.ts';
import { digestToken, newToken } from '../../../core/token.ts';
import { issueKey, secretOf } from '../support/issue-key.ts';
import { policyOf } from '../support/policy-of.ts';

describe('a snapshot', () => {
  test('holds the key, its state and its secrets ready to be compared', () => {
    const { key, token } = issueKey({ switch: 'DISABLED', expireTimeMs: 5000 });
    const snapshot = compileSnapshot(key);
    expect(snapshot.key).toBe(key);
    expect(snapshot.switch).toBe('DISABLED');
    expect(snapshot.expireTimeMs).toBe(5000);
    const id = key.secrets[0]?.id;
    expect(snapshot.secrets).toEqual([{ id, digest: digestToken(token), expireTimeMs: Infinity }]);
    expect(snapshot.secrets[0]?.digest).toHaveLength(32);
  });

  test('of a key that never expires never expires', () => {
    expect(compileSnapshot(issueKey({ expireTimeMs: null }).key).expireTimeMs).toBe(Infinity);
  });

  test('expires in 1970 if the key does: zero is a time, not the lack of one', () => {
    const { key, token } = issueKey({ expireTimeMs: 0 });
    const snapshot = compileSnapshot({ ...key, secrets: [secretOf(token, 0)] });
    expect(snapshot.expireTimeMs).toBe(0);
    expect(snapshot.secrets[0]?.expireTimeMs).toBe(0);
  });

  test('keeps every secret of a rotated key, in order', () => {
    const { key, token } = issueKey();
    const older = newToken('acme', key.id);
    const secrets = [secretOf(token), secretOf(older, 7000)];
    const snapshot = compileSnapshot({ ...key, secrets });
    expect(snapshot.secrets).toEqual([
      { id: secrets[0]?.id, digest: digestToken(token), expireTimeMs: Infinity },
      { id: secrets[1]?.id, digest: digestToken(older), expireTimeMs: 7000 },
    ]);
  });

  test('grants the scopes of the key', () => {
    const { grants } = compileSnapshot(issueKey({ scopes: ['orders:*', 'users:read'] }).key);
    expect(['orders:write', 'users:read', 'users:write', 'x'].map(grants)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('is confined to the resources of the key, or to none in particular', () => {
    expect(compileSnapshot(issueKey({ resourceAccess: { type: 'ALL' } }).key).resources).toBeUndefined();
    expect(
      compileSnapshot(issueKey({ resourceAccess: { type: 'LISTED', ids: ['a', 'b', 'a'] } }).key).resources,
    ).toEqual(new Set(['a', 'b']));
    // An empty list confines to nothing; it must not be taken for access to all.
    expect(compileSnapshot(issueKey({ resourceAccess: { type: 'LISTED', ids: [] } }).key).resources).toEqual(
      new Set(),
    );
  });
});

const rate = (name: string, limit = 10): Limit => ({
  name,
  rule: { kind: 'RATE', limit, windowMs: 1000 },
  onDemand: false,
  onUnavailable: 'DENY',
});
const credits = (name: string): Limit => ({
  name,
  rule: { kind: 'CREDITS', initial: 10, refill: null },
  onDemand: true,
  onUnavailable: 'ALLOW',
});

describe('the limits of a key', () => {
  const override = { limit: 'calls', value: 3, endTimeMs: 1 };

  test('are its own, then its owner’s, each found by whom it counts for', () => {
    const { key } = issueKey({ ownerId: 'Team 7', limits: [credits('calls'), rate('a')] });
    const context = { ...NO_CONTEXT, ownerLimits: [rate('calls'), credits('b')] };
    expect(compileSnapshot(key, context).limits).toEqual([
      { ...credits('calls'), scope: 'KEY', ledgerId: `${key.id} calls`, override: null },
      { ...rate('a'), scope: 'KEY', ledgerId: `${key.id} a 1000`, override: null },
      {
        ...rate('calls'),
        scope: 'OWNER',
        ledgerId: `${key.keyspaceId} Team 7 calls 1000`,
        override: null,
      },
      { ...credits('b'), scope: 'OWNER', ledgerId: `${key.keyspaceId} Team 7 b`, override: null },
    ]);
  });

  test('are those of its policies if it has none, counted for it alone', () => {
    const { key } = issueKey();
    const policies = [policyOf({ limits: [rate('calls', 1)] }), policyOf({ limits: [rate('calls', 2)] })];
    expect(compileSnapshot(key, { ...NO_CONTEXT, policies }).limits).toEqual([
      { ...rate('calls', 1), scope: 'KEY', ledgerId: `${key.id} calls 1000`, override: null },
    ]);
  });

  test('are overridden by name where they are rates, the key’s by the key and the owner’s by the owner', () => {
    const { key } = issueKey({ ownerId: 'o', limits: [rate('calls')], limitOverrides: [override] });
    const ownerLimits = [rate('calls')];
    const overrideOf = (change: Partial<typeof NO_CONTEXT>, of = key) =>
      compileSnapshot(of, { ...NO_CONTEXT, ownerLimits, ...change }).limits.map((limit) => limit.override);
    expect(overrideOf({})).toEqual([override, null]);
    const other = { ...override, value: 4 };
    expect(overrideOf({ ownerLimitOverrides: [other] })).toEqual([override, other]);
    expect(overrideOf({}, { ...key, limits: [credits('calls')] })).toEqual([null, null]);
    expect(overrideOf({}, { ...key, limits: [rate('others')] })).toEqual([null, null]);
  });

  test('are one list for all keys without, and none for root keys', () => {
    const { limits } = compileSnapshot(issueKey().key);
    expect(limits).toEqual([]);
    expect(compileSnapshot(issueKey({ ownerId: 'o' }).key).limits).toBe(limits);
    const rootKey = issueKey({ keyspaceId: ROOT_KEYSPACE_ID, limits: [rate('calls')] }).key;
    expect(compileSnapshot(rootKey, { ...NO_CONTEXT, ownerLimits: [rate('b')] }).limits).toBe(limits);
  });
});

describe('the estimated size', () => {
  const bytesOf = (change: Parameters<typeof issueKey>[0]): number =>
    snapshotBytes(compileSnapshot(issueKey(change).key));

  test('is positive for the smallest key', () => {
    expect(bytesOf({})).toBeGreaterThan(1000);
  });

  test.each([
    ['displayName', { displayName: 'x'.repeat(100) }],
    ['ownerId', { ownerId: 'x'.repeat(100) }],
    ['scopes', { scopes: ['x'.repeat(100)] }],
    ['tags', { tags: ['x'.repeat(100)] }],
    ['limits', { limits: [rate('x'.repeat(64))] }],
    ['names of metadata', { metadata: { ['x'.repeat(100)]: '' } }],
    ['values of metadata', { metadata: { x: 'x'.repeat(99) } }],
    ['resources', { resourceAccess: { type: 'LISTED', ids: ['x'.repeat(100)] } }],
  ] as const)('grows with the %s by two bytes a character or more', (_what, change) => {
    expect(bytesOf(change) - bytesOf({})).toBeGreaterThanOrEqual(200);
  });
});
