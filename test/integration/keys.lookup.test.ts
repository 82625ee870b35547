import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { failureOf } from '../support/failure-of.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';
import { sign, unsign } from './support/sign-token.ts';

const served = serveLatchkey();

describe('a look-up', () => {
  test('by a whole token finds its key, in every state', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    const found = async () => latchkey.keys.lookup({ token });
    expect(await found()).toEqual(await latchkey.keys.get(id));
    await latchkey.keys.disable(id);
    expect(await found()).toMatchObject({ id, state: 'DISABLED' });
    await latchkey.keys.revoke(id);
    expect(await found()).toMatchObject({ id, state: 'REVOKED' });
    await latchkey.keys.delete(id);
    expect((await found()).deleteTime).not.toBeNull();
  });

  test('by what may be known in public finds the key', async () => {
    const { latchkey, newKeyspace, issue } = served();
    const { id: keyspaceId } = await newKeyspace({ tokenPrefix: 'my_9_prefix' });
    const { id, key, token } = await issue({ keyspaceId });
    const bare = id.slice('key_'.length);
    const prefixes = [
      id,
      bare,
      `my_9_prefix_${bare}`,
      key.tokenHint,
      `my_9_prefix_${bare}…`,
      `my_9_prefix_${bare}...`,
      // Where the secret begins, nothing is looked at: a log that cut the token anywhere is of use.
      token.slice(0, 40),
      `my_9_prefix_${bare}XXXX`,
      // The prefix may have been another one when the token was made.
      `other_${bare}`,
    ];
    for (const prefix of prefixes) {
      expect(await latchkey.keys.lookup({ prefix }), prefix).toMatchObject({ id });
    }
  });

  test('by a token is NOT_FOUND unless its secret is right', async () => {
    const { root, issue } = served();
    const { id, token } = await issue();
    const texts = [
      '',
      'x',
      newToken('acme', id),
      newToken('acme', newId('key')),
      sign(unsign(token).replace('acme_', 'acne_')),
      token.slice(0, -1),
      `${token} `,
      `Bearer ${token}`,
      id,
      'y'.repeat(256),
    ];
    for (const value of texts) {
      const failure = await failureOf((options) =>
        root.keys.lookupKey({ by: { $case: 'token', value } }, options),
      );
      expect(failure, value).toMatchObject({ code: 5, reason: 'KEY_NOT_FOUND', metadata: {} });
      if (value !== '') expect(failure.message).not.toContain(value);
    }
  });

  test('by a prefix that holds no whole key id is refused', async () => {
    const { root, issue } = served();
    const { id } = await issue();
    const bare = id.slice('key_'.length);
    for (const value of [
      '',
      'acme',
      'acme_',
      bare.slice(0, 15),
      `_${bare}`,
      `Acme_${bare}`,
      `acme ${bare}`,
      '…',
    ]) {
      const failure = await failureOf((options) =>
        root.keys.lookupKey({ by: { $case: 'prefix', value } }, options),
      );
      expect(failure, value).toMatchObject({ code: 3, reason: 'INVALID_FIELD', fields: ['prefix'] });
    }
  });

  test('of a key that is not there is NOT_FOUND', async () => {
    const { root } = served();
    const prefix = newId('key');
    expect(
      await failureOf((options) => root.keys.lookupKey({ by: { $case: 'prefix', value: prefix } }, options)),
    ).toMatchObject({ code: 5, reason: 'KEY_NOT_FOUND' });
  });
});
