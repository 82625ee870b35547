import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { captureLogger } from '../../support/capture-logger.ts';
import { failureOf } from '../../support/failure-of.ts';
import {
  CALL_MS,
  MAX_STALENESS_MS,
  POLL_MS,
  SLACK_MS,
  startBehindProxy,
  type ServerBehindProxy,
} from './server-behind-proxy.ts';
import { observe, watchVerdicts } from './watch-verdicts.ts';

const UNAVAILABLE = {
  code: status.UNAVAILABLE,
  reason: 'DATABASE_UNAVAILABLE',
  domain: 'latchkey',
  retryAfterMs: 1000,
};

const log = captureLogger();
let subject: ServerBehindProxy;

beforeAll(async () => {
  subject = await startBehindProxy({ server: { logger: log.logger } });
});
afterAll(() => subject.close());

/** Three ways to lose a database. */
describe.each<[string, () => void]>([
  [
    'refuses connections and has reset those there were',
    () => {
      subject.proxy.refuse();
      subject.proxy.cut();
    },
  ],
  ['resets every connection, old and new', () => subject.proxy.reset()],
  ['is cut off and says nothing (half-open)', () => subject.proxy.stall()],
])('when the database %s', (_, breakIt) => {
  let warm: { readonly id: string; readonly token: string };
  let cold: { readonly id: string; readonly token: string };

  beforeEach(async () => {
    [warm, cold] = [await subject.createKey(), await subject.createKey()];
    expect((await observe(subject.clients, warm.token)).verdict).toBe('VERDICT_VALID');
  });
  afterEach(async () => {
    await subject.proxy.pass();
    await subject.memoryAnswers();
  });

  it('answers a warm key from memory up to the bound of staleness and not a moment longer, then is UNAVAILABLE', async () => {
    const brokenMs = performance.now();
    breakIt();
    const observations = await watchVerdicts(
      subject.clients,
      warm.token,
      ({ failure }) => failure !== undefined,
    );
    const valid = observations.slice(0, -1);
    const refused = observations.at(-1)!;

    // The last answer of the database came before it broke, so this bound has no slack.
    for (const { sentMs, verdict } of valid) {
      expect(verdict).toBe('VERDICT_VALID');
      expect(sentMs - brokenMs).toBeLessThan(MAX_STALENESS_MS);
    }
    expect(refused.failure).toMatchObject(UNAVAILABLE);
    expect(refused.answeredMs - refused.sentMs).toBeLessThan(CALL_MS + SLACK_MS);
    // The last successful look was at most a poll and a busy moment before.
    expect(refused.sentMs - brokenMs).toBeGreaterThan(MAX_STALENESS_MS - POLL_MS - SLACK_MS);
  });

  it('is UNAVAILABLE within bounds for whatever needs the database, and heals by itself', async () => {
    const { clients, keyspaceId } = subject;
    breakIt();
    const calls: Readonly<Record<string, Parameters<typeof failureOf>[0]>> = {
      'verify of a cold key': (options) => clients.verify.verify({ token: cold.token }, options),
      'create key': (options) => clients.keys.createKey({ key: { keyspaceId } }, options),
      'revoke key': (options) => clients.keys.revokeKey({ id: warm.id }, options),
      'get key': (options) => clients.keys.getKey({ id: warm.id }, options),
      'list keys': (options) => clients.keys.listKeys({}, options),
      'list keyspaces': (options) => clients.keyspaces.listKeyspaces({}, options),
    };
    const results = await Promise.all(
      Object.entries(calls).map(async ([name, call]) => {
        const startMs = performance.now();
        const failure = await failureOf(call);
        return { name, failure, tookMs: performance.now() - startMs };
      }),
    );
    for (const { name, failure, tookMs } of results) {
      expect({ name, ...failure }).toMatchObject({ name, ...UNAVAILABLE });
      expect({ name, inTime: tookMs < CALL_MS + SLACK_MS, tookMs }).toMatchObject({ inTime: true });
    }

    await subject.proxy.pass();
    const healedMs = performance.now();
    const back = await watchVerdicts(clients, cold.token, ({ verdict }) => verdict !== undefined);
    expect(back.at(-1)?.verdict).toBe('VERDICT_VALID');
    expect(performance.now() - healedMs).toBeLessThan(2 * CALL_MS);
    const { key } = await clients.keys.revokeKey({ id: cold.id });
    expect(key?.id).toBe(cold.id);
    expect((await observe(clients, cold.token)).verdict).toBe('VERDICT_REVOKED');
  });

  it('answers the warm keys of a batch, and says of each other that it could not', async () => {
    // What is not of our shape is no token only if nothing was imported: that must be in memory too.
    expect((await observe(subject.clients, 'none')).verdict).toBe('VERDICT_MALFORMED');
    breakIt();
    const { responses } = await subject.clients.verify.batchVerify({
      requests: [{ token: warm.token }, { token: cold.token }, { token: 'none' }, { token: '' }],
    });
    expect(responses.map(({ result }) => result?.$case)).toEqual([
      'response',
      'status',
      'response',
      'response',
    ]);
    expect(responses[1]).toMatchObject({ result: { value: { code: status.UNAVAILABLE } } });
  });
});

it('says of an outage when it begins and when it ends, and no more', () => {
  const told = log.records().map(({ msg }) => msg);
  const begun = told.filter((msg) => msg === 'database.unavailable').length;
  const ended = told.filter((msg) => msg === 'database.recovered').length;
  expect(begun).toBeGreaterThanOrEqual(1);
  expect(begun).toBeLessThanOrEqual(9);
  expect(ended).toBe(begun);
});
