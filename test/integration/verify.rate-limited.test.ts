import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeepPartial, Limit } from '../../proto/gen/latchkey/v1/key.ts';
import { LimitScope, Verdict, type VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { startServer } from '../support/start-server.ts';
import { openServed, present, type Served } from './support/serve-latchkey.ts';

const rate = (name: string, limit: bigint, changes: DeepPartial<Limit> = {}): DeepPartial<Limit> => ({
  name,
  kind: { $case: 'rate', value: { limit, window: { seconds: 3600n, nanos: 0 } } },
  ...changes,
});

/** Name, remaining and whether it is why, of each. */
const told = ({ limits }: VerifyResponse) =>
  limits.map(({ name, remaining, refused }) => [name, remaining, refused]);

describe.each(['the embedded engine', 'Postgres'])('on %s', (engine) => {
  let database: TestDatabase | undefined;
  let served: Served & { close(): Promise<void> };
  beforeAll(async () => {
    database = engine === 'Postgres' ? await createDatabase() : undefined;
    served = await openServed(await startServer(database === undefined ? {} : { databaseUrl: database.url }));
  });
  afterAll(async () => {
    await served.close();
    await database?.drop();
  });

  let owners = 0;
  async function newOwner(...limits: DeepPartial<Limit>[]): Promise<string> {
    const id = `owner ${(owners += 1)}`;
    await served.root.owners.createOwner({ owner: { keyspaceId: served.keyspaceId, id, limits } });
    return id;
  }
  const verify = (token: string): Promise<VerifyResponse> => served.root.verify.verify({ token });

  test('a key passes as often as its limit says, and is then told when to come back', async () => {
    const { id, token } = await served.issue({ limits: [rate('calls', 5n)] });
    for (let left = 4n; left >= 0n; left -= 1n) {
      const { verdict, limits, retryAfter } = await verify(token);
      expect([verdict, retryAfter]).toEqual([Verdict.VERDICT_VALID, undefined]);
      expect(limits).toMatchObject([
        {
          name: 'calls',
          limit: 5n,
          remaining: left,
          scope: LimitScope.LIMIT_SCOPE_KEY,
          refused: false,
          window: { seconds: 3600n, nanos: 0 },
        },
      ]);
      expect(limits[0]?.resetTime?.getTime()).toBeGreaterThan(Date.now() + 3_500_000);
    }
    for (let call = 0; call < 3; call += 1) {
      const refused = await verify(token);
      expect(refused).toMatchObject({ valid: false, verdict: Verdict.VERDICT_RATE_LIMITED, key: { id } });
      expect(told(refused)).toEqual([['calls', 0n, true]]);
      expect(Number(refused.retryAfter?.seconds)).toBeGreaterThan(3500);
      expect(Number(refused.retryAfter?.seconds)).toBeLessThan(3601 + 180);
    }
    const { limits } = await served.root.limits.getLimitStatus({
      subject: { subject: { $case: 'keyId', value: id } },
    });
    expect(limits.map(({ status }) => status?.remaining)).toEqual([0n]);
  });

  test('a policy’s limit is counted for each of its keys alone; an owner’s for all of its keys together', async () => {
    const { policy } = await served.root.policies.createPolicy({
      policy: { keyspaceId: served.keyspaceId, displayName: 'limited', limits: [rate('calls', 3n)] },
    });
    const ownerId = await newOwner(rate('shared', 4n));
    const policyIds = [present(policy).id];
    const [one, other] = [
      await served.issue({ policyIds, ownerId }),
      await served.issue({ policyIds, ownerId }),
    ];
    for (let call = 0; call < 3; call += 1) expect((await verify(one.token)).valid).toBe(true);
    expect(told(await verify(one.token))).toEqual([
      ['calls', 0n, true],
      ['shared', 1n, false],
    ]);
    expect(told(await verify(other.token))).toEqual([
      ['calls', 2n, false],
      ['shared', 0n, false],
    ]);
    const last = await verify(other.token);
    expect(last.verdict).toBe(Verdict.VERDICT_RATE_LIMITED);
    expect(told(last)).toEqual([
      ['calls', 2n, false],
      ['shared', 0n, true],
    ]);
    expect(last.limits.map(({ scope }) => scope)).toEqual([
      LimitScope.LIMIT_SCOPE_KEY,
      LimitScope.LIMIT_SCOPE_OWNER,
    ]);
  });

  test('a key’s own list is what holds, over its policies’, from when it is set', async () => {
    const { policy } = await served.root.policies.createPolicy({
      policy: {
        keyspaceId: served.keyspaceId,
        displayName: 'limited twice',
        limits: [rate('calls', 1n), rate('more', 1n)],
      },
    });
    const { id, token } = await served.issue({ policyIds: [present(policy).id] });
    expect((await verify(token)).valid).toBe(true);
    expect((await verify(token)).verdict).toBe(Verdict.VERDICT_RATE_LIMITED);
    await served.root.keys.updateKey({ key: { id, limits: [rate('calls', 3n)] }, updateMask: ['limits'] });
    expect(told(await verify(token))).toEqual([['calls', 1n, false]]);
  });

  test('an override holds at once, and the limit’s own number again when it is cleared', async () => {
    const { id, token } = await served.issue({ limits: [rate('calls', 2n)] });
    const target = { subject: { subject: { $case: 'keyId' as const, value: id } }, limit: 'calls' };
    await verify(token);
    await verify(token);
    expect((await verify(token)).verdict).toBe(Verdict.VERDICT_RATE_LIMITED);
    const until = { $case: 'ttl' as const, value: { seconds: 600n, nanos: 0 } };
    await served.root.limits.setLimitOverride({ ...target, value: 9n, until });
    expect((await verify(token)).limits).toMatchObject([{ limit: 9n, remaining: 6n }]);
    await served.root.limits.clearLimitOverride(target);
    const refused = await verify(token);
    expect(refused).toMatchObject({
      verdict: Verdict.VERDICT_RATE_LIMITED,
      limits: [{ limit: 2n, remaining: 0n }],
    });
  });

  test('whoever is refused for anything else takes nothing', async () => {
    const { id, token } = await served.issue({ limits: [rate('calls', 5n)], scopes: ['a'] });
    for (let call = 0; call < 8; call += 1)
      expect(await served.root.verify.verify({ token, scopes: ['b'] })).toMatchObject({
        verdict: Verdict.VERDICT_SCOPE_MISSING,
        limits: [],
        retryAfter: undefined,
      });
    await served.root.keys.disableKey({ id });
    expect(await verify(token)).toMatchObject({ verdict: Verdict.VERDICT_DISABLED, limits: [] });
    await served.root.keys.enableKey({ id });
    expect(told(await verify(token))).toEqual([['calls', 4n, false]]);
    // And what is used up comes last.
    for (let call = 0; call < 4; call += 1) await verify(token);
    expect((await verify(token)).verdict).toBe(Verdict.VERDICT_RATE_LIMITED);
    expect((await served.root.verify.verify({ token, scopes: ['b'] })).verdict).toBe(
      Verdict.VERDICT_SCOPE_MISSING,
    );
    await served.root.keys.revokeKey({ id });
    expect(await verify(token)).toMatchObject({ verdict: Verdict.VERDICT_REVOKED, limits: [] });
  });

  test('a batch is charged for each entry, and each is told its own', async () => {
    const { token } = await served.issue({ limits: [rate('calls', 6n)] });
    const { responses } = await served.root.verify.batchVerify({
      requests: Array.from({ length: 10 }, () => ({ token })),
    });
    const verdicts = responses.map(({ result }) => result?.$case === 'response' && result.value.verdict);
    expect(verdicts.filter((verdict) => verdict === Verdict.VERDICT_VALID)).toHaveLength(6);
    expect(verdicts.filter((verdict) => verdict === Verdict.VERDICT_RATE_LIMITED)).toHaveLength(4);
  });

  test('many at once are admitted as often as the limit says', async () => {
    const { token } = await served.issue({ limits: [rate('calls', 40n)] });
    const answers = await Promise.all(Array.from({ length: 120 }, () => verify(token)));
    expect(answers.filter(({ valid }) => valid)).toHaveLength(40);
  });
});
