import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { HealthCheckResponse } from '../../proto/gen/grpc/health/v1/health.ts';
import { ErrorInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { createTestClock } from '../support/test-clock.ts';
import type { RawAnswer } from './support/raw-connection.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';
import { sign, unsign } from './support/sign-token.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

/** One that the express lane takes, one that it does not, one that writes; and one that is not there yet. */
const PATHS = [
  '/latchkey.v1.VerifyService/Verify',
  '/latchkey.v1.VerifyService/BatchVerify',
  '/latchkey.v1.KeyService/ListKeys',
  '/latchkey.v1.KeyService/CreateKey',
  '/latchkey.v1.KeyService/RotateKey',
  '/latchkey.v1.KeyspaceService/GetKeyspace',
] as const;

function reasonOf({ status }: RawAnswer): string {
  const info = status?.details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  return info === undefined ? '' : ErrorInfo.decode(info.value).reason;
}

async function expectUnauthenticated(authorization: string | undefined): Promise<void> {
  const connection = served().raw(null);
  for (const path of PATHS) {
    // From the database and from memory.
    for (let again = 0; again < 2; again += 1) {
      const answer = await connection.call({
        path,
        message: new Uint8Array(),
        headers: authorization === undefined ? {} : { authorization },
      });
      const which = `${path} with ${String(authorization).slice(0, 80)}`;
      expect(answer.code, which).toBe(16);
      expect(reasonOf(answer), which).toBe('CALLER_UNKNOWN');
      expect(answer.messages, which).toEqual([]);
      // What was sent is not told back: it may be someone's token, in the wrong place.
      const sent = String(authorization).split(' ').at(-1) ?? '';
      if (sent.length > 10) expect(answer.message, which).not.toContain(sent);
    }
  }
  connection.close();
}

describe('a caller is UNAUTHENTICATED', () => {
  test('without a token', async () => {
    await expectUnauthenticated(undefined);
  });

  test('with something that is no bearer token', async () => {
    const { rootToken } = served().server;
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      rootToken,
      `Basic ${rootToken}`,
      `Token ${rootToken}`,
      `Bearer${rootToken}`,
      `Bearer ${rootToken} ${rootToken}`,
      `Bearer "${rootToken}"`,
      `Bearer ${rootToken},`,
      `Bearer hunter2`,
      `Bearer ${'x'.repeat(5000)}`,
    ]) {
      await expectUnauthenticated(authorization);
    }
  });

  test('with a root token that is cut, changed or unknown', async () => {
    const { rootToken } = served().server;
    for (const token of [
      rootToken.slice(0, -1),
      `${rootToken}0`,
      rootToken.toUpperCase(),
      newToken('latchkey', newId('key')),
      // The right id and the right shape, and another secret or prefix.
      newToken('latchkey', `key_${rootToken.slice('latchkey_'.length, 'latchkey_'.length + 16)}`),
      sign(unsign(rootToken).replace('latchkey_', 'acme_')),
    ]) {
      await expectUnauthenticated(`Bearer ${token}`);
    }
  });

  test('with the token of a key that is no root key', async () => {
    const { issue } = served();
    const { token } = await issue({ scopes: ['*'] });
    await expectUnauthenticated(`Bearer ${token}`);
  });

  test.each(['revoked', 'disabled', 'deleted', 'expired'] as const)(
    'with a root key that is %s, from the very next call on',
    async (state) => {
      const { root, issue, sdk } = served();
      const caller = await issue({
        keyspaceId: 'ks_latchkey',
        scopes: ['admin'],
        expireTime: new Date(clock.nowMs() + 1000),
      });
      const client = sdk(caller.token);
      expect(await client.verify({ token: 'x' })).toMatchObject({ verdict: 'MALFORMED' });
      await client.keys.list();

      if (state === 'revoked') await root.keys.revokeKey({ id: caller.id });
      else if (state === 'disabled') await root.keys.disableKey({ id: caller.id });
      else if (state === 'deleted') await root.keys.deleteKey({ id: caller.id });
      else clock.advance(1000);
      const unknown = { code: 'UNAUTHENTICATED', reason: 'CALLER_UNKNOWN' };
      await expect(client.verify({ token: 'x' })).rejects.toMatchObject(unknown);
      await expect(client.keys.list()).rejects.toMatchObject(unknown);
      await expectUnauthenticated(`Bearer ${caller.token}`);

      if (state === 'disabled') {
        await root.keys.enableKey({ id: caller.id });
        await client.keys.list();
      }
    },
  );

  test('not with `bearer` in another case, which HTTP allows', async () => {
    const { rootToken } = served().server;
    const connection = served().raw(null);
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const answer = await connection.call({
        path: '/latchkey.v1.KeyService/ListKeys',
        message: new Uint8Array(),
        headers: { authorization: `${scheme} ${rootToken}` },
      });
      expect(answer.code).toBe(0);
    }
  });
});

describe('open to everybody', () => {
  test.each([undefined, 'Bearer hunter2'])('is health, with the token %j', async (authorization) => {
    const answer = await served()
      .raw(null)
      .call({
        path: '/grpc.health.v1.Health/Check',
        message: new Uint8Array(),
        headers: authorization === undefined ? {} : { authorization },
      });
    expect(answer.code).toBe(0);
    expect(HealthCheckResponse.decode(answer.messages[0] ?? Buffer.alloc(0)).status).toBe(1);
  });

  test('is reflection', async () => {
    for (const version of ['v1', 'v1alpha']) {
      const answer = await served()
        .raw(null)
        // `list_services` (field 7) with an empty text.
        .call({
          path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
          message: Buffer.from([0x3a, 0x00]),
        });
      expect(answer.code).toBe(0);
      expect(answer.messages[0]?.toString('latin1')).toContain('latchkey.v1.KeyService');
    }
  });
});
