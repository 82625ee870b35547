import { describe, expect, test } from 'vitest';
import { compileSnapshot, snapshotBytes } from '../../../core/snapshot.ts';
import { digestToken, newToken } from '../../../core/token.ts';
import { issueKey, secretOf } from '../support/issue-key.ts';

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
    ['names of metadata', { metadata: { ['x'.repeat(100)]: '' } }],
    ['values of metadata', { metadata: { x: 'x'.repeat(99) } }],
    ['resources', { resourceAccess: { type: 'LISTED', ids: ['x'.repeat(100)] } }],
  ] as const)('grows with the %s by two bytes a character or more', (_what, change) => {
    expect(bytesOf(change) - bytesOf({})).toBeGreaterThanOrEqual(200);
  });
});
