import { beforeAll, describe, expect, test } from 'vitest';
import type { DeepPartial, Limit } from '../../proto/gen/latchkey/v1/key.ts';
import { Verdict, VerifyRequest, VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { failureOf } from '../support/failure-of.ts';
import type { RawConnection } from './support/raw-connection.ts';
import { serveLatchkey, type IssuedKey } from './support/serve-latchkey.ts';

const served = serveLatchkey();
const VERIFY = '/latchkey.v1.VerifyService/Verify';

const rate = (name: string, limit: bigint, changes: DeepPartial<Limit> = {}): DeepPartial<Limit> => ({
  name,
  kind: { $case: 'rate', value: { limit, window: { seconds: 3600n, nanos: 0 } } },
  ...changes,
});
const credits = (name: string, initial: bigint): DeepPartial<Limit> => ({
  name,
  kind: { $case: 'credits', value: { initial } },
});

const left = ({ limits }: VerifyResponse): object =>
  Object.fromEntries(limits.map(({ name, remaining }) => [name, Number(remaining)]));

const ask = (request: DeepPartial<VerifyRequest>): Promise<VerifyResponse> =>
  served().root.verify.verify(request);

describe('what a verification charges', () => {
  test('is what it names, and 1 of what it does not name and is not on demand', async () => {
    const limits = [
      rate('calls', 100n),
      rate('bytes', 1000n),
      credits('pool', 50n),
      rate('exports', 2n, { onDemand: true }),
    ];
    const { token } = await served().issue({ limits });
    expect(left(await ask({ token }))).toEqual({ calls: 99, bytes: 999, pool: 49 });
    const charges = [{ limit: 'bytes', cost: 600n }, { limit: 'exports' }, { limit: 'pool', cost: 0n }];
    expect(left(await ask({ token, charges }))).toEqual({ calls: 98, bytes: 399, pool: 49, exports: 1 });
    // From all or from none.
    const refused = await ask({ token, charges });
    expect(refused.verdict).toBe(Verdict.VERDICT_RATE_LIMITED);
    expect(refused.limits.filter((limit) => limit.refused).map(({ name }) => name)).toEqual(['bytes']);
    expect(left(await ask({ token, charges: [{ limit: 'exports' }] }))).toEqual({
      calls: 97,
      bytes: 398,
      pool: 48,
      exports: 0,
    });
  });

  test('is nothing where it only looks', async () => {
    const { id, token } = await served().issue({ limits: [rate('calls', 3n), credits('pool', 3n)] });
    for (let call = 0; call < 6; call += 1)
      expect(left(await ask({ token, checkOnly: true }))).toEqual({ calls: 3, pool: 3 });
    const charges = [{ limit: 'pool', cost: 4n }];
    expect((await ask({ token, charges, checkOnly: true })).verdict).toBe(Verdict.VERDICT_CREDITS_EXHAUSTED);
    const { limits } = await served().root.limits.getLimitStatus({
      subject: { subject: { $case: 'keyId', value: id } },
    });
    expect(limits.map(({ status }) => status?.remaining)).toEqual([3n, 3n]);
  });

  test('is of the key’s limit and of its owner’s, where both have one of the name', async () => {
    const { root, issue, keyspaceId } = served();
    await root.owners.createOwner({ owner: { keyspaceId, id: 'team', limits: [rate('calls', 50n)] } });
    const { token } = await issue({ ownerId: 'team', limits: [rate('calls', 20n)] });
    const { limits } = await ask({ token, charges: [{ limit: 'calls', cost: 15n }] });
    expect(limits.map(({ remaining }) => remaining)).toEqual([5n, 35n]);
  });

  test('of more than the limit ever allows is refused without a time to come back', async () => {
    const { token } = await served().issue({ limits: [rate('calls', 20n)] });
    for (let call = 0; call < 2; call += 1)
      expect(await ask({ token, charges: [{ limit: 'calls', cost: 21n }] })).toMatchObject({
        verdict: Verdict.VERDICT_RATE_LIMITED,
        retryAfter: undefined,
        limits: [{ remaining: 20n, refused: true }],
      });
  });

  test.each<[string, (DeepPartial<Limit> | undefined)[]]>([
    ['that has others', [rate('calls', 5n)]],
    ['that has none', []],
  ])('of a limit that is not there is an error of the request, by a key %s', async (_what, limits) => {
    const { token } = await served().issue({ limits: limits.filter((limit) => limit !== undefined) });
    const charges = [{ limit: 'nothing' }];
    // First over the handler, and then from memory.
    for (let call = 0; call < 2; call += 1)
      expect(
        await failureOf((options) => served().root.verify.verify({ token, charges }, options)),
      ).toMatchObject({
        code: 3,
        reason: 'INVALID_FIELD',
        fields: ['charges[0].limit'],
      });
    // Who is refused anyway does not learn which limits there are.
    expect((await ask({ token, charges, scopes: ['x'] })).verdict).toBe(Verdict.VERDICT_SCOPE_MISSING);
  });

  test('of an entry of a batch that is bad is that entry’s error alone', async () => {
    const { token } = await served().issue({ limits: [rate('calls', 5n)] });
    const { responses } = await served().root.verify.batchVerify({
      requests: [
        { token },
        { token, charges: [{ limit: 'nothing' }] },
        { token, charges: [{ limit: 'calls', cost: 3n }] },
      ],
    });
    expect(
      responses.map(({ result }) => (result?.$case === 'response' ? result.value.valid : result?.value.code)),
    ).toEqual([true, 3, true]);
    expect(left(await ask({ token, checkOnly: true }))).toEqual({ calls: 1 });
  });
});

describe('the express lane and the ordinary handler', () => {
  let wire: RawConnection;
  beforeAll(() => {
    wire = served().raw();
  });
  const handled = (): Promise<number> =>
    served().metric('latchkey_call_duration_seconds_count', { method: VERIFY.slice(1) });
  async function call(
    request: DeepPartial<VerifyRequest>,
  ): Promise<{ answer: VerifyResponse; byHandler: boolean }> {
    const before = await handled();
    const message = VerifyRequest.encode(VerifyRequest.fromPartial(request)).finish();
    const { messages } = await wire.call({ path: VERIFY, message });
    return {
      answer: VerifyResponse.decode(messages[0] ?? Buffer.alloc(0)),
      byHandler: (await handled()) > before,
    };
  }

  test('charge each call once and tell the same of it: what is not here is leased by the handler', async () => {
    const { token } = await served().issue({ limits: [rate('calls', 400n)] });
    const ways = { lane: 0, handler: 0 };
    for (let expected = 399n; expected > 300n; expected -= 1n) {
      const { answer, byHandler } = await call({ token });
      expect(answer.limits.map(({ remaining }) => remaining)).toEqual([expected]);
      ways[byHandler ? 'handler' : 'lane'] += 1;
    }
    expect(ways.handler).toBeGreaterThan(0);
    expect(ways.lane).toBeGreaterThan(ways.handler);
  });

  test('refuse alike: by the handler first, and then from memory', async () => {
    const { token }: IssuedKey = await served().issue({ limits: [rate('calls', 1n), credits('pool', 9n)] });
    await call({ token });
    const first = await call({ token });
    const second = await call({ token });
    expect([first.byHandler, second.byHandler]).toEqual([true, false]);
    expect(second.answer).toMatchObject({ verdict: Verdict.VERDICT_RATE_LIMITED });
    expect({ ...second.answer, retryAfter: undefined, limits: [] }).toEqual({
      ...first.answer,
      retryAfter: undefined,
      limits: [],
    });
    expect(left(second.answer)).toEqual(left(first.answer));
    expect(
      Number(first.answer.retryAfter?.seconds) - Number(second.answer.retryAfter?.seconds),
    ).toBeLessThanOrEqual(5);
  });
});
