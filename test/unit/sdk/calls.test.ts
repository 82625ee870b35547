import { inspect } from 'node:util';
import { Status } from 'nice-grpc';
import { afterEach, describe, expect, it } from 'vitest';
import { HealthCheckResponse_ServingStatus as ServingStatus } from '../../../proto/gen/grpc/health/v1/health.ts';
import { createLatchkey, LatchkeyError } from '../../../sdk/src/index.ts';
import { CANARY, fail, keyMessage, startFakeLatchkey, type FakeLatchkey } from './fake-latchkey.ts';

let fake: FakeLatchkey;
afterEach(() => fake.stop());

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('every call', () => {
  it('carries the token in its metadata', async () => {
    let authorization: string | undefined;
    fake = await startFakeLatchkey({
      getKey(_request, { metadata }) {
        authorization = metadata.get('authorization');
        return Promise.resolve({ key: keyMessage() });
      },
    });
    await fake.client.keys.get('key_1');
    expect(authorization).toBe(`Bearer ${CANARY}`);
  });

  it('fails with what the trailer says', async () => {
    fake = await startFakeLatchkey({
      deleteKeyspace: (_request, context) =>
        fail(context, Status.FAILED_PRECONDITION, 'still has 2 keys', {
          reason: 'KEYSPACE_IN_USE',
          metadata: { keys: '2' },
        }),
    });
    await expect(fake.client.keyspaces.delete('ks_1')).rejects.toMatchObject({
      name: 'LatchkeyError',
      message: 'DeleteKeyspace: still has 2 keys [FAILED_PRECONDITION KEYSPACE_IN_USE]',
      code: 'FAILED_PRECONDITION',
      reason: 'KEYSPACE_IN_USE',
      metadata: { keys: '2' },
    });
  });

  it('leaves neither the root token nor the verified token in its error', async () => {
    fake = await startFakeLatchkey({
      verify: (_request, context) =>
        fail(context, Status.UNAUTHENTICATED, 'not valid', { reason: 'CALLER_UNKNOWN' }),
    });
    const error = await errorOf(fake.client.verify({ token: 'SECRET_OF_A_CLIENT' }));
    expect(error).toBeInstanceOf(LatchkeyError);
    const text = inspect(error, { depth: 20, showHidden: true });
    expect(text).not.toContain('CANARY');
    expect(text).not.toContain('SECRET_OF_A_CLIENT');
  });

  it('ends with CANCELLED and the reason of its signal, before and during the call', async () => {
    let arrived = (): void => undefined;
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    fake = await startFakeLatchkey({
      getKey() {
        arrived();
        return new Promise(() => {});
      },
    });
    const cause = new Error('the client went away');
    const before = await errorOf(fake.client.keys.get('key_1', { signal: AbortSignal.abort(cause) }));
    expect(before).toMatchObject({ code: 'CANCELLED', reason: 'CANCELLED', cause });

    const controller = new AbortController();
    const during = errorOf(fake.client.keys.get('key_1', { signal: controller.signal }));
    await isThere;
    controller.abort(cause);
    expect(await during).toMatchObject({ code: 'CANCELLED', reason: 'CANCELLED', cause });
  });

  it('fails with CLIENT_CLOSED once the client is closed', async () => {
    fake = await startFakeLatchkey({});
    fake.client[Symbol.dispose]();
    await expect(fake.client.verify({ token: 't' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'CLIENT_CLOSED',
    });
    const [entry] = await fake.client.verifyBatch([{ token: 't' }]);
    expect(entry).toMatchObject({ reason: 'CLIENT_CLOSED' });
  });

  it('finishes if it was under way when the client was closed', async () => {
    let answer = (): void => undefined;
    const closed = new Promise<void>((resolve) => (answer = resolve));
    let arrived = (): void => undefined;
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    fake = await startFakeLatchkey({
      async getKey() {
        arrived();
        await closed;
        return { key: keyMessage() };
      },
    });
    const call = fake.client.keys.get('key_1');
    await isThere;
    fake.client.close();
    answer();
    await expect(call).resolves.toMatchObject({ state: 'ACTIVE' });
  });

  it('reaches a server that was restarted, without a new client', async () => {
    const answers = { getKey: () => Promise.resolve({ key: keyMessage() }) };
    fake = await startFakeLatchkey(answers);
    await fake.client.keys.get('key_1');
    await fake.crash();
    const restarted = await startFakeLatchkey(answers, { port: fake.port });
    try {
      await expect(fake.client.keys.get('key_1')).resolves.toMatchObject({ state: 'ACTIVE' });
    } finally {
      await restarted.stop();
    }
  });
});

describe('two clients of one server', () => {
  it('do not close each other', async () => {
    const answers = { getKey: () => Promise.resolve({ key: keyMessage() }) };
    fake = await startFakeLatchkey(answers);
    const other = createLatchkey({ address: `127.0.0.1:${fake.port}`, token: CANARY, tls: false });
    try {
      await other.keys.get('key_1');
      await fake.client.keys.get('key_1');
      fake.client.close();
      await expect(other.keys.get('key_1')).resolves.toMatchObject({ state: 'ACTIVE' });
    } finally {
      other.close();
    }
  });
});

describe('health', () => {
  it.each([
    [ServingStatus.SERVING, 'SERVING'],
    [ServingStatus.NOT_SERVING, 'NOT_SERVING'],
    [ServingStatus.SERVICE_UNKNOWN, 'NOT_SERVING'],
    [ServingStatus.UNKNOWN, 'NOT_SERVING'],
  ] as const)('of status %i is %s', async (status, health) => {
    fake = await startFakeLatchkey({ check: () => Promise.resolve({ status }) });
    await expect(fake.client.health()).resolves.toBe(health);
  });
});
