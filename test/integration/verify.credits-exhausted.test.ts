import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeepPartial, Limit } from '../../proto/gen/latchkey/v1/key.ts';
import { Verdict } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { startServer, type TestServer } from '../support/start-server.ts';
import { createDataDirectory } from '../support/temporary-directory.ts';
import { openServed, type Served } from './support/serve-latchkey.ts';

const credits = (initial: bigint): DeepPartial<Limit> => ({
  name: 'pool',
  kind: { $case: 'credits', value: { initial } },
});
const rate = (limit: bigint): DeepPartial<Limit> => ({
  name: 'calls',
  kind: { $case: 'rate', value: { limit, window: { seconds: 3600n, nanos: 0 } } },
});

describe.each(['the embedded engine', 'Postgres'])('on %s', (engine) => {
  let database: TestDatabase | undefined;
  let directory: Awaited<ReturnType<typeof createDataDirectory>>;
  let served: Served & { close(): Promise<void> };
  const start = (): Promise<TestServer> =>
    startServer({
      dataDir: directory.path,
      ...(database === undefined ? {} : { databaseUrl: database.url }),
    });
  beforeAll(async () => {
    database = engine === 'Postgres' ? await createDatabase() : undefined;
    directory = await createDataDirectory();
    served = await openServed(await start());
  });
  afterAll(async () => {
    await served.close();
    await database?.drop();
    await directory.remove();
  });

  const subjectOf = (id: string) => ({ subject: { $case: 'keyId' as const, value: id } });
  async function leftOf(id: string): Promise<readonly (bigint | undefined)[]> {
    const { limits } = await served.root.limits.getLimitStatus({ subject: subjectOf(id) });
    return limits.map(({ status }) => status?.remaining);
  }

  test('a key passes as often as it has credits; then it is refused without a time to come back', async () => {
    const { id, token } = await served.issue({ limits: [credits(3n)] });
    for (let left = 2n; left >= 0n; left -= 1n)
      expect(await served.root.verify.verify({ token })).toMatchObject({
        valid: true,
        limits: [
          {
            name: 'pool',
            limit: 3n,
            remaining: left,
            refused: false,
            window: undefined,
            resetTime: undefined,
          },
        ],
      });
    for (let call = 0; call < 3; call += 1)
      expect(await served.root.verify.verify({ token })).toMatchObject({
        valid: false,
        verdict: Verdict.VERDICT_CREDITS_EXHAUSTED,
        key: { id },
        limits: [{ name: 'pool', remaining: 0n, refused: true }],
        retryAfter: undefined,
      });
    expect(await leftOf(id)).toEqual([0n]);
  });

  test('credits that are added are there at once; a balance that is set voids what was held', async () => {
    const { id, token } = await served.issue({ limits: [credits(1n)] });
    const adjust = (change: { $case: 'add' | 'set'; value: bigint }) =>
      served.root.limits.adjustCredits({ subject: subjectOf(id), limit: 'pool', change });
    const spend = async (): Promise<number> => {
      for (let spent = 0; ; spent += 1) if (!(await served.root.verify.verify({ token })).valid) return spent;
    };
    expect(await spend()).toBe(1);
    await adjust({ $case: 'add', value: 4n });
    expect(await spend()).toBe(4);
    await adjust({ $case: 'set', value: 500n });
    for (let call = 0; call < 100; call += 1) await served.root.verify.verify({ token });
    await adjust({ $case: 'set', value: 2n });
    expect(await spend()).toBe(2);
  });

  test('a rate limit that refuses takes no credits, and is named before a balance', async () => {
    const { id, token } = await served.issue({ limits: [credits(2n), rate(2n)] });
    for (let call = 0; call < 2; call += 1) await served.root.verify.verify({ token });
    expect((await served.root.verify.verify({ token })).verdict).toBe(Verdict.VERDICT_RATE_LIMITED);
    const other = await served.issue({ limits: [credits(9n), rate(2n)] });
    for (let call = 0; call < 8; call += 1) await served.root.verify.verify({ token: other.token });
    await expect.poll(() => leftOf(other.id), { timeout: 6000 }).toEqual([0n, 7n]);
    expect(await leftOf(id)).toEqual([0n, 0n]);
  });

  // Last: the server of this file is another one after it.
  test('a server that is stopped has given back all that it had leased and not spent', async () => {
    const { id, token } = await served.issue({ limits: [credits(100_000n), rate(100_000n)] });
    const requests = Array.from({ length: 250 }, () => ({ token }));
    for (let batch = 0; batch < 3; batch += 1) {
      const { responses } = await served.root.verify.batchVerify({ requests });
      expect(
        responses.filter(({ result }) => result?.$case === 'response' && result.value.valid),
      ).toHaveLength(250);
    }
    await served.close();
    served = await openServed(await start());
    // In the order of their names: calls, pool.
    expect(await leftOf(id)).toEqual([99_250n, 99_250n]);
  });
});
