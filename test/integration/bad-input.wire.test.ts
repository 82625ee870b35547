import { once } from 'node:events';
import { connect } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  CreateKeyRequest,
  CreateKeyResponse,
  GetKeyResponse,
} from '../../proto/gen/latchkey/v1/key_service.ts';
import { VerifyRequest, VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { captureLogger } from '../support/capture-logger.ts';
import { encodeRequest, RPCS, rpcOf } from './support/contract.ts';
import { frame, type RawAnswer, type RawCall } from './support/raw-connection.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const log = captureLogger();
const served = serveLatchkey({ logger: log.logger });

const VERIFY = '/latchkey.v1.VerifyService/Verify';
const LIST = '/latchkey.v1.KeyService/ListKeys';
/** The one that the express lane takes, and one that only the ordinary handler does. */
const BOTH = [VERIFY, LIST] as const;

const [OK, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL] = [0, 8, 12, 13];
const MESSAGE_MAX = 4 * 1024 * 1024;

let verifyMessage: Uint8Array;
/** A request that each of the two takes. */
const goodFor = (path: string): Uint8Array => (path === VERIFY ? verifyMessage : new Uint8Array());

beforeAll(async () => {
  const { token } = await served().issue();
  verifyMessage = VerifyRequest.encode(VerifyRequest.fromPartial({ token })).finish();
});

/** A call on a connection of its own. */
async function call(options: RawCall): Promise<RawAnswer> {
  const connection = served().raw();
  const answer = await connection.call(options);
  connection.close();
  return answer;
}

afterEach(async () => {
  // Whatever came: the next client is served, and nothing was a defect.
  for (const path of BOTH) expect((await call({ path, message: goodFor(path) })).code).toBe(OK);
  const serious = log.records().filter(({ level }) => level === 'error' || level === 'warn');
  expect(serious).toEqual([]);
});

describe('bytes that are no message', () => {
  test.each([
    ['ones', Buffer.alloc(64, 0xff)],
    ['a field that is longer than the message', Buffer.from([0x0a, 0x7f, 0x01])],
    ['a wire type that there is not', Buffer.from([0x0f, 0x01])],
    ['a group that does not end', Buffer.from([0x0b, 0x08, 0x01])],
    ['a number that does not end', Buffer.alloc(20, 0x88)],
    ['text', Buffer.from('{"token":"x"}')],
  ])('(%s) fail the call, by every RPC', async (_name, message) => {
    const connection = served().raw();
    for (const { path } of RPCS) {
      const answer = await connection.call({ path, message });
      // What gRPC says of a message that cannot be read: https://grpc.io/docs/guides/status-codes/
      expect(answer.code, path).toBe(INTERNAL);
      expect(answer.message, path).toBe('Error deserializing request');
    }
    connection.close();
  });

  test('with fields that this version does not know are read without them', async () => {
    const unknown = Buffer.from([0xc2, 0x3e, 0x03, 0x61, 0x62, 0x63, 0xc8, 0x3e, 0x01]);
    const answer = await call({ path: VERIFY, message: Buffer.concat([verifyMessage, unknown]) });
    expect(VerifyResponse.decode(answer.messages[0] ?? Buffer.alloc(0)).valid).toBe(true);
  });

  test('of a text that is not UTF-8 are never stored as they are', async () => {
    const { keyspaceId } = served();
    const name = Buffer.from([0x61, 0xc3, 0x28, 0xff]);
    const key = Buffer.concat([
      CreateKeyRequest.encode(CreateKeyRequest.fromPartial({ key: { keyspaceId } }))
        .finish()
        .subarray(2),
      Buffer.from([0x1a, name.length]),
      name,
    ]);
    const answer = await call({
      path: '/latchkey.v1.KeyService/CreateKey',
      message: Buffer.concat([Buffer.from([0x0a, key.length]), key]),
    });
    expect([OK, INTERNAL]).toContain(answer.code);
    if (answer.code !== OK) return;
    const created = CreateKeyResponse.decode(answer.messages[0] ?? Buffer.alloc(0)).key;
    expect(created?.displayName).toBe('a\ufffd(\ufffd');
    const read = await call({
      path: '/latchkey.v1.KeyService/GetKey',
      message: encodeRequest(rpcOf('KeyService/GetKey'), { id: created?.id }),
    });
    expect(GetKeyResponse.decode(read.messages[0] ?? Buffer.alloc(0)).key).toEqual(created);
  });

  test('of metadata whose name every object has are kept or refused, never lost', async () => {
    const { keyspaceId } = served();
    const entry = Buffer.from([0x0a, 9, ...Buffer.from('__proto__'), 0x12, 1, 0x78]);
    const key = Buffer.concat([
      CreateKeyRequest.encode(CreateKeyRequest.fromPartial({ key: { keyspaceId } }))
        .finish()
        .subarray(2),
      Buffer.from([0x62, entry.length]),
      entry,
    ]);
    const answer = await call({
      path: '/latchkey.v1.KeyService/CreateKey',
      message: Buffer.concat([Buffer.from([0x0a, key.length]), key]),
    });
    if (answer.code === OK) expect(answer.messages[0]?.includes('__proto__')).toBe(true);
    else expect(answer.code).toBe(3);
  });
});

describe.each(BOTH)('%s', (path) => {
  test('without a message, or with less than one, is UNIMPLEMENTED', async () => {
    const whole = frame(Buffer.alloc(10));
    for (const body of [undefined, whole.subarray(0, 3), whole.subarray(0, 5), whole.subarray(0, 9)]) {
      const answer = await call({ path, ...(body === undefined ? {} : { body }) });
      expect(answer.code).toBe(UNIMPLEMENTED);
    }
  });

  test('with two messages is answered once', async () => {
    const one = frame(goodFor(path));
    const answer = await call({ path, body: Buffer.concat([one, one]) });
    expect(answer.messages.length).toBe(answer.code === OK ? 1 : 0);
    expect([OK, UNIMPLEMENTED]).toContain(answer.code);
  });

  test('with a message over the limit is RESOURCE_EXHAUSTED, also if it only says so', async () => {
    const lie = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0x01]);
    for (const body of [frame(Buffer.alloc(MESSAGE_MAX + 1)), lie]) {
      const answer = await call({ path, body });
      expect(answer.code).toBe(RESOURCE_EXHAUSTED);
      expect(answer.messages).toEqual([]);
    }
  });

  test('with a message at the limit is read', async () => {
    // An unknown field that fills the message: its tag, a length of four bytes, and so many bytes.
    const length = MESSAGE_MAX - goodFor(path).length - 6;
    const field = Buffer.from([
      0xc2,
      0x3e,
      (length & 0x7f) | 0x80,
      ((length >> 7) & 0x7f) | 0x80,
      ((length >> 14) & 0x7f) | 0x80,
      length >> 21,
    ]);
    const message = Buffer.concat([goodFor(path), field, Buffer.alloc(length)]);
    expect(message).toHaveLength(MESSAGE_MAX);
    expect((await call({ path, message })).code).toBe(OK);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const)('with a message in %s is read', async (encoding, compress) => {
    const body = frame(compress(goodFor(path)), true);
    const answer = await call({ path, body, headers: { 'grpc-encoding': encoding } });
    expect(answer.code).toBe(OK);
    if (path === VERIFY) {
      expect(VerifyResponse.decode(answer.messages[0] ?? Buffer.alloc(0)).valid).toBe(true);
    }
  });

  test('with a message that is not what its encoding says fails', async () => {
    const cases: [string, Uint8Array, number][] = [
      ['gzip', Buffer.from('hello'), INTERNAL],
      ['gzip', gzipSync(Buffer.alloc(1000)).subarray(0, 15), INTERNAL],
      ['snappy', Buffer.from('hello'), UNIMPLEMENTED],
    ];
    for (const [encoding, bytes, code] of cases) {
      const answer = await call({ path, body: frame(bytes, true), headers: { 'grpc-encoding': encoding } });
      expect(answer.code).toBe(code);
    }
  });

  test('with a small message that unpacks to a huge one is RESOURCE_EXHAUSTED before it is huge', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 1 });
    expect(bomb.length).toBeLessThan(MESSAGE_MAX);
    const before = process.memoryUsage().arrayBuffers;
    const answer = await call({ path, body: frame(bomb, true), headers: { 'grpc-encoding': 'gzip' } });
    expect(answer.code).toBe(RESOURCE_EXHAUSTED);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
  });

  test('with metadata over its bound is refused', async () => {
    const one = { 'x-large': 'x'.repeat(1_000_000) };
    const many = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`x-part-${index}`, 'x'.repeat(2000)]),
    );
    const little = { 'x-over': 'x'.repeat(16_384) };
    for (const headers of [one, many, little]) {
      const answer = await call({ path, message: goodFor(path), headers });
      expect(answer.code).not.toBe(OK);
      expect(answer.messages).toEqual([]);
    }
  });

  test('with more than 128 headers is refused', async () => {
    for (const count of [129, 10_000]) {
      const headers = Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y']));
      const answer = await call({ path, message: goodFor(path), headers });
      expect(answer.code).toBeUndefined();
      expect(answer.reset).toBe('NGHTTP2_ENHANCE_YOUR_CALM');
    }
  });

  test('with much metadata within the bounds is answered', async () => {
    const headers = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`x-${index}`, 'y'.repeat(100)]),
    );
    expect((await call({ path, message: goodFor(path), headers })).code).toBe(OK);
  });

  test('in another way than gRPC’s is refused', async () => {
    const message = goodFor(path);
    expect((await call({ path, message, headers: { 'content-type': 'text/plain' } })).httpStatus).toBe(415);
    expect((await call({ path, message, headers: { 'grpc-timeout': 'soon' } })).code).toBe(INTERNAL);
  });
});

describe('a method that there is not', () => {
  test.each([
    '/',
    '/a/b',
    '/latchkey.v1.KeyService/Nope',
    '/latchkey.v1.KeyService/__proto__',
    '/latchkey.v1.KeyService',
  ])('(%s) is UNIMPLEMENTED', async (path) => {
    expect((await call({ path, message: new Uint8Array() })).code).toBe(UNIMPLEMENTED);
  });
});

describe('a connection that speaks', () => {
  test.each([
    ['HTTP/1.1', 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'],
    ['nonsense', '\u0000\u0001\u0002'.repeat(1000)],
    ['HTTP/2 that breaks off', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000'],
    ['HTTP/2 with a broken frame', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\u00ff'.repeat(100)}`],
  ])('%s disturbs nobody', async (_name, text) => {
    const [host = '', port = ''] = served().server.address.split(':');
    const socket = connect(Number(port), host);
    socket.on('error', () => {});
    socket.end(Buffer.from(text, 'latin1'));
    socket.resume();
    await once(socket, 'close');
  });
});
