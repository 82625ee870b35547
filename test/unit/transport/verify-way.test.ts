import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import type { Verdict } from '../../../core/verdict.ts';
import { Verdict as VerdictCode, VerifyRequest } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import type { Caller } from '../../../server/callers/caller.ts';
import { createVerifyWay } from '../../../server/transport/verify-way.ts';
import { createVerifier, type SnapshotSource } from '../../../server/verification/verifier.ts';
import { issueKey, KEYSPACE_ID } from '../support/issue-key.ts';
import { NO_BUDGETS } from '../support/no-budgets.ts';
import { memoryOnly, snapshotWorld } from '../support/snapshot-world.ts';

const { key, token } = issueKey();

function callerReaching(...ids: string[]): Caller {
  return {
    keyId: 'key_caller',
    holds: () => true,
    reaches: (id) => ids.includes(id),
    confinedTo: ids,
    managesRootKeys: false,
  };
}

function wayOver(snapshots: SnapshotSource) {
  const counted: Verdict[] = [];
  const noted: (readonly [keyId: string, secretId: string])[] = [];
  const head = { shard: 0, seq: 7 };
  const way = createVerifyWay({
    verifier: createVerifier({ snapshots, budgets: NO_BUDGETS, nowMs: () => 1 }),
    coherence: { revision: () => ({ ...head }) },
    metrics: { countVerdict: (verdict) => void counted.push(verdict) },
    uses: { note: (snapshot, secret) => void noted.push([snapshot.key.id, secret.id]) },
  });
  return { way, counted, noted, head };
}

const request = (change: Parameters<typeof VerifyRequest.fromPartial>[0] = {}): VerifyRequest =>
  VerifyRequest.fromPartial({ token, ...change });

describe('an answer', () => {
  test('is the same from memory and from the database, and is counted once', async () => {
    const warm = wayOver(snapshotWorld([key], { warm: true }));
    const cold = wayOver(snapshotWorld([key], { warm: false }));
    const caller = callerReaching(KEYSPACE_ID);
    const answer = warm.way.tryAnswer(request(), caller);
    expect(answer).toMatchObject({ valid: true, revision: '0.7' });
    expect(await cold.way.answer(request(), caller)).toEqual(answer);
    expect([warm.counted, cold.counted]).toEqual([['VALID'], ['VALID']]);
  });

  test('that memory cannot give is not counted', () => {
    const { way, counted } = wayOver(snapshotWorld([key], { warm: false }));
    expect(way.tryAnswer(request(), callerReaching(KEYSPACE_ID))).toBeUndefined();
    expect(counted).toEqual([]);
  });

  test('for a key of a keyspace out of reach is NOT_FOUND', () => {
    const { way } = wayOver(snapshotWorld([key], { warm: true }));
    expect(way.tryAnswer(request(), callerReaching())).toMatchObject({
      verdict: VerdictCode.VERDICT_NOT_FOUND,
      key: undefined,
    });
  });

  test('claims no newer state than the one that it was taken from', async () => {
    // The read of the key began at 7; another change moved the head while it was under way.
    const world = snapshotWorld([key], { warm: false });
    const { way, head } = wayOver({
      ...world,
      async load(...question) {
        head.seq = 8;
        return world.load(...question);
      },
    });
    expect((await way.answer(request(), callerReaching(KEYSPACE_ID))).revision).toBe('0.7');
  });
});

describe('a use', () => {
  const secretId = key.secrets[0]?.id;
  const caller = callerReaching(KEYSPACE_ID);

  test('is noted of what is valid, from memory and from the database', async () => {
    const warm = wayOver(snapshotWorld([key], { warm: true }));
    const cold = wayOver(snapshotWorld([key], { warm: false }));
    warm.way.tryAnswer(request(), caller);
    await cold.way.answer(request(), caller);
    expect([warm.noted, cold.noted]).toEqual([[[key.id, secretId]], [[key.id, secretId]]]);
  });

  test.each<[string, VerifyRequest, typeof key]>([
    ['a look', request({ checkOnly: true }), key],
    ['a token that is none', request({ token: 'acme_x' }), key],
    ['a key that is disabled', request(), { ...key, switch: 'DISABLED' }],
    ['a scope that is missing', request({ scopes: ['orders:read'] }), { ...key, scopes: [] }],
  ])('is not noted of %s', (_what, asked, stored) => {
    const { way, noted } = wayOver(snapshotWorld([stored], { warm: true }));
    expect(way.tryAnswer(asked, caller)).toBeDefined();
    expect(noted).toEqual([]);
  });
});

describe('a keyspace that the caller names', () => {
  test('and may not touch is refused, before anything is looked up', async () => {
    const world = snapshotWorld([key], { warm: true });
    const { way, counted } = wayOver(world);
    const naming = request({ keyspaceId: KEYSPACE_ID });
    expect(() => way.tryAnswer(naming, callerReaching())).toThrow(Fault);
    await expect(way.answer(naming, callerReaching())).rejects.toMatchObject({
      reason: 'CALLER_KEYSPACE_NOT_ALLOWED',
    });
    expect(world.recalls).toEqual([]);
    expect(counted).toEqual([]);
  });
});

test('an error of the database is no verdict', async () => {
  const fault = new Fault('DATABASE_UNAVAILABLE', 'no answer');
  const { way, counted } = wayOver({ ...memoryOnly(() => undefined), load: () => Promise.reject(fault) });
  await expect(way.answer(request(), callerReaching(KEYSPACE_ID))).rejects.toBe(fault);
  expect(counted).toEqual([]);
});

test('what is told of a key follows the key: another snapshot, another answer', () => {
  const before = compileSnapshot({ ...key, displayName: 'before' });
  const after = compileSnapshot({ ...key, displayName: 'after' });
  let current = before;
  const { way } = wayOver(memoryOnly(() => current));
  const caller = callerReaching(KEYSPACE_ID);
  expect(way.tryAnswer(request(), caller)?.key?.displayName).toBe('before');
  current = after;
  expect(way.tryAnswer(request(), caller)?.key?.displayName).toBe('after');
});
