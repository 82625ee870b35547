import { once, setMaxListeners } from 'node:events';
import { constants, type ClientHttp2Stream } from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../sdk/src/index.ts';
import { captureLogger } from '../support/capture-logger.ts';
import type { RawConnection } from './support/raw-connection.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const log = captureLogger();
const served = serveLatchkey({ logger: log.logger });

const VERIFY = '/latchkey.v1.VerifyService/Verify';
const LIST = '/latchkey.v1.KeyService/ListKeys';
const DEADLINE_EXCEEDED = '4';

afterEach(async () => {
  // Nobody's haste is a fault of the server, and the next call is served.
  expect(log.records().filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  expect(await served().latchkey.verify({ token: 'x' })).toMatchObject({ verdict: 'MALFORMED' });
});

/** Begins a call without sending its message. */
function begin({ session }: RawConnection, path: string, headers: Record<string, string>): ClientHttp2Stream {
  return session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${served().server.rootToken}`,
    ...headers,
  });
}

/** Keeps the one connection of the embedded database busy for a while. */
function busy(count: number): Promise<unknown> {
  const { root, keyspaceId } = served();
  return Promise.all(Array.from({ length: count }, () => root.keys.createKey({ key: { keyspaceId } })));
}

describe('a deadline', () => {
  test.each([VERIFY, LIST])('that passes before the message comes ends the call: %s', async (path) => {
    const stream = begin(served().raw(), path, { 'grpc-timeout': '50m' });
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(String(headers['grpc-status'])).toBe(DEADLINE_EXCEEDED);
    // Too late; it must not wake what was put to rest.
    stream.end(Buffer.alloc(5));
    stream.resume();
    await once(stream, 'close');
  });

  test.each([VERIFY, LIST])(
    'that has passed before the call ends it, or it is answered: %s',
    async (path) => {
      const connection = served().raw();
      for (const timeout of ['0n', '1n', '0H', '1u']) {
        const { code } = await connection.call({
          path,
          message: new Uint8Array(),
          headers: { 'grpc-timeout': timeout },
        });
        expect([0, Number(DEADLINE_EXCEEDED)]).toContain(code);
      }
    },
  );

  test('that passes while the database is busy ends the call, and no other', async () => {
    const { latchkey } = served();
    const others = busy(60);
    const late = Array.from({ length: 20 }, () => latchkey.keys.list({}, { deadlineMs: 5 }));
    const results = await Promise.allSettled(late);
    const reasons = results.map((result) =>
      result.status === 'rejected' && result.reason instanceof LatchkeyError ? result.reason.reason : 'OK',
    );
    expect(new Set(reasons)).toContain('DEADLINE_EXCEEDED');
    await others;
    expect((await latchkey.keys.list({ pageSize: 1 })).keys).toHaveLength(1);
  });
});

describe('a call that its client gives up', () => {
  test('ends, and leaves a change whole or not made at all', async () => {
    const { latchkey, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const controller = new AbortController();
    // So many calls with one signal are on purpose.
    setMaxListeners(0, controller.signal);
    const options = { signal: controller.signal };
    const calls = Array.from({ length: 60 }, (_, index) =>
      latchkey.keys.create({ keyspaceId, displayName: `${index}` }, options),
    );
    await Promise.race(calls);
    controller.abort();
    const results = await Promise.allSettled(calls);
    const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(made.length).toBeGreaterThan(0);
    expect(made.length).toBeLessThan(60);

    await busy(1);
    const listed = new Map<string, string>();
    for await (const key of latchkey.keys.listAll({ filter: { keyspaceId } }))
      listed.set(key.id, key.displayName);
    // Whoever has an answer has a key that works; of the others some were made, each at most once.
    for (const { key, token } of made) {
      expect(listed.get(key.id)).toBe(key.displayName);
      expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
    }
    expect(new Set(listed.values()).size).toBe(listed.size);
  });

  test('by a reset of its stream, in the middle of its message', async () => {
    const connection = served().raw();
    for (const path of [VERIFY, LIST]) {
      for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), Buffer.from([0, 0, 0, 0, 10, 1])]) {
        const stream = begin(connection, path, {});
        stream.on('error', () => {});
        if (bytes.length > 0) stream.write(bytes);
        await connection.call({ path: VERIFY, message: new Uint8Array() });
        stream.close(constants.NGHTTP2_CANCEL);
        await once(stream, 'close');
      }
    }
  });

  test('with its connection and all else that is on it', async () => {
    const { raw, root } = served();
    const others = busy(30);
    const connection = raw();
    await connection.call({ path: VERIFY, message: new Uint8Array() });
    const calls = Array.from({ length: 20 }, () =>
      connection.call({ path: LIST, message: new Uint8Array() }),
    );
    // They have arrived when one that was sent after them is answered.
    await connection.call({ path: VERIFY, message: new Uint8Array() });
    connection.session.destroy();
    for (const { code } of await Promise.all(calls)) expect(code).toBeUndefined();
    await others;
    expect(await root.keys.listKeys({ pageSize: 1 })).toHaveProperty('keys');
  });

  test('ends a watch', async () => {
    const { clients } = served();
    const client = clients(undefined);
    const controller = new AbortController();
    const watch = (async () => {
      for await (const { status } of client.health.watch({}, { signal: controller.signal })) {
        expect(status).toBe(1);
        controller.abort();
      }
    })();
    await expect(watch).rejects.toMatchObject({ name: 'AbortError' });
  });
});
