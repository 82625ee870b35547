import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_REQUEST } from '../../../core/checks/check.ts';
import { Fault } from '../../../core/fault.ts';
import { newId } from '../../../core/ids.ts';
import type { KeyRecord } from '../../../core/key.ts';
import { newToken, readToken } from '../../../core/token.ts';
import {
  createVerifier,
  type Outcome,
  type SnapshotSource,
  type Verification,
} from '../../../server/verification/verifier.ts';
import { issueKey, KEYSPACE_ID, secretOf } from '../support/issue-key.ts';
import { NO_BUDGETS } from '../support/no-budgets.ts';
import { memoryOnly, snapshotWorld } from '../support/snapshot-world.ts';

const NOW_MS = Date.UTC(2025, 5, 1);
const OTHER_KEYSPACE_ID = 'ks_1111111111111111';
const everywhere = (): boolean => true;
const nowhere = (): boolean => false;

function ask(text: string, change: Partial<Verification> = {}): Verification {
  const token = readToken(text);
  return {
    ...NO_REQUEST,
    token,
    keyspaceId: undefined,
    minRevision: undefined,
    charges: [],
    checkOnly: false,
    ...change,
  };
}

/** What an outcome tells. Snapshots of one key that were compiled twice are as good as the same. */
function told(outcome: Outcome | undefined): unknown {
  return {
    verdict: outcome?.verdict,
    key: outcome?.snapshot?.key,
    missingScopes: outcome?.missingScopes,
    clientRefusal: outcome?.clientRefusal,
  };
}

/** A verifier over the keys, asked both ways with memory warm and once with it cold; all three must agree. */
async function judge(
  keys: readonly KeyRecord[],
  verification: Verification,
  reach = everywhere,
): Promise<Outcome> {
  const warm = snapshotWorld(keys, { warm: true });
  const cold = snapshotWorld(keys, { warm: false });
  const verifier = createVerifier({ snapshots: warm, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
  const outcome = verifier.tryVerify(verification, reach);
  expect(told(await verifier.verify(verification, reach))).toEqual(told(outcome));
  expect(warm.loads).toEqual([]);
  const fromDatabase = createVerifier({ snapshots: cold, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
  expect(told(await fromDatabase.verify(verification, reach))).toEqual(told(outcome));
  if (outcome === undefined) throw new Error('memory knew the answer');
  return outcome;
}

describe('a good token', () => {
  test('is VALID with its key', async () => {
    const { key, token } = issueKey({ scopes: ['orders:read'] });
    const outcome = await judge([key], ask(token, { scopes: ['orders:read'], keyspaceId: KEYSPACE_ID }));
    expect(outcome).toMatchObject({ verdict: 'VALID', missingScopes: [] });
    expect(outcome.snapshot?.key).toBe(key);
  });

  test('is told with its key also when a check refuses it, and with the scopes that it lacks', async () => {
    const { key, token } = issueKey({ scopes: ['orders:read'] });
    const outcome = await judge([key], ask(token, { scopes: ['orders:write', 'orders:read'] }));
    expect(outcome).toMatchObject({ verdict: 'SCOPE_MISSING', missingScopes: ['orders:write'] });
    expect(outcome.snapshot?.key).toBe(key);
  });

  test('is judged by the clock at the time of the answer, not at the time of the question', async () => {
    const { key, token } = issueKey({ expireTimeMs: NOW_MS + 1 });
    const world = snapshotWorld([key], { warm: false });
    let nowMs = NOW_MS;
    const verifier = createVerifier({
      snapshots: {
        ...world,
        async load(...question) {
          nowMs += 1;
          return world.load(...question);
        },
      },
      budgets: NO_BUDGETS,
      nowMs: () => nowMs,
    });
    expect((await verifier.verify(ask(token), everywhere)).verdict).toBe('EXPIRED');
  });
});

describe('what is no token', () => {
  const { token } = issueKey();

  test.each(['', 'x', token.slice(0, -1), `${token}\n`, `${token.slice(0, -1)}!`, 'a'.repeat(1_000_000)])(
    'is MALFORMED and nobody is asked for it (%#)',
    async (text) => {
      const world = snapshotWorld([], { warm: true });
      const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
      for (const outcome of [
        verifier.tryVerify(ask(text), everywhere),
        await verifier.verify(ask(text), everywhere),
      ]) {
        expect(outcome).toEqual({
          verdict: 'MALFORMED',
          snapshot: undefined,
          missingScopes: [],
          clientRefusal: undefined,
          limits: [],
        });
      }
      expect(world.recalls).toEqual([]);
      expect(world.loads).toEqual([]);
    },
  );
});

describe('a foreign token', () => {
  const foreign = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
  const { key: native, token } = issueKey();
  const importOf = (text: string): KeyRecord => {
    const { key } = issueKey({ scopes: ['a'] });
    return { ...key, secrets: [{ ...secretOf(text), imported: true, hint: '' }] };
  };
  const imported = importOf(foreign);
  const malformed = {
    verdict: 'MALFORMED',
    snapshot: undefined,
    missingScopes: [],
    clientRefusal: undefined,
    limits: [],
  };

  test('is judged like any other where its key was imported', async () => {
    const outcome = await judge([native, imported], ask(foreign, { scopes: ['a'] }));
    expect(outcome.verdict).toBe('VALID');
    expect(outcome.snapshot?.key).toBe(imported);
    expect((await judge([imported], ask(foreign, { scopes: ['b'] }))).verdict).toBe('SCOPE_MISSING');
    expect((await judge([{ ...imported, switch: 'REVOKED' }], ask(foreign))).verdict).toBe('REVOKED');
    expect((await judge([imported], ask(foreign), nowhere)).verdict).toBe('NOT_FOUND');
  });

  test('of no key is NOT_FOUND where others were imported', async () => {
    for (const text of [`${foreign}x`, foreign.toUpperCase(), ` ${foreign}`, 'x'])
      expect((await judge([imported], ask(text))).verdict).toBe('NOT_FOUND');
  });

  test.each([true, false])(
    'is MALFORMED, and no key is looked up, where none was imported (warm: %j)',
    async (warm) => {
      const world = snapshotWorld([native], { warm });
      const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
      expect(verifier.tryVerify(ask(foreign), everywhere)).toEqual(warm ? malformed : undefined);
      expect(await verifier.verify(ask(foreign), everywhere)).toEqual(malformed);
      expect(world.recalls).toEqual([]);
      expect(world.loads).toEqual([]);
      expect(world.importQuestions).toEqual(warm ? ['recall', 'recall'] : ['recall', 'recall', 'load']);
    },
  );

  test('asks memory first, then the database, by its digest and with the wanted revision', async () => {
    const world = snapshotWorld([imported], { warm: false });
    const asked: unknown[] = [];
    const snapshots = {
      ...world,
      async loadImports(...question: Parameters<SnapshotSource['loadImports']>) {
        asked.push(...question);
        return world.loadImports(...question);
      },
    };
    const verifier = createVerifier({ snapshots, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    const minRevision = { shard: 0, seq: 7 };
    const ref = readToken(foreign)?.ref ?? '';
    expect((await verifier.verify(ask(foreign, { minRevision }), everywhere)).verdict).toBe('VALID');
    expect(asked).toEqual([minRevision]);
    expect(world.recalls).toEqual([[ref, minRevision]]);
    expect(world.loads).toEqual([[ref, minRevision]]);
  });

  test('leaves tryVerify without an answer where memory knows of imports but not of the key', () => {
    const world = { ...snapshotWorld([imported], { warm: false }), recallImports: () => true };
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    expect(verifier.tryVerify(ask(foreign), everywhere)).toBeUndefined();
    expect(world.loads).toEqual([]);
  });

  test('whose imports nobody can tell of makes a fault, never a verdict', async () => {
    const fault = new Fault('DATABASE_UNAVAILABLE', 'the database does not answer');
    const world = { ...snapshotWorld([], { warm: false }), loadImports: () => Promise.reject(fault) };
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    await expect(verifier.verify(ask(foreign), everywhere)).rejects.toBe(fault);
  });

  test('is no way around a checksum: a token of our shape that is mistyped is never looked up', async () => {
    const last = token.endsWith('0') ? '1' : '0';
    const mistyped = token.slice(0, -1) + last;
    // Somebody imported the very digest of it.
    for (const warm of [true, false]) {
      const world = snapshotWorld([importOf(mistyped)], { warm });
      const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
      expect(verifier.tryVerify(ask(mistyped), everywhere)).toEqual(malformed);
      expect(await verifier.verify(ask(mistyped), everywhere)).toEqual(malformed);
      expect([world.recalls, world.loads, world.importQuestions]).toEqual([[], [], []]);
    }
  });

  test('of ours is found by its key id alone, and asks nothing about imports', async () => {
    const world = snapshotWorld([native], { warm: false });
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    expect((await verifier.verify(ask(token), everywhere)).verdict).toBe('VALID');
    expect(world.importQuestions).toEqual([]);
  });
});

describe('NOT_FOUND', () => {
  const { key, token } = issueKey({ scopes: ['a'] });
  const wrongSecret = newToken('acme', key.id);
  const unknown = newToken('acme', newId('key'));
  /** The same key under another prefix is another token. */
  const otherPrefix = newToken('other', key.id);

  const cases: readonly (readonly [string, Verification, () => boolean])[] = [
    ['an unknown id', ask(unknown), everywhere],
    ['a wrong secret', ask(wrongSecret), everywhere],
    ['another prefix', ask(otherPrefix), everywhere],
    [
      'a key of another keyspace than the one asked for',
      ask(token, { keyspaceId: OTHER_KEYSPACE_ID }),
      everywhere,
    ],
    ['a key of a keyspace that the caller does not reach', ask(token), nowhere],
    [
      'a key of the keyspace asked for that the caller does not reach',
      ask(token, { keyspaceId: KEYSPACE_ID }),
      nowhere,
    ],
    ['an unknown id with demands', ask(unknown, { scopes: ['x'], resource: 'y' }), everywhere],
    ['a wrong secret with demands', ask(wrongSecret, { scopes: ['x'], resource: 'y' }), everywhere],
  ];

  test.each(cases)('%s', async (_what, verification, reach) => {
    const outcome = await judge([key], verification, reach);
    expect(outcome).toEqual({
      verdict: 'NOT_FOUND',
      snapshot: undefined,
      missingScopes: [],
      clientRefusal: undefined,
      limits: [],
    });
  });

  test('is one and the same object whatever the cause: nothing in it can tell them apart', async () => {
    const world = snapshotWorld([key], { warm: true });
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    const cold = createVerifier({
      snapshots: snapshotWorld([key], { warm: false }),
      budgets: NO_BUDGETS,
      nowMs: () => NOW_MS,
    });
    const outcomes = new Set<Outcome | undefined>();
    expect(cases.length).toBeGreaterThan(5);
    for (const [, verification, reach] of cases) {
      outcomes.add(verifier.tryVerify(verification, reach));
      outcomes.add(await verifier.verify(verification, reach));
      outcomes.add(await cold.verify(verification, reach));
    }
    expect(outcomes.size).toBe(1);
  });

  test.each(['REVOKED', 'DISABLED'] as const)(
    'comes before %s: the state of a key is told only to who holds its secret and may know it',
    async (state) => {
      const stopped = { ...key, switch: state, expireTimeMs: 0 };
      expect((await judge([stopped], ask(token))).verdict).toBe(state);
      expect((await judge([stopped], ask(wrongSecret))).verdict).toBe('NOT_FOUND');
      expect((await judge([stopped], ask(token), nowhere)).verdict).toBe('NOT_FOUND');
      expect((await judge([stopped], ask(token, { keyspaceId: OTHER_KEYSPACE_ID }))).verdict).toBe(
        'NOT_FOUND',
      );
    },
  );

  test('the caller is asked about the keyspace of the key, not about the one that it names', async () => {
    const asked: string[] = [];
    const verifier = createVerifier({
      snapshots: snapshotWorld([key], { warm: true }),
      budgets: NO_BUDGETS,
      nowMs: () => NOW_MS,
    });
    verifier.tryVerify(ask(token, { keyspaceId: OTHER_KEYSPACE_ID }), (id) => {
      asked.push(id);
      return true;
    });
    expect(asked).toEqual([KEYSPACE_ID]);
  });
});

describe('a rotated key', () => {
  const { key, token: newer } = issueKey();
  const older = newToken('acme', key.id);
  const rotated = (expireTimeMs: number, newestFirst: boolean): KeyRecord => {
    const secrets = [secretOf(newer), secretOf(older, expireTimeMs)];
    return { ...key, secrets: newestFirst ? secrets : secrets.toReversed() };
  };

  test.each([true, false])('takes both tokens during the overlap (newest first: %j)', async (newestFirst) => {
    const during = rotated(NOW_MS + 1, newestFirst);
    expect((await judge([during], ask(newer))).verdict).toBe('VALID');
    expect((await judge([during], ask(older))).verdict).toBe('VALID');
  });

  test.each([true, false])('retires only the old token after it (newest first: %j)', async (newestFirst) => {
    const after = rotated(NOW_MS, newestFirst);
    expect((await judge([after], ask(newer))).verdict).toBe('VALID');
    expect((await judge([after], ask(older))).verdict).toBe('SECRET_RETIRED');
  });

  test('without any secret takes none', async () => {
    expect((await judge([{ ...key, secrets: [] }], ask(newer))).verdict).toBe('NOT_FOUND');
  });
});

describe('memory', () => {
  const { key, token } = issueKey();

  test('that cannot say leaves tryVerify without an answer, and asks nobody else', () => {
    const world = snapshotWorld([key], { warm: false });
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    expect(verifier.tryVerify(ask(token), everywhere)).toBeUndefined();
    expect(world.loads).toEqual([]);
  });

  test('that knows of the absence of a key answers', () => {
    const world = snapshotWorld([], { warm: true });
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    expect(verifier.tryVerify(ask(token), everywhere)?.verdict).toBe('NOT_FOUND');
  });

  test('is asked first; then the database, once', async () => {
    const world = snapshotWorld([key], { warm: false });
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    const minRevision = { shard: 0, seq: 7 };
    await verifier.verify(ask(token, { minRevision }), everywhere);
    expect(world.recalls).toEqual([[key.id, minRevision]]);
    expect(world.loads).toEqual([[key.id, minRevision]]);
  });

  test('is told the wanted revision by tryVerify too', () => {
    const world = snapshotWorld([key], { warm: true });
    const verifier = createVerifier({ snapshots: world, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    const minRevision = { shard: 0, seq: 7 };
    verifier.tryVerify(ask(token, { minRevision }), everywhere);
    verifier.tryVerify(ask(token), everywhere);
    expect(world.recalls).toEqual([
      [key.id, minRevision],
      [key.id, undefined],
    ]);
  });

  test('and a database that does not answer make a fault, never a verdict', async () => {
    const fault = new Fault('DATABASE_UNAVAILABLE', 'the database does not answer');
    const snapshots = { ...memoryOnly(() => undefined), load: () => Promise.reject(fault) };
    const verifier = createVerifier({ snapshots, budgets: NO_BUDGETS, nowMs: () => NOW_MS });
    await expect(verifier.verify(ask(token), everywhere)).rejects.toBe(fault);
  });
});

test('verify and tryVerify agree on random keys, tokens, callers and times', async () => {
  const seen = new Map<string, number>();
  const lifetime = fc.oneof(fc.constant(null), fc.constantFrom(NOW_MS, NOW_MS + 1));
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        switch: fc.constantFrom('ACTIVE', 'ACTIVE', 'DISABLED', 'REVOKED'),
        expireTimeMs: lifetime,
        scopes: fc.subarray(['a', 'b:*']),
        keyspaceId: fc.constantFrom(KEYSPACE_ID, OTHER_KEYSPACE_ID),
        resourceAccess: fc.constantFrom({ type: 'ALL' } as const, { type: 'LISTED', ids: ['shop'] } as const),
      }),
      lifetime,
      fc.constantFrom('right', 'right', 'older', 'wrong', 'unknown', 'junk', 'foreign'),
      fc.record({
        keyspaceId: fc.constantFrom(undefined, undefined, KEYSPACE_ID, OTHER_KEYSPACE_ID),
        resource: fc.constantFrom('', 'shop', 'other'),
        scopes: fc.subarray(['a', 'b:c', 'x']),
      }),
      fc.subarray([KEYSPACE_ID, OTHER_KEYSPACE_ID], { minLength: 1 }),
      async (change, olderExpireTimeMs, which, demands, reached) => {
        const { key, token } = issueKey(change);
        const older = newToken('acme', key.id);
        const stored = { ...key, secrets: [secretOf(token), secretOf(older, olderExpireTimeMs)] };
        const tokens = {
          right: token,
          older,
          wrong: newToken('acme', key.id),
          unknown: newToken('acme', newId('key')),
          junk: '',
          foreign: 'of no make of ours',
        };
        const { verdict, snapshot } = await judge([stored], ask(tokens[which], demands), (id?: string) =>
          reached.includes(id ?? ''),
        );
        const isKnown = verdict !== 'MALFORMED' && verdict !== 'NOT_FOUND';
        expect(snapshot?.key).toBe(isKnown ? stored : undefined);
        seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
      },
    ),
    { numRuns: 2000 },
  );
  expect([...seen.keys()].toSorted()).toEqual([
    'DISABLED',
    'EXPIRED',
    'MALFORMED',
    'NOT_FOUND',
    'RESOURCE_NOT_ALLOWED',
    'REVOKED',
    'SCOPE_MISSING',
    'SECRET_RETIRED',
    'VALID',
  ]);
});
