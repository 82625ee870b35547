import { create, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { createReflectionClient, type ReflectionClient } from './support/reflection-client.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const OURS = [
  'latchkey.v1.VerifyService',
  'latchkey.v1.KeyService',
  'latchkey.v1.KeyspaceService',
  'latchkey.v1.PolicyService',
  'latchkey.v1.OwnerService',
  'latchkey.v1.ReplicaService',
];
const NOT_FOUND = 5;

const served = serveLatchkey();

describe.each(['v1', 'v1alpha'] as const)('reflection %s', (version) => {
  /** As anybody: without a token. */
  const client = (): ReflectionClient => createReflectionClient(served().raw(null), version);

  test('lists our services and health', async () => {
    const services = await client().listServices();
    expect(services).toEqual(expect.arrayContaining([...OURS, 'grpc.health.v1.Health']));
  });

  test.each([
    ['latchkey.v1.VerifyService', 'VerifyService answers whether a token may pass.'],
    ['latchkey.v1.KeyService', 'KeyService manages keys.'],
    ['latchkey.v1.KeyspaceService', 'KeyspaceService manages keyspaces.'],
    ['latchkey.v1.VerifyRequest', 'VerifyRequest is one token and what its bearer wants to do.'],
    ['latchkey.v1.Key', 'Key is an API key: its owner, rules and state. It never holds a token.'],
    ['latchkey.v1.Verdict', 'The key has expired.'],
    [
      'latchkey.v1.KeyService.CreateKey',
      'CreateKey makes a key and returns its token, which is shown only here.',
    ],
    [
      'latchkey.v1.ReplicaService',
      'ReplicaService shows operators whether all replicas follow the change log.',
    ],
    ['latchkey.v1.Propagation', 'Propagation says how far a change had come when its call was answered.'],
    ['latchkey.v1.KeyService.RotateKey', 'RotateKey gives a key a new secret and returns its token,'],
    ['latchkey.v1.Keyspace', 'The longest lifetime that a new key may be given. 1 second to 100 years.'],
  ])('knows %s with its comments', async (symbol, comment) => {
    const file = await client().fileOf(symbol);
    expect(file.package).toBe('latchkey.v1');
    const comments = (file.sourceCodeInfo?.location ?? []).map(({ leadingComments }) => leadingComments);
    expect(comments.join('\n').replace(/\n */g, ' ')).toContain(comment);
  });

  test('knows the messages that errors carry their details in', async () => {
    for (const name of ['ErrorInfo', 'BadRequest', 'RetryInfo', 'Status']) {
      const registry = await client().registryOf(`google.rpc.${name}`);
      expect(registry.getMessage(`google.rpc.${name}`)?.typeName).toBe(`google.rpc.${name}`);
    }
  });

  test('suffices for a stock client to make a call and to read the answer', async () => {
    const { issue, raw } = served();
    const { id, token } = await issue({ displayName: 'found by reflection' });
    const registry = await client().registryOf('latchkey.v1.VerifyService');
    const method = registry.getService('latchkey.v1.VerifyService')?.method['verify'];
    if (method === undefined) throw new Error('there is no such method');
    const answer = await raw().call({
      path: '/latchkey.v1.VerifyService/Verify',
      message: toBinary(method.input, create(method.input, { token })),
    });
    const response = fromBinary(method.output, answer.messages[0] ?? Buffer.alloc(0));
    expect(toJson(method.output, response, { registry })).toMatchObject({
      valid: true,
      verdict: 'VERDICT_VALID',
      key: { id, displayName: 'found by reflection' },
    });
  });

  test('says NOT_FOUND of what it does not know', async () => {
    await expect(client().fileOf('latchkey.v1.Nope')).rejects.toThrow(`answered ${NOT_FOUND}`);
  });
});

describe('reflection that is switched off', () => {
  const silent = serveLatchkey({ env: { LATCHKEY_REFLECTION: 'false' } });

  test.each(['v1', 'v1alpha'] as const)('is not served as %s, and everything else is', async (version) => {
    const { raw, root } = silent();
    await expect(createReflectionClient(raw(null), version).listServices()).rejects.toThrow(
      'reflection is not served: 12',
    );
    expect((await root.health.check({})).status).toBe(1);
    expect((await root.verify.verify({ token: 'x' })).valid).toBe(false);
  });
});
