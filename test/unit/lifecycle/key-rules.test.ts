import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { ROOT_KEYSPACE_ID, type KeyRecord } from '../../../core/key.ts';
import { CALLER_SCOPES } from '../../../server/callers/access.ts';
import type { Caller } from '../../../server/callers/caller.ts';
import {
  changed,
  formatEtag,
  lockKey,
  requireAlive,
  requireEtag,
  requireRootKeyRules,
} from '../../../server/lifecycle/key-rules.ts';
import type { Repositories } from '../../../server/lifecycle/ports.ts';
import { faultOf } from '../support/fault-of.ts';
import { issueKey, KEYSPACE_ID } from '../support/issue-key.ts';

const NOW_MS = 5_000_000;

/** The reason of the fault that something throws, or nothing. */
async function reasonOf(act: () => unknown): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.reason;
    throw error;
  }
}

describe('an etag', () => {
  test.each(['', '7'])('%j matches version 7', async (etag) => {
    expect(await reasonOf(() => requireEtag({ version: 7 }, etag))).toBeUndefined();
  });

  test.each(['8', '6', '07', '7 ', ' 7', '7.0', '"7"', '*', 'x', '\0'])(
    '%j does not match version 7',
    async (etag) => {
      expect(await reasonOf(() => requireEtag({ version: 7 }, etag))).toBe('ETAG_MISMATCH');
    },
  );

  test('changes with every change', () => {
    const { key } = issueKey();
    const next = changed(key, { displayName: 'x' }, NOW_MS);
    expect(formatEtag(next.version)).not.toBe(formatEtag(key.version));
    expect(next).toEqual({ ...key, displayName: 'x', updateTimeMs: NOW_MS, version: key.version + 1 });
  });
});

describe('a key that is locked for a change', () => {
  const { key } = issueKey();
  const locks: unknown[][] = [];
  const tx = {
    keys: {
      get: async (...question: unknown[]) => {
        locks.push(question);
        return question[0] === key.id ? key : undefined;
      },
    },
  } as unknown as Repositories;
  const caller = (reached: string): Caller => ({
    keyId: 'key_caller',
    holds: () => true,
    reaches: (id) => id === reached,
    confinedTo: [reached],
    managesRootKeys: false,
  });

  test('is read with a lock', async () => {
    expect(await lockKey(tx, caller(KEYSPACE_ID), key.id, '')).toBe(key);
    expect(locks.at(-1)).toEqual([key.id, 'update']);
  });

  test('is as unknown out of reach as if it did not exist, whatever its etag', async () => {
    const faults: Fault[] = [];
    for (const attempt of [
      () => lockKey(tx, caller('ks_other'), key.id, ''),
      () => lockKey(tx, caller('ks_other'), key.id, 'wrong'),
      () => lockKey(tx, caller(KEYSPACE_ID), key.id.replace(/.$/, '_'), ''),
    ]) {
      await attempt().then(
        () => expect.fail('it was locked'),
        (error: Fault) => faults.push(error),
      );
    }
    expect(faults.map(({ reason }) => reason)).toEqual(['KEY_NOT_FOUND', 'KEY_NOT_FOUND', 'KEY_NOT_FOUND']);
    expect(faults[0]?.message).toBe(faults[1]?.message);
    expect(faults[0]?.metadata).toEqual({ id: key.id });
  });

  test('must be of the version that the caller saw', async () => {
    expect(await reasonOf(() => lockKey(tx, caller(KEYSPACE_ID), key.id, '2'))).toBe('ETAG_MISMATCH');
  });
});

describe('a key that can be changed', () => {
  test.each<[string, Partial<KeyRecord>, string | undefined]>([
    ['active', {}, undefined],
    ['disabled', { switch: 'DISABLED' }, undefined],
    ['expired', { expireTimeMs: 0 }, undefined],
    ['revoked', { switch: 'REVOKED' }, 'KEY_REVOKED'],
    ['deleted', { deleteTimeMs: 1 }, 'KEY_DELETED'],
    ['deleted in 1970', { deleteTimeMs: 0 }, 'KEY_DELETED'],
    ['revoked and deleted', { switch: 'REVOKED', deleteTimeMs: 1 }, 'KEY_DELETED'],
  ])('%s: %2$j', async (_what, change, expected) => {
    expect(await reasonOf(() => requireAlive({ ...issueKey().key, ...change }))).toBe(expected);
  });
});

describe('scopes of a root key', () => {
  test('are those that callers can hold', async () => {
    expect(
      await reasonOf(() => requireRootKeyRules(ROOT_KEYSPACE_ID, { scopes: CALLER_SCOPES })),
    ).toBeUndefined();
  });

  test.each(['*', 'keys:*', 'Admin', 'admin ', 'keys', 'orders:read', '', '__proto__'])(
    'are never %j',
    (scope) => {
      const fault = faultOf(() => requireRootKeyRules(ROOT_KEYSPACE_ID, { scopes: ['verify', scope] }));
      expect(fault.reason).toBe('INVALID_FIELD');
      expect(fault.violations.map(({ field }) => field)).toEqual(['key.scopes[1]']);
    },
  );

  test('of other keyspaces are theirs to choose', async () => {
    expect(await reasonOf(() => requireRootKeyRules(KEYSPACE_ID, { scopes: ['*', 'x'] }))).toBeUndefined();
  });
});
