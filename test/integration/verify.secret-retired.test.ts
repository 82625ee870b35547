import { describe, expect, test } from 'vitest';
import { newToken, secretHint } from '../../core/token.ts';
import { createTestClock } from '../support/test-clock.ts';
import { verdictOf } from './support/judge.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const HOUR_MS = 3_600_000;

describe('a secret that a rotation has replaced', () => {
  test('passes until its overlap is over, and is SECRET_RETIRED from that instant on; the newer one passes', async () => {
    const { latchkey, root, issue } = served();
    const { id, token: old } = await issue({ displayName: 'rotated', ownerId: 'team-7' });
    const { token: newer, revision } = await latchkey.keys.rotate(id, { overlapMs: HOUR_MS });
    clock.advance(HOUR_MS - 1);
    for (const token of [old, newer]) expect(await verdictOf(root, { token })).toBe('VALID');
    clock.advance(1);
    expect(await verdictOf(root, { token: newer })).toBe('VALID');
    expect(await latchkey.verify({ token: old })).toEqual({
      valid: false,
      verdict: 'SECRET_RETIRED',
      key: expect.objectContaining({ id, displayName: 'rotated', ownerId: 'team-7' }) as unknown,
      missingScopes: [],
      limits: [],
      revision,
    });
  });

  test('is SECRET_RETIRED at once if there is no overlap, also where it was in memory', async () => {
    const { latchkey, root, issue } = served();
    const { id, token: old } = await issue();
    expect(await verdictOf(root, { token: old })).toBe('VALID');
    const { token: newer } = await latchkey.keys.rotate(id);
    expect(await verdictOf(root, { token: old })).toBe('SECRET_RETIRED');
    expect(await verdictOf(root, { token: newer })).toBe('VALID');
  });

  test('is told before any rule is looked at', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue({
      resourceAccess: { access: { $case: 'listed', value: { ids: ['store-1'] } } },
      restrictions: { allowedIps: ['192.0.2.1'], apiTargets: [{ api: 'orders' }] },
    });
    await latchkey.keys.rotate(id);
    expect(await latchkey.verify({ token, resource: 'store-2', scopes: ['none'] })).toMatchObject({
      verdict: 'SECRET_RETIRED',
      missingScopes: [],
    });
  });

  test('is told after all that ends the key with every secret', async () => {
    const { latchkey, root, issue, keyspaceId } = served();
    const { id, token } = await issue({
      ownerId: 'leaver',
      expireTime: new Date(clock.nowMs() + HOUR_MS),
    });
    await latchkey.keys.rotate(id);
    const verdict = (): Promise<string> => verdictOf(root, { token });
    expect(await verdict()).toBe('SECRET_RETIRED');
    clock.advance(HOUR_MS);
    expect(await verdict()).toBe('EXPIRED');
    await latchkey.owners.suspend({ keyspaceId, id: 'leaver' });
    expect(await verdict()).toBe('OWNER_SUSPENDED');
    await latchkey.keys.disable(id);
    expect(await verdict()).toBe('DISABLED');
    await latchkey.keys.revoke(id);
    expect(await verdict()).toBe('REVOKED');
    await latchkey.keys.delete(id);
    expect(await verdict()).toBe('NOT_FOUND');
  });

  test('is NOT_FOUND for a caller and a keyspace that the key is not for, like a secret that never was', async () => {
    const { latchkey, issue, issueRoot, newKeyspace, sdk } = served();
    const { id, token } = await issue();
    await latchkey.keys.rotate(id);
    const { id: elsewhere } = await newKeyspace();
    const confined = sdk((await issueRoot(['verify'], [elsewhere])).token);
    const expected = await confined.verify({ token: newToken('acme', id) });
    expect(expected).toMatchObject({ verdict: 'NOT_FOUND' });
    expect(await confined.verify({ token })).toEqual(expected);
    expect(await latchkey.verify({ token, keyspaceId: elsewhere })).toEqual(expected);
  });

  test('is no longer listed, while either token finds the key', async () => {
    const { latchkey, issue } = served();
    const { id, token: old } = await issue();
    const { token: newer } = await latchkey.keys.rotate(id);
    const found = await latchkey.keys.get(id);
    expect(found.secrets.map(({ hint }) => hint)).toEqual([secretHint(newer)]);
    expect(found.tokenHint).toBe(`acme_${id.slice(4)}…${secretHint(newer)}`);
    for (const token of [old, newer]) expect(await latchkey.keys.lookup({ token })).toMatchObject({ id });
  });

  test('is remembered as long as it is among the last five that ended; then it never was', async () => {
    const { latchkey, root, issue } = served();
    const { id, token } = await issue();
    const tokens = [token];
    // All within one millisecond: which is the newest must not depend on it.
    for (let rotation = 0; rotation < 7; rotation += 1) tokens.push((await latchkey.keys.rotate(id)).token);
    const verdicts = await Promise.all(tokens.map((each) => verdictOf(root, { token: each })));
    const retired = Array.from({ length: 5 }, () => 'SECRET_RETIRED');
    expect(verdicts).toEqual(['NOT_FOUND', 'NOT_FOUND', ...retired, 'VALID']);
  });
});
