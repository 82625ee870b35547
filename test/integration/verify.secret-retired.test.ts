import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { digestToken, newToken, secretHint } from '../../core/token.ts';
import { openEmbeddedEngine } from '../support/open-engine.ts';
import { startServer } from '../support/start-server.ts';
import { createDataDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';
import { createTestClock } from '../support/test-clock.ts';
import { openServed, type IssuedKey, type Served } from './support/serve-latchkey.ts';

const clock = createTestClock();
let directory: TemporaryDirectory;
let served: Served & { close(): Promise<void> };
/** A key whose first secret was replaced and ends in a second; and the token of its second one. */
let key: IssuedKey;
let newerToken: string;
/** The same, but the key itself ends first. */
let dying: IssuedKey;

// No call of the API rotates a secret yet: the rows that a rotation will write are written by hand, between two runs of
// the server on one directory.
beforeAll(async () => {
  directory = await createDataDirectory();
  const before = await openServed(await startServer({ dataDir: directory.path, clock }));
  key = await before.issue({ displayName: 'rotated' });
  dying = await before.issue({ expireTime: new Date(clock.nowMs() + 1000) });
  await before.close();

  newerToken = newToken('acme', key.id);
  const engine = await openEmbeddedEngine(directory.path);
  const retireTime = new Date(clock.nowMs() + 1000);
  await engine.knex('key_secrets').whereIn('key_id', [key.id, dying.id]).update({ expire_time: retireTime });
  await engine.knex('key_secrets').insert({
    id: newId('secret'),
    key_id: key.id,
    digest: digestToken(newerToken),
    hint: secretHint(newerToken),
    create_time: new Date(clock.nowMs() + 1),
    expire_time: null,
  });
  await engine.close();
  served = await openServed(await startServer({ dataDir: directory.path, clock }));
});

afterAll(async () => {
  await served.close();
  await directory.remove();
});

describe('a secret that a rotation has replaced', () => {
  test('passes until its overlap is over, and is SECRET_RETIRED from that instant on; the newer one passes', async () => {
    const { latchkey } = served;
    const verdicts = async (): Promise<string[]> =>
      (await latchkey.verifyBatch([{ token: key.token }, { token: newerToken }, { token: dying.token }])).map(
        (result) => ('verdict' in result ? result.verdict : result.message),
      );
    clock.advance(999);
    expect(await verdicts()).toEqual(['VALID', 'VALID', 'VALID']);
    clock.advance(1);
    // Of a key that has expired itself, that is told.
    expect(await verdicts()).toEqual(['SECRET_RETIRED', 'VALID', 'EXPIRED']);
    expect(await latchkey.verify({ token: key.token, scopes: ['none'] })).toMatchObject({
      valid: false,
      verdict: 'SECRET_RETIRED',
      key: { id: key.id, displayName: 'rotated' },
      missingScopes: [],
    });
  });

  test('is listed with its end, after the newer one, and either token finds the key', async () => {
    const { latchkey } = served;
    const found = await latchkey.keys.get(key.id);
    expect(found.secrets.map(({ hint }) => hint)).toEqual([secretHint(newerToken), secretHint(key.token)]);
    expect(found.tokenHint).toBe(`acme_${key.id.slice(4)}…${secretHint(newerToken)}`);
    expect(found.secrets[1]?.expireTime?.getTime()).toBeLessThanOrEqual(clock.nowMs());
    for (const token of [key.token, newerToken]) {
      expect(await latchkey.keys.lookup({ token })).toMatchObject({ id: key.id });
    }
  });
});
