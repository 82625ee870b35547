import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HealthCheckResponse_ServingStatus as ServingStatus } from '../../proto/gen/grpc/health/v1/health.ts';
import { captureLogger } from '../support/capture-logger.ts';
import { failureOf } from '../support/failure-of.ts';
import { startServer } from '../support/start-server.ts';
import { openServed, type Served } from './support/serve-latchkey.ts';

const GRACE_MS = 500;
const UNAVAILABLE = 14;

let served: Served & { close(): Promise<void> };
let stopping: Promise<void> | undefined;
const log = captureLogger();

beforeEach(async () => {
  const env = { LATCHKEY_SHUTDOWN_GRACE_MS: String(GRACE_MS) };
  served = await openServed(await startServer({ logger: log.logger, env }));
});

afterEach(async () => {
  await stopping;
  stopping = undefined;
  await served.close();
  expect(log.records().filter(({ level }) => level === 'error')).toEqual([]);
});

describe('a stop', () => {
  test('lets the calls that are under way finish, and takes no new ones', async () => {
    const { root, keyspaceId, server, clients } = served;
    let finished = 0;
    const calls = Array.from({ length: 40 }, async () => {
      const answer = await root.keys.createKey({ key: { keyspaceId } });
      finished += 1;
      return answer;
    });
    await Promise.race(calls);
    stopping = server.app.stop();
    expect(finished).toBeLessThan(40);
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(({ token }) => token)).size).toBe(40);
    await stopping;
    for (const client of [root, clients(server.rootToken)]) {
      expect((await failureOf((options) => client.verify.verify({ token: 'x' }, options))).code).toBe(
        UNAVAILABLE,
      );
    }
  });

  test('with nothing under way does not wait, and can be asked for again', async () => {
    const { root, server } = served;
    await root.verify.verify({ token: 'x' });
    const startMs = performance.now();
    await server.app.stop();
    expect(performance.now() - startMs).toBeLessThan(GRACE_MS);
    await server.app.stop();
  });

  test('is told to those who watch, and waits for a stuck call no longer than the grace', async () => {
    const { root, server, clients } = served;
    const watched: ServingStatus[] = [];
    let startMs = 0;
    const watching = (async () => {
      for await (const { status } of root.health.watch({})) {
        watched.push(status);
        if (status !== ServingStatus.SERVING) continue;
        startMs = performance.now();
        stopping = server.app.stop();
      }
    })().catch((error: unknown) => error);
    await expect
      .poll(() => watched, { interval: 5 })
      .toEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING]);

    // The load balancer sees it, the process is alive, and whoever comes now is sent elsewhere.
    expect((await fetch(`${server.httpAddress}/readyz`)).status).toBe(503);
    expect((await fetch(`${server.httpAddress}/livez`)).status).toBe(200);
    const late = clients(server.rootToken);
    expect((await failureOf((options) => late.verify.verify({ token: 'x' }, options))).code).toBe(
      UNAVAILABLE,
    );

    await stopping;
    const waitedMs = performance.now() - startMs;
    expect(waitedMs).toBeGreaterThan(GRACE_MS - 50);
    expect(waitedMs).toBeLessThan(GRACE_MS + 5000);
    expect(await watching).toBeInstanceOf(Error);
    await expect(fetch(`${server.httpAddress}/livez`)).rejects.toThrow('fetch failed');
  });
});
