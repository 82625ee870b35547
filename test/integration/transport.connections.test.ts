import { once } from 'node:events';
import { constants } from 'node:http2';
import { describe, expect, test } from 'vitest';
import { serveLatchkey } from './support/serve-latchkey.ts';

const SECOND_MS = 1000;
const VERIFY = '/latchkey.v1.VerifyService/Verify';

/** Verifies without a pause, with no retries, until `ended`; returns how often. A failed call fails the test. */
async function verifyUntil(ended: Promise<unknown>, verify: () => Promise<unknown>): Promise<number> {
  let over = false;
  void ended.then(() => (over = true));
  let calls = 0;
  for (; !over; calls += 1) await verify();
  return calls;
}

describe('a connection that is old', () => {
  const served = serveLatchkey({
    env: { LATCHKEY_CONNECTION_AGE_MS: '1000', LATCHKEY_CONNECTION_AGE_GRACE_MS: '5000' },
  });

  test('is told to go, finishes what it has, and clients come again without a failed call', async () => {
    const { raw, clients, server } = served();
    const { session, call } = raw();
    const startMs = performance.now();
    const goaway = once(session, 'goaway');
    await call({ path: VERIFY, message: new Uint8Array() });
    // A call that is open when the connection grows old, and gets its answer all the same.
    const watching = session.request({
      ':method': 'POST',
      ':path': VERIFY,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${server.rootToken}`,
    });
    const client = clients(server.rootToken);
    const calls = await verifyUntil(goaway, () => client.verify.verify({ token: 'x' }));
    const [code] = (await goaway) as [number];
    expect(code).toBe(constants.NGHTTP2_NO_ERROR);
    const ageMs = performance.now() - startMs;
    expect(ageMs).toBeGreaterThan(SECOND_MS * 0.85);
    expect(ageMs).toBeLessThan(SECOND_MS * 5);
    expect(calls).toBeGreaterThan(10);

    const answered = once(watching, 'response');
    watching.end(Buffer.alloc(5));
    watching.resume();
    const [headers] = (await answered) as [Record<string, unknown>];
    expect(headers[':status']).toBe(200);
    // The client's own connection has been told too by now, or will be.
    await verifyUntil(once(session, 'close'), () => client.verify.verify({ token: 'x' }));
  });
});

describe('a connection without calls', () => {
  const served = serveLatchkey({
    env: {
      LATCHKEY_KEEPALIVE_TIME_MS: '1000',
      LATCHKEY_CONNECTION_IDLE_MS: '1500',
      LATCHKEY_MAX_CONCURRENT_STREAMS: '7',
    },
  });

  test('is asked whether it lives, then closed, and its client comes again when it has something to ask', async () => {
    const { raw, clients, server } = served();
    const client = clients(server.rootToken);
    await client.verify.verify({ token: 'x' });
    const { session, call } = raw();
    await call({ path: VERIFY, message: new Uint8Array() });
    const startMs = performance.now();
    const goaway = once(session, 'goaway');
    const [payload] = (await once(session, 'ping')) as [Buffer];
    expect(payload).toHaveLength(8);
    const [code] = (await goaway) as [number];
    expect(code).toBe(constants.NGHTTP2_NO_ERROR);
    expect(performance.now() - startMs).toBeGreaterThan(1.5 * SECOND_MS * 0.85);
    expect((await client.verify.verify({ token: 'x' })).valid).toBe(false);
  });

  test('is told how many it may have at a time; of many more all are answered', async () => {
    const { raw, root } = served();
    const { session } = raw();
    if (session.connecting) await once(session, 'remoteSettings');
    expect(session.remoteSettings.maxConcurrentStreams).toBe(7);
    const answers = await Promise.all(Array.from({ length: 100 }, () => root.verify.verify({ token: 'x' })));
    expect(answers).toHaveLength(100);
  });
});
