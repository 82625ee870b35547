import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { failureOf } from '../../support/failure-of.ts';
import { createTestClock, type TestClock } from '../../support/test-clock.ts';
import {
  CALL_MS,
  MAX_STALENESS_MS,
  SLACK_MS,
  startBehindProxy,
  type ServerBehindProxy,
} from './server-behind-proxy.ts';
import { observe, watchVerdicts } from './watch-verdicts.ts';

let subject: ServerBehindProxy;
let clock: TestClock | undefined;

beforeEach(async ({ task }) => {
  clock = task.name.includes('suspended') ? createTestClock() : undefined;
  subject = await startBehindProxy(clock === undefined ? {} : { server: { clock } });
});
afterEach(() => subject.close());

it('heals by itself after the network forgot every connection and lets new ones through', async () => {
  const { clients, proxy } = subject;
  const [one, other] = [await subject.createKey(), await subject.createKey()];
  // Several connections of the pool, all of which are lost.
  await Promise.all([1, 2, 3, 4].map(() => clients.keys.listKeys({})));
  expect(proxy.connections()).toBeGreaterThan(2);
  proxy.forget();

  const healed = await watchVerdicts(clients, one.token, ({ verdict }) => verdict !== undefined);
  expect(healed.at(-1)?.verdict).toBe('VERDICT_VALID');
  // Each lost connection costs one call that waits for it, and no more.
  for (let call = 0; call < 4; call += 1) await clients.keys.listKeys({}).catch(() => {});
  for (let call = 0; call < 4; call += 1) {
    const startMs = performance.now();
    await clients.keys.getKey({ id: other.id });
    expect(performance.now() - startMs).toBeLessThan(SLACK_MS);
  }
});

it('stops within bounds while its database says nothing', async () => {
  subject.proxy.stall();
  const startMs = performance.now();
  await subject.server.app.stop();
  expect(performance.now() - startMs).toBeLessThan(500 + CALL_MS + SLACK_MS);
});

it('does not answer from memory after it was suspended, before it has heard of its database', async () => {
  const { clients, proxy } = subject;
  const key = await subject.createKey();
  expect((await observe(clients, key.token)).verdict).toBe('VERDICT_VALID');
  proxy.stall();
  // The monotonic clock of a machine may stand still while it sleeps.
  clock?.suspend(MAX_STALENESS_MS - 1);
  expect((await observe(clients, key.token)).verdict).toBe('VERDICT_VALID');
  clock?.suspend(1);
  expect((await observe(clients, key.token)).failure?.code).toBe(status.UNAVAILABLE);
  await proxy.pass();
  const back = await watchVerdicts(clients, key.token, ({ verdict }) => verdict !== undefined);
  expect(back.at(-1)?.verdict).toBe('VERDICT_VALID');
});

it('tells UNAVAILABLE where the answer to a commit is lost, has forgotten the key, and answers the retry', async () => {
  const { clients, proxy, keyspaceId } = subject;
  const key = await subject.createKey();
  expect((await observe(clients, key.token)).verdict).toBe('VERDICT_VALID');

  const lost = proxy.loseAnswerTo('COMMIT');
  const failure = await failureOf((options) => clients.keys.revokeKey({ id: key.id }, options));
  await lost;
  expect(failure).toMatchObject({ code: status.UNAVAILABLE, reason: 'DATABASE_UNAVAILABLE' });
  // It did take place, and memory does not say otherwise.
  expect((await observe(clients, key.token)).verdict).toBe('VERDICT_REVOKED');

  const request = { key: { keyspaceId, displayName: 'once' }, requestId: crypto.randomUUID() };
  const lostAgain = proxy.loseAnswerTo('COMMIT');
  await failureOf((options) => clients.keys.createKey(request, options));
  await lostAgain;
  const first = await clients.keys.createKey(request);
  const second = await clients.keys.createKey(request);
  expect(second).toEqual(first);
  expect((await observe(clients, first.token)).verdict).toBe('VERDICT_VALID');
  const { keys } = await clients.keys.listKeys({ filter: { keyspaceId, search: 'once' } });
  expect(keys.map(({ id }) => id)).toEqual([first.key?.id]);
});
