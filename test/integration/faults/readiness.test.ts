import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HealthCheckResponse_ServingStatus as Serving } from '../../../proto/gen/grpc/health/v1/health.ts';
import {
  CALL_MS,
  MAX_STALENESS_MS,
  startBehindProxy,
  type ServerBehindProxy,
} from './server-behind-proxy.ts';

/** How often the server sets its health, ms. */
const HEALTH_MS = 250;

let subject: ServerBehindProxy;
beforeAll(async () => {
  subject = await startBehindProxy();
});
afterAll(() => subject.close());

async function get(path: string): Promise<{ readonly code: number; readonly text: string }> {
  const response = await fetch(subject.server.httpAddress + path);
  return { code: response.status, text: await response.text() };
}

async function health(service: string): Promise<number> {
  return (await subject.clients.health.check({ service })).status;
}

/** All that tells of readiness: the probe, health of the server and of a service, and the gauge. */
async function readiness(): Promise<readonly unknown[]> {
  const { text } = await get('/metrics');
  return [
    (await get('/readyz')).code,
    await health(''),
    await health('latchkey.v1.VerifyService'),
    /^latchkey_memory_fresh (\d)$/m.exec(text)?.[1],
  ];
}

const READY = [200, Serving.SERVING, Serving.SERVING, '1'];
const NOT_READY = [503, Serving.NOT_SERVING, Serving.NOT_SERVING, '0'];

async function becomes(expected: readonly unknown[], withinMs: number): Promise<void> {
  const startMs = performance.now();
  let last = await readiness();
  while (JSON.stringify(last) !== JSON.stringify(expected) && performance.now() - startMs < withinMs) {
    await sleep(20);
    last = await readiness();
  }
  expect(last).toEqual(expected);
}

it('is ready, then not ready while the database is away, then ready again; and alive all the time', async () => {
  const { proxy } = subject;
  for (const breakIt of [
    () => {
      proxy.refuse();
      proxy.cut();
    },
    () => proxy.stall(),
  ]) {
    await becomes(READY, 2 * CALL_MS);
    const brokenMs = performance.now();
    breakIt();
    // A blip that memory bridges takes no replica out of service.
    expect(await readiness()).toEqual(READY);
    await becomes(NOT_READY, MAX_STALENESS_MS + 4 * HEALTH_MS);
    expect(performance.now() - brokenMs).toBeGreaterThan(MAX_STALENESS_MS / 2);
    expect((await get('/livez')).code).toBe(200);
    await proxy.pass();
    await becomes(READY, 2 * CALL_MS);
  }
});

it('tells a watcher of health of each turn', async () => {
  const { clients, proxy } = subject;
  await becomes(READY, 2 * CALL_MS);
  const stop = new AbortController();
  const seen: number[] = [];
  try {
    for await (const { status } of clients.health.watch({ service: '' }, { signal: stop.signal })) {
      seen.push(status);
      if (seen.length === 1) proxy.reset();
      if (seen.length === 2) await proxy.pass();
      if (seen.length === 3) break;
    }
  } finally {
    stop.abort();
  }
  expect(seen).toEqual([Serving.SERVING, Serving.NOT_SERVING, Serving.SERVING]);
});
