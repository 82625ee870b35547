import { describe, expect, test } from 'vitest';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

describe('a revoked key', () => {
  test('is REVOKED from the next verification on, and tells its key', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue({ displayName: 'gone', ownerId: 'team-7' });
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
    const { revision } = await latchkey.keys.revoke(id);
    expect(await latchkey.verify({ token })).toMatchObject({
      valid: false,
      verdict: 'REVOKED',
      key: { id, displayName: 'gone', ownerId: 'team-7' },
      missingScopes: [],
      revision,
    });
  });

  test('is REVOKED before anything else is looked at', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue({
      resourceAccess: { access: { $case: 'listed', value: { ids: ['store-1'] } } },
    });
    await latchkey.keys.disable(id);
    await latchkey.keys.revoke(id);
    expect(await latchkey.verify({ token, resource: 'store-2', scopes: ['none'] })).toMatchObject({
      verdict: 'REVOKED',
      missingScopes: [],
    });
  });

  test('stays so after it was deleted and brought back', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    await latchkey.keys.revoke(id);
    await latchkey.keys.delete(id);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'NOT_FOUND' });
    await latchkey.keys.undelete(id);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'REVOKED' });
  });

  test('was told to be in effect at a time that is not later than the answer', async () => {
    const { latchkey, issue } = served();
    const { id } = await issue();
    const before = Date.now();
    const { effectiveTime } = await latchkey.keys.revoke(id);
    expect(effectiveTime.getTime()).toBeGreaterThanOrEqual(before);
    expect(effectiveTime.getTime()).toBeLessThanOrEqual(Date.now());
  });

  test('passes no verification that begins after the answer, however many are under way', async () => {
    const { latchkey, issue, server, sdk } = served();
    const others = Array.from({ length: 3 }, () => sdk(server.rootToken));
    for (let round = 0; round < 10; round += 1) {
      const { id, token } = await issue();
      let answered = false;
      const late: string[] = [];
      const early: string[] = [];
      const verifying = others.map(async (client) => {
        for (let after = 0; after < 5;) {
          const beganLate = answered;
          const { verdict } = await client.verify({ token });
          (beganLate ? late : early).push(verdict);
          if (beganLate) after += 1;
        }
      });
      await latchkey.verify({ token });
      await latchkey.keys.revoke(id);
      answered = true;
      await Promise.all(verifying);
      expect(new Set(late)).toEqual(new Set(['REVOKED']));
      expect(early.length).toBeGreaterThan(0);
    }
  });
});
