import { describe, expect, test } from 'vitest';
import { createTestClock } from '../support/test-clock.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

describe('a key that expires', () => {
  test('passes until the millisecond before, and is EXPIRED at the very instant, from memory', async () => {
    const { latchkey, keyspaceId, metric } = served();
    const expireTime = new Date(clock.nowMs() + 60_000);
    const { key, token } = await latchkey.keys.create({ keyspaceId, expireTime });
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID', key: { expireTime } });
    const loads = await metric('latchkey_key_loads');

    clock.advance(59_999);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
    clock.advance(1);
    expect(await latchkey.verify({ token })).toMatchObject({
      valid: false,
      verdict: 'EXPIRED',
      key: { id: key.id, expireTime },
    });
    expect(await metric('latchkey_key_loads')).toBe(loads);
  });

  test('lives as long as its ttl says, from its creation', async () => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({ keyspaceId, ttlMs: 1000 });
    expect(key.expireTime).toEqual(new Date(clock.nowMs() + 1000));
    clock.advance(999);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
    clock.advance(1);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'EXPIRED' });
  });

  test('lives for a hundred years, if it was told to', async () => {
    const { latchkey, keyspaceId } = served();
    const ttlMs = 100 * 365 * 86_400_000;
    const { key, token } = await latchkey.keys.create({ keyspaceId, ttlMs });
    expect(key.expireTime).toEqual(new Date(clock.nowMs() + ttlMs));
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
  });

  test('passes again when its expiry is put off, and for ever when it is cleared', async () => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({ keyspaceId, ttlMs: 1000 });
    clock.advance(1000);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'EXPIRED' });
    await latchkey.keys.update(key.id, { expireTime: new Date(clock.nowMs() + 1000) });
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
    clock.advance(1000);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'EXPIRED' });
    await latchkey.keys.update(key.id, { expireTime: null });
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID', key: { expireTime: null } });
  });

  test('is EXPIRED before its resources and scopes are looked at, and shows itself as expired', async () => {
    const { latchkey, keyspaceId } = served();
    const { key, token } = await latchkey.keys.create({
      keyspaceId,
      ttlMs: 1000,
      resourceAccess: { ids: ['store-1'] },
    });
    expect(key.state).toBe('ACTIVE');
    clock.advance(1000);
    expect(await latchkey.verify({ token, resource: 'store-2', scopes: ['none'] })).toMatchObject({
      verdict: 'EXPIRED',
      missingScopes: [],
    });
    expect(await latchkey.keys.get(key.id)).toMatchObject({ state: 'EXPIRED' });
  });

  test('of a caller is none any more: its root token is UNAUTHENTICATED at the very instant', async () => {
    const { issue, latchkey, sdk } = served();
    const caller = await issue({
      keyspaceId: 'ks_latchkey',
      scopes: ['verify'],
      expireTime: new Date(clock.nowMs() + 1000),
    });
    const { token } = await issue();
    const client = sdk(caller.token);
    clock.advance(999);
    expect(await client.verify({ token })).toMatchObject({ verdict: 'VALID' });
    clock.advance(1);
    await expect(client.verify({ token })).rejects.toMatchObject({ reason: 'CALLER_UNKNOWN' });
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
  });
});
