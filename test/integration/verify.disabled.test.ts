import { describe, expect, test } from 'vitest';
import { createTestClock } from '../support/test-clock.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

describe('a disabled key', () => {
  test('is DISABLED from the next verification on, and passes again from the next after it is enabled', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue({ ownerId: 'team-7' });
    for (let round = 0; round < 3; round += 1) {
      expect(await latchkey.verify({ token })).toMatchObject({ valid: true, verdict: 'VALID' });
      await latchkey.keys.disable(id);
      expect(await latchkey.verify({ token })).toMatchObject({
        valid: false,
        verdict: 'DISABLED',
        key: { id, ownerId: 'team-7' },
      });
      await latchkey.keys.enable(id);
    }
  });

  test('is DISABLED before its expiry, its resources and its scopes are looked at', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue({
      expireTime: new Date(clock.nowMs() + 1000),
      resourceAccess: { access: { $case: 'listed', value: { ids: ['store-1'] } } },
    });
    await latchkey.keys.disable(id);
    clock.advance(1000);
    expect(await latchkey.verify({ token, resource: 'store-2', scopes: ['none'] })).toMatchObject({
      verdict: 'DISABLED',
      missingScopes: [],
    });
    await latchkey.keys.enable(id);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'EXPIRED' });
  });
});
