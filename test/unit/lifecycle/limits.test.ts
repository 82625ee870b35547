import { describe, expect, test } from 'vitest';
import type { KeyRecord } from '../../../core/key.ts';
import type { Limit, LimitOverride } from '../../../core/limit.ts';
import type { OwnerRecord } from '../../../core/owner.ts';
import type { PolicyRecord } from '../../../core/policy.ts';
import type { Caller } from '../../../server/callers/caller.ts';
import { newOwner } from '../../../server/lifecycle/key-rules.ts';
import {
  adjustCredits,
  clearLimitOverride,
  OVERRIDE_MAX_MS,
  setLimitOverride,
  type LimitSubject,
} from '../../../server/lifecycle/limits.ts';
import type { Effect, Mutate } from '../../../server/lifecycle/mutation.ts';
import { deleteOwner, updateOwner } from '../../../server/lifecycle/owners.ts';
import type { CreditBalance, CreditChange, Repositories } from '../../../server/lifecycle/ports.ts';
import { issueKey, KEYSPACE_ID } from '../support/issue-key.ts';
import { policyOf } from '../support/policy-of.ts';

const NOW_MS = 1_000_000;
const caller: Caller = {
  keyId: 'key_caller',
  holds: () => true,
  reaches: () => true,
  confinedTo: undefined,
  managesRootKeys: false,
};

const rate = (name: string): Limit => ({
  name,
  rule: { kind: 'RATE', limit: 10, windowMs: 1000 },
  onDemand: false,
  onUnavailable: 'DENY',
});
const credits = (name: string): Limit => ({
  name,
  rule: { kind: 'CREDITS', initial: 7, refill: null },
  onDemand: false,
  onUnavailable: 'DENY',
});
const override = (limit: string, endTimeMs: number, value = 1): LimitOverride => ({
  limit,
  value,
  endTimeMs,
});

/** A database with one key, one owner and some policies, and what was asked of it. */
function createWorld(options: {
  readonly key?: Partial<KeyRecord>;
  readonly owner?: Partial<OwnerRecord>;
  readonly policies?: readonly PolicyRecord[];
  /** Whether balances can be adjusted as it is asked for. */
  readonly done?: boolean;
}) {
  const { key } = issueKey(options.key);
  const owner = { ...newOwner(KEYSPACE_ID, 'o', 0), ...options.owner };
  const keys: KeyRecord[] = [];
  const owners: OwnerRecord[] = [];
  const adjusted: [CreditBalance, CreditChange][] = [];
  const forgotten: string[] = [];
  const effects: Effect<object>[] = [];
  const tx = {
    keys: {
      get: async () => key,
      update: async (next: KeyRecord) => void keys.push(next),
      idsOf: async () => [],
    },
    owners: {
      get: async () => owner,
      update: async (next: OwnerRecord) => void owners.push(next),
      delete: async () => {},
      countKeys: async () => ({ ACTIVE: 0, DISABLED: 0, REVOKED: 0, EXPIRED: 0 }),
    },
    policies: { getMany: async () => options.policies ?? [] },
    ledger: {
      adjust: async (balance: CreditBalance, change: CreditChange) => {
        adjusted.push([balance, change]);
        return { done: options.done ?? true, balance: 42 };
      },
      deleteOf: async (subject: string) => void forgotten.push(subject),
    },
  } as unknown as Repositories;
  const mutate = (async (
    _rpc: string,
    _request: object,
    body: (tx: Repositories, nowMs: number) => Promise<Effect<object>>,
  ) => {
    const effect = await body(tx, NOW_MS);
    effects.push(effect);
    return effect.answer;
  }) as unknown as Mutate;
  return { mutate, key, owner, keys, owners, adjusted, forgotten, effects };
}

const ofKey = (id: string): LimitSubject => ({ kind: 'KEY', id });
const OF_OWNER: LimitSubject = { kind: 'OWNER', keyspaceId: KEYSPACE_ID, id: 'o' };
const from = { caller, requestId: '', note: 'why' };

describe('adjusting a balance', () => {
  test.each([
    ['ADD', false],
    ['TAKE', true],
    ['SET', true],
  ] as const)('%s is told to every replica, and awaited: %j', async (kind, awaited) => {
    const world = createWorld({ key: { limits: [rate('calls'), credits('pool')] } });
    const request = { ...from, subject: ofKey(world.key.id), limit: 'pool', change: { kind, amount: 5 } };
    expect(await adjustCredits(world.mutate, request)).toEqual({ balance: 42 });
    const id = `${world.key.id} pool`;
    expect(world.adjusted).toEqual([
      [
        { id, initial: 7, refill: null },
        { kind, amount: 5 },
      ],
    ]);
    expect(world.effects).toEqual([
      {
        answer: { balance: 42 },
        audit: {
          action: 'credits.adjust',
          keyspaceId: KEYSPACE_ID,
          targetId: world.key.id,
          details: { subject: 'KEY', limit: 'pool', kind, amount: 5, balance: 42, note: 'why' },
        },
        changes: [{ kind: 'limit', id }],
        awaited,
      },
    ]);
    expect(world.keys).toEqual([]);
  });

  test('of a policy’s limit is of the key’s own balance; of an owner’s, of the owner’s', async () => {
    const policies = [policyOf({ limits: [credits('pool')] })];
    const world = createWorld({
      key: { policyIds: policies.map(({ id }) => id) },
      owner: { limits: [credits('pool')] },
      policies,
    });
    const change = { kind: 'ADD', amount: 1 } as const;
    await adjustCredits(world.mutate, { ...from, subject: ofKey(world.key.id), limit: 'pool', change });
    await adjustCredits(world.mutate, { ...from, subject: OF_OWNER, limit: 'pool', change });
    expect(world.adjusted.map(([{ id }]) => id)).toEqual([`${world.key.id} pool`, `${KEYSPACE_ID} o pool`]);
  });

  test.each([
    ['TAKE', 'CREDITS_INSUFFICIENT'],
    ['ADD', 'BALANCE_TOO_LARGE'],
  ] as const)('by a %s that cannot be done is %s, with the balance', async (kind, reason) => {
    const world = createWorld({ key: { limits: [credits('pool')] }, done: false });
    const request = { ...from, subject: ofKey(world.key.id), limit: 'pool', change: { kind, amount: 5 } };
    await expect(adjustCredits(world.mutate, request)).rejects.toMatchObject({
      reason,
      metadata: { limit: 'pool', balance: '42' },
    });
  });

  test('of a rate limit, of none, or of a key that is gone is refused', async () => {
    const change = { kind: 'SET', amount: 0 } as const;
    const refusal = async (key: Partial<KeyRecord>, limit: string): Promise<unknown> => {
      const world = createWorld({ key });
      const request = { ...from, subject: ofKey(world.key.id), limit, change };
      const { reason } = (await adjustCredits(world.mutate, request).catch((error: unknown) => error)) as {
        readonly reason: string;
      };
      expect(world.adjusted).toEqual([]);
      return reason;
    };
    const limits = [rate('calls'), credits('pool')];
    expect(await refusal({ limits }, 'calls')).toBe('NOT_CREDITS');
    expect(await refusal({ limits }, 'constructor')).toBe('LIMIT_NOT_FOUND');
    expect(await refusal({ limits, deleteTimeMs: 1 }, 'pool')).toBe('KEY_DELETED');
    expect(await refusal({ limits, switch: 'REVOKED' }, 'pool')).toBe('KEY_REVOKED');
  });
});

describe('an override', () => {
  test('takes the place of an earlier one, and of those that are over', async () => {
    const [other, over, before] = [
      override('b', NOW_MS + 1),
      override('c', NOW_MS),
      override('a', NOW_MS + 9),
    ];
    const world = createWorld({
      key: { limits: [rate('a')], limitOverrides: [before, over, other], version: 4 },
    });
    const request = { ...from, subject: ofKey(world.key.id), limit: 'a', value: 0 };
    const set = override('a', NOW_MS + 60_000, 0);
    const until = { endTimeMs: undefined, ttlMs: 60_000 };
    expect(await setLimitOverride(world.mutate, { ...request, ...until })).toEqual({ override: set });
    expect(world.keys).toEqual([
      { ...world.key, limitOverrides: [other, set], version: 5, updateTimeMs: NOW_MS },
    ]);
    expect(world.effects).toEqual([
      {
        answer: { override: set },
        audit: {
          action: 'limit.set-override',
          keyspaceId: KEYSPACE_ID,
          targetId: world.key.id,
          details: { subject: 'KEY', ...set, note: 'why' },
        },
        changes: [{ kind: 'key', id: world.key.id }],
        awaited: true,
      },
    ]);
  });

  test('of an owner’s limit is kept with the owner', async () => {
    const world = createWorld({ owner: { limits: [rate('a')] } });
    const until = { endTimeMs: NOW_MS + 5, ttlMs: undefined };
    await setLimitOverride(world.mutate, { ...from, subject: OF_OWNER, limit: 'a', value: 3, ...until });
    expect(world.owners).toEqual([
      {
        ...world.owner,
        limitOverrides: [override('a', NOW_MS + 5, 3)],
        version: 2,
        updateTimeMs: NOW_MS,
      },
    ]);
    expect(world.effects[0]?.changes).toEqual([{ kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'o' }]);
  });

  test.each([
    ['end_time', 0, false],
    ['end_time', 1, true],
    ['end_time', OVERRIDE_MAX_MS, true],
    ['end_time', OVERRIDE_MAX_MS + 1, false],
  ])('whose %s is in %d ms passes: %j', async (field, inMs, passes) => {
    const world = createWorld({ key: { limits: [rate('a')] } });
    const until = { endTimeMs: NOW_MS + inMs, ttlMs: undefined };
    const set = setLimitOverride(world.mutate, {
      ...from,
      subject: ofKey(world.key.id),
      limit: 'a',
      value: 1,
      ...until,
    });
    if (passes) await set;
    else await expect(set).rejects.toMatchObject({ violations: [{ field }] });
    expect(world.keys).toHaveLength(Number(passes));
  });

  test('of a balance, of none, or of a key that is gone is refused', async () => {
    const refusal = async (key: Partial<KeyRecord>, limit: string): Promise<unknown> => {
      const world = createWorld({ key });
      const request = { ...from, subject: ofKey(world.key.id), limit, value: 1, endTimeMs: undefined };
      const error: unknown = await setLimitOverride(world.mutate, { ...request, ttlMs: 1000 }).catch(
        (fault: unknown) => fault,
      );
      expect(world.keys).toEqual([]);
      return (error as { readonly reason: string }).reason;
    };
    const limits = [rate('calls'), credits('pool')];
    expect(await refusal({ limits }, 'pool')).toBe('NOT_A_RATE_LIMIT');
    expect(await refusal({ limits }, 'call')).toBe('LIMIT_NOT_FOUND');
    expect(await refusal({ limits, deleteTimeMs: 1 }, 'calls')).toBe('KEY_DELETED');
    expect(await refusal({ limits, switch: 'REVOKED' }, 'calls')).toBe('KEY_REVOKED');
  });

  test('is cleared, also when its limit is not there any more; of one that is over nothing is left to clear', async () => {
    const limitOverrides = [override('gone', NOW_MS + 1), override('b', NOW_MS + 1), override('a', NOW_MS)];
    const clear = async (limit: string) => {
      const world = createWorld({ key: { limits: [rate('a')], limitOverrides } });
      await clearLimitOverride(world.mutate, { ...from, subject: ofKey(world.key.id), limit });
      return { written: world.keys.map((key) => key.limitOverrides), effect: world.effects[0] };
    };
    const gone = await clear('gone');
    expect(gone.written).toEqual([[override('b', NOW_MS + 1)]]);
    expect(gone.effect).toMatchObject({
      audit: { action: 'limit.clear-override', details: { subject: 'KEY', limit: 'gone', note: 'why' } },
      awaited: true,
    });
    const over = await clear('a');
    expect(over.written).toEqual([]);
    expect(over.effect).toEqual({ answer: {}, awaited: true });
    await expect(clear('never')).rejects.toMatchObject({ reason: 'LIMIT_NOT_FOUND' });
  });
});

describe('an owner', () => {
  const target = { caller, requestId: '', keyspaceId: KEYSPACE_ID, id: 'o', etag: '' };

  test('whose limits change makes its keys stale, and that is awaited', async () => {
    const world = createWorld({ owner: { limits: [rate('a')] } });
    await updateOwner(world.mutate, { ...target, change: { limits: [rate('b')] } });
    await updateOwner(world.mutate, { ...target, change: { limits: [rate('a')] } });
    await updateOwner(world.mutate, { ...target, change: { displayName: 'x' } });
    expect(world.effects.map(({ changes = [], awaited }) => ({ changes, awaited }))).toEqual([
      { changes: [{ kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'o' }], awaited: true },
      // That it is so must be known everywhere.
      { changes: [], awaited: true },
      { changes: [], awaited: false },
    ]);
  });

  test('that is deleted leaves nothing counted, neither in the database nor in memory', async () => {
    const world = createWorld({ owner: { limits: [rate('a'), credits('pool')] } });
    await deleteOwner(world.mutate, { ...target, keysFate: undefined, validateOnly: true });
    expect(world.forgotten).toEqual([]);
    await deleteOwner(world.mutate, { ...target, keysFate: undefined, validateOnly: false });
    expect(world.forgotten).toEqual([`${KEYSPACE_ID} o`]);
    expect(world.effects[1]?.changes).toEqual([
      { kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'o' },
      { kind: 'limit', id: `${KEYSPACE_ID} o a 1000` },
      { kind: 'limit', id: `${KEYSPACE_ID} o pool` },
    ]);
  });
});
