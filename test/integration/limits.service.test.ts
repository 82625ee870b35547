import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { DeepPartial, Limit } from '../../proto/gen/latchkey/v1/key.ts';
import type { LimitState, LimitSubject } from '../../proto/gen/latchkey/v1/limit_service.ts';
import { LimitScope } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { failureOf, type CallFailure } from '../support/failure-of.ts';
import { startServer } from '../support/start-server.ts';
import { openServed, type Served } from './support/serve-latchkey.ts';

/** On a database that can be looked into: the audit trail has no RPC yet. */
let database: TestDatabase;
let served: Served & { close(): Promise<void> };
beforeAll(async () => {
  database = await createDatabase();
  served = await openServed(await startServer({ databaseUrl: database.url }));
});
afterAll(async () => {
  await served.close();
  await database.drop();
});

type Subject = DeepPartial<LimitSubject>;
const ofKey = (id: string): Subject => ({ subject: { $case: 'keyId', value: id } });
const ofOwner = (id: string, keyspaceId = served.keyspaceId): Subject => ({
  subject: { $case: 'owner', value: { keyspaceId, id } },
});
const rate = (name: string, limit: bigint, seconds = 60n): DeepPartial<Limit> => ({
  name,
  kind: { $case: 'rate', value: { limit, window: { seconds, nanos: 0 } } },
});
const credits = (name: string, initial: bigint): DeepPartial<Limit> => ({
  name,
  kind: { $case: 'credits', value: { initial } },
});

let names = 0;
const newName = (): string => `owner ${(names += 1)}`;

async function newOwner(...limits: DeepPartial<Limit>[]): Promise<string> {
  const id = newName();
  await served.root.owners.createOwner({ owner: { keyspaceId: served.keyspaceId, id, limits } });
  return id;
}

async function statusOf(subject: Subject): Promise<readonly LimitState[]> {
  return (await served.root.limits.getLimitStatus({ subject })).limits;
}

/** What is left of a limit, in the ledger. */
async function remainingOf(subject: Subject, name: string): Promise<bigint | undefined> {
  return (await statusOf(subject)).find(({ limit }) => limit?.name === name)?.status?.remaining;
}

type Change = { add: bigint } | { take: bigint } | { set: bigint };
function requestOf(subject: Subject, change: Change, limit = 'pool') {
  const [[$case, value] = ['add', 0n]] = Object.entries(change);
  return { subject, limit, change: { $case: $case as 'add', value } };
}
const adjust = (subject: Subject, change: Change) =>
  served.root.limits.adjustCredits(requestOf(subject, change));
const refusalOf = (subject: Subject, change: Change, limit?: string): Promise<CallFailure> =>
  failureOf((options) => served.root.limits.adjustCredits(requestOf(subject, change, limit), options));

const HOUR = { $case: 'ttl' as const, value: { seconds: 3600n, nanos: 0 } };

describe('the status of limits', () => {
  test('tells the key’s own by their names, then its owner’s, whole before they are charged', async () => {
    const { issue } = served;
    const ownerId = await newOwner(rate('z', 5n), credits('a', 9n));
    const { id } = await issue({ ownerId, limits: [rate('b', 7n, 3600n), credits('a', 3n)] });
    const limits = await statusOf(ofKey(id));
    expect(limits.map(({ status }) => status)).toEqual(
      (
        [
          ['a', 3n, undefined, LimitScope.LIMIT_SCOPE_KEY],
          ['b', 7n, { seconds: 3600n, nanos: 0 }, LimitScope.LIMIT_SCOPE_KEY],
          ['a', 9n, undefined, LimitScope.LIMIT_SCOPE_OWNER],
          ['z', 5n, { seconds: 60n, nanos: 0 }, LimitScope.LIMIT_SCOPE_OWNER],
        ] as const
      ).map(([name, limit, window, scope]) => ({
        name,
        limit,
        remaining: limit,
        resetTime: undefined,
        scope,
        refused: false,
        window,
      })),
    );
    for (const { limit, policyId, override, status } of limits) {
      expect([limit?.name, policyId, override]).toEqual([status?.name, '', undefined]);
    }
    expect((await statusOf(ofOwner(ownerId))).map(({ status }) => status)).toEqual(
      limits.slice(2).map(({ status }) => status),
    );
  });

  test('names the policy that a limit comes from: the first of the key’s that has it', async () => {
    const { root, issue, keyspaceId } = served;
    const policyIds: string[] = [];
    for (const limits of [[rate('calls', 1n)], [rate('calls', 2n), credits('pool', 3n)]]) {
      const { policy } = await root.policies.createPolicy({
        policy: { keyspaceId, displayName: newName(), limits },
      });
      policyIds.push(policy?.id ?? '');
    }
    const { id } = await issue({ policyIds });
    const seen = async () =>
      (await statusOf(ofKey(id))).map(({ status, policyId }) => [status?.name, status?.limit, policyId]);
    expect(await seen()).toEqual([
      ['calls', 1n, policyIds[0]],
      ['pool', 3n, policyIds[1]],
    ]);
    await root.keys.updateKey({ key: { id, limits: [rate('calls', 8n)] }, updateMask: ['limits'] });
    expect(await seen()).toEqual([['calls', 8n, '']]);
  });

  test('tells when a balance is refilled', async () => {
    const { issue } = served;
    const { id } = await issue({
      limits: [
        {
          name: 'pool',
          kind: { $case: 'credits', value: { initial: 1n, refill: { amount: 1n, interval: 1 } } },
        },
      ],
    });
    const [state] = await statusOf(ofKey(id));
    const resetMs = state?.status?.resetTime?.getTime() ?? 0;
    // The next midnight, by two clocks of one machine.
    expect(Math.abs(resetMs - Math.round(resetMs / 86_400_000) * 86_400_000)).toBeLessThan(5000);
    expect(resetMs - Date.now()).toBeGreaterThan(-5000);
    expect(resetMs - Date.now()).toBeLessThan(86_405_000);
  });

  test('tells what a verification took, and when that counts no more', async () => {
    const { root, issue } = served;
    const { id, token } = await issue({ limits: [rate('calls', 1n)] });
    expect((await root.verify.verify({ token })).valid).toBe(true);
    const [state] = await statusOf(ofKey(id));
    expect(state?.status).toMatchObject({ limit: 1n, remaining: 0n });
    const inMs = (state?.status?.resetTime?.getTime() ?? 0) - Date.now();
    expect(inMs).toBeGreaterThan(50_000);
    expect(inMs).toBeLessThan(130_000);
  });

  test('is empty for a key and an owner without limits, and for a root key', async () => {
    const { issue, issueRoot } = served;
    expect(await statusOf(ofKey((await issue()).id))).toEqual([]);
    expect(await statusOf(ofKey((await issueRoot(['verify'])).id))).toEqual([]);
    expect(await statusOf(ofOwner(await newOwner()))).toEqual([]);
  });

  test('is told of a key that was revoked or deleted too, which cannot be changed any more', async () => {
    const { root, issue } = served;
    const limits = [credits('pool', 3n), rate('calls', 3n)];
    const revoked = await issue({ limits });
    const deleted = await issue({ limits });
    await root.keys.revokeKey({ id: revoked.id });
    await root.keys.deleteKey({ id: deleted.id });
    for (const [id, reason] of [
      [revoked.id, 'KEY_REVOKED'],
      [deleted.id, 'KEY_DELETED'],
    ] as const) {
      const subject = ofKey(id);
      expect(await remainingOf(subject, 'pool')).toBe(3n);
      const refused = { code: 9, reason };
      expect(await refusalOf(subject, { add: 1n })).toMatchObject(refused);
      const target = { subject, limit: 'calls' };
      expect(
        await failureOf((options) =>
          root.limits.setLimitOverride({ ...target, value: 1n, until: HOUR }, options),
        ),
      ).toMatchObject(refused);
      expect(await failureOf((options) => root.limits.clearLimitOverride(target, options))).toMatchObject(
        refused,
      );
    }
  });

  test('of a key or an owner that is not there, or not the caller’s, is NOT_FOUND, as all changes are', async () => {
    const { issue, issueRoot, clients, newKeyspace } = served;
    const limits = [credits('pool', 3n), rate('calls', 3n)];
    const { id } = await issue({ limits });
    const ownerId = await newOwner(...limits);
    const elsewhere = await newKeyspace();
    const confined = clients((await issueRoot(['keys:read', 'keys:write'], [elsewhere.id])).token);
    for (const [who, subject, reason] of [
      [served.root, ofKey('key_0000000000000000'), 'KEY_NOT_FOUND'],
      [served.root, ofOwner('nobody'), 'OWNER_NOT_FOUND'],
      [served.root, ofOwner(ownerId, elsewhere.id), 'OWNER_NOT_FOUND'],
      [confined, ofKey(id), 'KEY_NOT_FOUND'],
      [confined, ofOwner(ownerId), 'OWNER_NOT_FOUND'],
    ] as const) {
      const target = { subject, limit: 'calls' };
      for (const call of [
        failureOf((options) => who.limits.getLimitStatus({ subject }, options)),
        failureOf((options) => who.limits.adjustCredits(requestOf(subject, { add: 1n }), options)),
        failureOf((options) => who.limits.setLimitOverride({ ...target, value: 1n, until: HOUR }, options)),
        failureOf((options) => who.limits.clearLimitOverride(target, options)),
      ]) {
        expect(await call).toMatchObject({ code: 5, reason });
      }
    }
    expect(await remainingOf(ofKey(id), 'pool')).toBe(3n);
  });
});

describe('a balance', () => {
  test('is added to, taken from and set, of a key, by its policy, and of an owner', async () => {
    const { root, issue, keyspaceId } = served;
    const limits = [credits('pool', 10n)];
    const { policy } = await root.policies.createPolicy({
      policy: { keyspaceId, displayName: newName(), limits },
    });
    const subjects = [
      ofKey((await issue({ limits })).id),
      ofKey((await issue({ policyIds: [policy?.id ?? ''] })).id),
      ofOwner(await newOwner(...limits)),
    ];
    for (const subject of subjects) {
      expect((await adjust(subject, { add: 5n })).balance).toBe(15n);
      expect((await adjust(subject, { take: 15n })).balance).toBe(0n);
      expect((await adjust(subject, { set: 1_000_000_000_000n })).balance).toBe(1_000_000_000_000n);
      expect((await adjust(subject, { set: 4n })).balance).toBe(4n);
      expect(await remainingOf(subject, 'pool')).toBe(4n);
    }
  });

  test('tells when the change is effective: what takes is waited for, unless it shall not be', async () => {
    const subject = ofKey((await served.issue({ limits: [credits('pool', 10n)] })).id);
    const one = { replicas: 1, confirmed: 1 };
    expect((await adjust(subject, { take: 1n })).propagation).toEqual(one);
    expect((await adjust(subject, { set: 5n })).propagation).toEqual(one);
    expect((await adjust(subject, { add: 1n })).propagation).toBeUndefined();
    const request = { ...requestOf(subject, { take: 1n }), wait: false };
    const unwaited = await served.root.limits.adjustCredits(request);
    expect(unwaited.propagation).toBeUndefined();
    expect(unwaited.effectiveTime).toBeInstanceOf(Date);
    expect(unwaited.revision).toBe((await served.root.verify.verify({ token: 'x' })).revision);
  });

  test('is never less than nothing: what is not there is not taken, and the balance is told', async () => {
    const subject = ofKey((await served.issue({ limits: [credits('pool', 10n)] })).id);
    expect(await refusalOf(subject, { take: 11n })).toMatchObject({
      code: 9,
      reason: 'CREDITS_INSUFFICIENT',
      metadata: { limit: 'pool', balance: '10' },
    });
    expect(await remainingOf(subject, 'pool')).toBe(10n);
  });

  test('is taken from once for each credit, by many callers at once', async () => {
    const subject = ofKey((await served.issue({ limits: [credits('pool', 100n)] })).id);
    const takes = await Promise.allSettled(Array.from({ length: 30 }, () => adjust(subject, { take: 7n })));
    expect(takes.filter(({ status }) => status === 'fulfilled')).toHaveLength(14);
    const balances = takes.flatMap((take) => (take.status === 'fulfilled' ? [take.value.balance] : []));
    expect(balances.toSorted((one, other) => Number(other - one))).toEqual(
      Array.from({ length: 14 }, (_, index) => BigInt(93 - 7 * index)),
    );
    expect(await remainingOf(subject, 'pool')).toBe(2n);
  });

  test('does not grow beyond what can be counted', async () => {
    const { id } = await served.issue({ limits: [credits('pool', 0n)] });
    const subject = ofKey(id);
    await adjust(subject, { set: 0n });
    const counted = await database.query<object>(
      'UPDATE credit_balances SET balance = 999999999999990 WHERE id = $1 RETURNING id',
      [`${id} pool`],
    );
    expect(counted).toHaveLength(1);
    expect((await adjust(subject, { add: 10n })).balance).toBe(1_000_000_000_000_000n);
    expect(await refusalOf(subject, { add: 1n })).toMatchObject({
      code: 9,
      reason: 'BALANCE_TOO_LARGE',
      metadata: { limit: 'pool', balance: '1000000000000000' },
    });
    expect(await remainingOf(subject, 'pool')).toBe(1_000_000_000_000_000n);
  });

  test('is adjusted once for each request id', async () => {
    const { root, issue } = served;
    const subject = ofKey((await issue({ limits: [credits('pool', 10n)] })).id);
    const request = { ...requestOf(subject, { add: 5n }), requestId: randomUUID() };
    const first = await root.limits.adjustCredits(request);
    await adjust(subject, { add: 100n });
    const again = await root.limits.adjustCredits(request);
    expect(again).toMatchObject({ balance: 15n, revision: first.revision });
    expect(await remainingOf(subject, 'pool')).toBe(115n);
    const other = { ...requestOf(subject, { take: 5n }), requestId: request.requestId };
    expect(await failureOf((options) => root.limits.adjustCredits(other, options))).toMatchObject({
      code: 3,
      reason: 'IDEMPOTENCY_MISMATCH',
    });
  });

  test('that is none is refused', async () => {
    const subject = ofKey((await served.issue({ limits: [rate('calls', 3n)] })).id);
    expect(await refusalOf(subject, { add: 1n }, 'calls')).toMatchObject({ code: 9, reason: 'NOT_CREDITS' });
    const unknown = await refusalOf(subject, { add: 1n }, 'none-of-it');
    expect(unknown).toMatchObject({ code: 5, reason: 'LIMIT_NOT_FOUND' });
    expect(unknown.message).not.toContain('none-of-it');
  });

  test('is still there when its limit was taken away and comes again; what it begins with is changed in vain', async () => {
    const { root, issue } = served;
    const { id } = await issue({ limits: [credits('pool', 10n)] });
    const subject = ofKey(id);
    await adjust(subject, { take: 4n });
    const update = (...limits: DeepPartial<Limit>[]) =>
      root.keys.updateKey({ key: { id, limits }, updateMask: ['limits'] });
    await update();
    expect(await refusalOf(subject, { add: 1n })).toMatchObject({ reason: 'LIMIT_NOT_FOUND' });
    await update(credits('pool', 500n));
    expect(await statusOf(subject)).toMatchObject([{ status: { limit: 500n, remaining: 6n } }]);
  });

  test('of an owner is gone with it', async () => {
    const { root, keyspaceId } = served;
    const id = await newOwner(credits('pool', 10n));
    // Whose id begins like the other's.
    const bystander = `${id} too`;
    const owner = { keyspaceId, limits: [credits('pool', 10n)] };
    await root.owners.createOwner({ owner: { ...owner, id: bystander } });
    for (const one of [id, bystander]) await adjust(ofOwner(one), { take: 9n });
    await root.owners.deleteOwner({ keyspaceId, id });
    await root.owners.createOwner({ owner: { ...owner, id } });
    expect(await remainingOf(ofOwner(id), 'pool')).toBe(10n);
    expect(await remainingOf(ofOwner(bystander), 'pool')).toBe(1n);
  });

  test('that is set to nothing stops the next verification, whatever was held in advance; what is added lets it pass', async () => {
    const { root, issue } = served;
    const { id, token } = await issue({ limits: [credits('pool', 1000n)] });
    const verify = async (): Promise<boolean> => (await root.verify.verify({ token })).valid;
    for (let times = 0; times < 5; times += 1) expect(await verify()).toBe(true);
    await adjust(ofKey(id), { set: 0n });
    expect(await verify()).toBe(false);
    // The denial is remembered, until it is told otherwise.
    expect(await verify()).toBe(false);
    await adjust(ofKey(id), { add: 1n });
    expect(await verify()).toBe(true);
    expect(await verify()).toBe(false);
  });
});

describe('an override', () => {
  const set = (subject: Subject, value: bigint, limit = 'calls') =>
    served.root.limits.setLimitOverride({ subject, limit, value, until: HOUR });

  test('holds until it ends, for a key and for an owner, and is shown while it does', async () => {
    const { root, issue, keyspaceId } = served;
    const ownerId = await newOwner(rate('calls', 10n));
    const { id, key } = await issue({ ownerId, limits: [rate('calls', 10n), rate('others', 10n)] });
    const before = Date.now();
    const { override, revision, propagation } = await set(ofKey(id), 0n);
    expect(override).toMatchObject({ limit: 'calls', value: 0n });
    const endMs = override?.endTime?.getTime() ?? 0;
    expect(endMs).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(endMs).toBeLessThanOrEqual(Date.now() + 3_600_000);
    expect(propagation).toEqual({ replicas: 1, confirmed: 1 });
    expect(revision).toBe((await root.verify.verify({ token: 'x' })).revision);
    const shown = (await root.keys.getKey({ id })).key;
    expect(shown).toMatchObject({ limits: key.limits, limitOverrides: [override] });
    expect(shown?.etag).not.toBe(key.etag);
    expect(await statusOf(ofKey(id))).toMatchObject([
      {
        limit: { name: 'calls', kind: { value: { limit: 10n } } },
        status: { limit: 0n, remaining: 0n },
        override,
      },
      { limit: { name: 'others' }, status: { limit: 10n }, override: undefined },
      { status: { limit: 10n, scope: LimitScope.LIMIT_SCOPE_OWNER }, override: undefined },
    ]);

    const until = { $case: 'endTime' as const, value: new Date(Date.now() + 60_000) };
    const shared = await root.limits.setLimitOverride({
      subject: ofOwner(ownerId),
      limit: 'calls',
      value: 1_000_000_000n,
      until,
    });
    expect(shared.override?.endTime).toEqual(until.value);
    const { owner } = await root.owners.getOwner({ keyspaceId, id: ownerId });
    expect(owner?.limitOverrides).toEqual([shared.override]);
    expect((await statusOf(ofOwner(ownerId)))[0]?.status).toMatchObject({ limit: 1_000_000_000n });
  });

  test('takes the place of an earlier one, and ends by itself', async () => {
    const { root, issue } = served;
    const { id } = await issue({ limits: [rate('calls', 10n)] });
    await set(ofKey(id), 0n);
    const { override } = await root.limits.setLimitOverride({
      subject: ofKey(id),
      limit: 'calls',
      value: 3n,
      until: { $case: 'ttl', value: { seconds: 1n, nanos: 0 } },
    });
    expect((await root.keys.getKey({ id })).key?.limitOverrides).toEqual([override]);
    await vi.waitFor(
      async () => {
        const [state] = await statusOf(ofKey(id));
        expect(state).toMatchObject({ status: { limit: 10n, remaining: 10n }, override: undefined });
        expect((await root.keys.getKey({ id })).key?.limitOverrides).toEqual([]);
      },
      { timeout: 10_000, interval: 50 },
    );
  });

  test('stops and lets pass at once; when it is cleared the limit’s own number holds', async () => {
    const { root, issue } = served;
    const { id, token } = await issue({ limits: [rate('calls', 2n)] });
    const subject = ofKey(id);
    const verify = async (): Promise<boolean> => (await root.verify.verify({ token })).valid;
    await set(subject, 0n);
    expect(await verify()).toBe(false);
    await set(subject, 3n);
    for (const valid of [true, true, true, false]) expect(await verify()).toBe(valid);
    const cleared = await root.limits.clearLimitOverride({ subject, limit: 'calls' });
    expect(cleared.propagation).toEqual({ replicas: 1, confirmed: 1 });
    expect(await statusOf(subject)).toMatchObject([{ status: { limit: 2n, remaining: 0n } }]);
    expect(await verify()).toBe(false);
    expect((await root.keys.getKey({ id })).key?.limitOverrides).toEqual([]);
    // There need not be one.
    const again = await root.limits.clearLimitOverride({ subject, limit: 'calls' });
    expect(again.revision).toBe(cleared.revision);
  });

  test('holds for the limit of a policy too, for one key alone', async () => {
    const { root, issue, keyspaceId } = served;
    const { policy } = await root.policies.createPolicy({
      policy: { keyspaceId, displayName: newName(), limits: [rate('calls', 5n)] },
    });
    const [one, other] = [
      await issue({ policyIds: [policy?.id ?? ''] }),
      await issue({ policyIds: [policy?.id ?? ''] }),
    ];
    await set(ofKey(one.id), 0n);
    expect((await root.verify.verify({ token: one.token })).valid).toBe(false);
    expect((await root.verify.verify({ token: other.token })).valid).toBe(true);
  });

  test('is set once for each request id, also when its span has passed on', async () => {
    const { root, issue } = served;
    const { id } = await issue({ limits: [rate('calls', 5n)] });
    const request = { subject: ofKey(id), limit: 'calls', value: 1n, until: HOUR, requestId: randomUUID() };
    const first = await root.limits.setLimitOverride(request);
    await set(ofKey(id), 2n);
    expect(await root.limits.setLimitOverride(request)).toMatchObject({
      override: first.override,
      revision: first.revision,
    });
    expect((await root.keys.getKey({ id })).key?.limitOverrides).toMatchObject([{ value: 2n }]);
    expect(
      await failureOf((options) => root.limits.setLimitOverride({ ...request, value: 3n }, options)),
    ).toMatchObject({ reason: 'IDEMPOTENCY_MISMATCH' });
  });

  test('of a balance, or of no limit, is refused', async () => {
    const { root, issue } = served;
    const subject = ofKey((await issue({ limits: [credits('pool', 5n)] })).id);
    const refusal = (limit: string) =>
      failureOf((options) =>
        root.limits.setLimitOverride({ subject, limit, value: 1n, until: HOUR }, options),
      );
    expect(await refusal('pool')).toMatchObject({ code: 9, reason: 'NOT_A_RATE_LIMIT' });
    expect(await refusal('calls')).toMatchObject({ code: 5, reason: 'LIMIT_NOT_FOUND' });
    expect(
      await failureOf((options) => root.limits.clearLimitOverride({ subject, limit: 'calls' }, options)),
    ).toMatchObject({ code: 5, reason: 'LIMIT_NOT_FOUND' });
  });
});

describe('the audit trail', () => {
  test('keeps who changed what of a limit, and why', async () => {
    const { root, issue } = served;
    const { id } = await issue({ limits: [credits('pool', 5n), rate('calls', 5n)] });
    const ownerId = await newOwner(credits('pool', 5n));
    const note = 'as agreed';
    const subject = ofKey(id);
    await root.limits.adjustCredits({ ...requestOf(subject, { take: 2n }), note });
    const { override } = await root.limits.setLimitOverride({
      subject,
      limit: 'calls',
      value: 9n,
      until: HOUR,
      note,
    });
    await root.limits.clearLimitOverride({ subject, limit: 'calls', note });
    // What changes nothing is not kept.
    await root.limits.clearLimitOverride({ subject, limit: 'calls', note });
    await refusalOf(subject, { take: 100n });
    await root.limits.adjustCredits({ ...requestOf(ofOwner(ownerId), { set: 0n }), note });
    const { key: caller } = await root.keys.lookupKey({
      by: { $case: 'token', value: served.server.rootToken },
    });
    const events = await database.query<object>(
      `SELECT action, actor, target_id, details FROM audit_events
        WHERE target_id IN ($1, $2) AND action NOT LIKE '%.create' ORDER BY time, id`,
      [id, ownerId],
    );
    const event = (action: string, details: object, target = id): object => ({
      action,
      actor: caller?.id,
      target_id: target,
      details: { subject: target === id ? 'KEY' : 'OWNER', note, ...details },
    });
    expect(events).toHaveLength(4);
    expect(events).toEqual(
      expect.arrayContaining([
        event('credits.adjust', { limit: 'pool', kind: 'TAKE', amount: 2, balance: 3 }),
        event('limit.set-override', {
          limit: 'calls',
          value: 9,
          endTimeMs: override?.endTime?.getTime(),
        }),
        event('limit.clear-override', { limit: 'calls' }),
        event('credits.adjust', { limit: 'pool', kind: 'SET', amount: 0, balance: 0 }, ownerId),
      ]),
    );
  });
});
