import { beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { Verdict, VerifyRequest, VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { RawAnswer } from './support/raw-connection.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';
import { sign, unsign } from './support/sign-token.ts';

const served = serveLatchkey();

/** Ways not to be found, for a caller that is confined to one keyspace. Nothing is changed after they are made. */
interface Unfound {
  readonly name: string;
  readonly token: string;
  readonly keyspaceId?: string;
}

let cases: readonly Unfound[];
let confinedToken: string;

beforeAll(async () => {
  const { root, server, keyspaceId, newKeyspace, issue, issueRoot } = served();
  const other = await newKeyspace({ tokenPrefix: 'acme' });
  const gone = await newKeyspace({ tokenPrefix: 'acme' });
  const second = await newKeyspace({ tokenPrefix: 'acme' });

  const live = await issue();
  const deleted = await issue();
  const revoked = await issue();
  const disabled = await issue();
  const elsewhere = await issue({ keyspaceId: other.id });
  const ofSecond = await issue({ keyspaceId: second.id });
  const ofGone = await issue({ keyspaceId: gone.id });
  const caller = await issueRoot(['verify'], [keyspaceId, second.id]);
  await root.keys.deleteKey({ id: deleted.id });
  await root.keys.revokeKey({ id: revoked.id });
  await root.keys.disableKey({ id: disabled.id });
  await root.keys.deleteKey({ id: ofGone.id });
  await root.keyspaces.deleteKeyspace({ id: gone.id });

  confinedToken = caller.token;
  cases = [
    { name: 'an id that never was', token: newToken('acme', newId('key')) },
    { name: 'the right id with another secret', token: newToken('acme', live.id) },
    { name: 'another prefix, signed anew', token: sign(unsign(live.token).replace('acme_', 'acne_')) },
    { name: 'a deleted key', token: deleted.token },
    { name: 'a revoked key with another secret', token: newToken('acme', revoked.id) },
    { name: 'a disabled key with another secret', token: newToken('acme', disabled.id) },
    { name: 'a key of a keyspace out of reach', token: elsewhere.token },
    {
      name: 'a key of a keyspace out of reach, where another is named',
      token: elsewhere.token,
      keyspaceId,
    },
    { name: 'a key of another keyspace than the one named', token: ofSecond.token, keyspaceId },
    { name: 'a key whose keyspace was deleted', token: ofGone.token },
    { name: 'a root token', token: server.rootToken },
    { name: "the caller's own root token", token: caller.token },
  ];
});

function ask(token: string, keyspaceId: string | undefined, caller: string): Promise<RawAnswer> {
  const message = VerifyRequest.encode(VerifyRequest.fromPartial({ token, keyspaceId })).finish();
  const connection = served().raw(caller);
  return connection
    .call({ path: '/latchkey.v1.VerifyService/Verify', message })
    .finally(() => connection.close());
}

describe('NOT_FOUND', () => {
  test('is the same answer, byte by byte, whatever the reason is, from the database and from memory', async () => {
    const answers: { name: string; answer: RawAnswer }[] = [];
    for (const from of ['the database', 'memory']) {
      for (const { name, token, keyspaceId } of cases) {
        answers.push({
          name: `${name}, from ${from}`,
          answer: await ask(token, keyspaceId, confinedToken),
        });
      }
    }
    const [first] = answers;
    const response = VerifyResponse.decode(first?.answer.messages[0] ?? Buffer.alloc(0));
    expect(response).toEqual({
      ...VerifyResponse.fromPartial({ verdict: Verdict.VERDICT_NOT_FOUND }),
      revision: response.revision,
    });
    for (const { name, answer } of answers) {
      expect(answer.messages, name).toEqual(first?.answer.messages);
      expect(answer.headers, name).toEqual(first?.answer.headers);
      expect(answer.reset, name).toBe('NGHTTP2_NO_ERROR');
    }
    expect(answers).toHaveLength(2 * cases.length);
  });

  test('is only for those who may not know: a caller with access to all is told of a key elsewhere', async () => {
    const { latchkey } = served();
    const elsewhere = cases.find(({ name }) => name === 'a key of a keyspace out of reach');
    expect(await latchkey.verify({ token: elsewhere?.token ?? '' })).toMatchObject({ verdict: 'VALID' });
  });

  test('is remembered for an id that never was: asked again, it costs no look-up', async () => {
    const { latchkey, metric } = served();
    const token = newToken('acme', newId('key'));
    const before = await metric('latchkey_key_loads');
    for (let again = 0; again < 3; again += 1) {
      expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'NOT_FOUND' });
    }
    expect(await metric('latchkey_key_loads')).toBe(before + 1);
  });

  test('stays so for a wrong secret, and the right one goes on passing', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    for (let again = 0; again < 3; again += 1) {
      expect(await latchkey.verify({ token: newToken('acme', id) })).toMatchObject({ verdict: 'NOT_FOUND' });
      expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
    }
  });
});
