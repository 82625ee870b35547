import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { LatchkeyError, type ChangedKey, type Verdict } from '../../sdk/src/index.ts';
import { createTestClock } from '../support/test-clock.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const OPERATIONS = [
  'enable',
  'disable',
  'revoke',
  'delete',
  'undelete',
  'update',
  'rotate',
  'completeRotation',
] as const;
type Operation = (typeof OPERATIONS)[number];

function run(operation: Operation, id: string): Promise<ChangedKey> {
  const { keys } = served().latchkey;
  return operation === 'update' ? keys.update(id, { displayName: 'after' }) : keys[operation](id);
}

/** What an operation does: the verdict after a change, `same` where there is nothing to do, or why it is refused. */
type Outcome = Verdict | 'same' | 'KEY_REVOKED' | 'KEY_DELETED';

/** Every operation on a key in every state. */
const TABLE: readonly {
  readonly state: string;
  /** What brings a new key there. */
  readonly way: readonly Operation[];
  readonly expired?: true;
  readonly outcomes: Readonly<Record<Operation, Outcome>>;
}[] = [
  {
    state: 'active',
    way: [],
    outcomes: {
      enable: 'same',
      disable: 'DISABLED',
      revoke: 'REVOKED',
      delete: 'NOT_FOUND',
      undelete: 'same',
      update: 'VALID',
      rotate: 'SECRET_RETIRED',
      completeRotation: 'same',
    },
  },
  {
    state: 'disabled',
    way: ['disable'],
    outcomes: {
      enable: 'VALID',
      disable: 'same',
      revoke: 'REVOKED',
      delete: 'NOT_FOUND',
      undelete: 'same',
      update: 'DISABLED',
      rotate: 'DISABLED',
      completeRotation: 'same',
    },
  },
  {
    state: 'revoked',
    way: ['revoke'],
    outcomes: {
      enable: 'KEY_REVOKED',
      disable: 'KEY_REVOKED',
      revoke: 'same',
      delete: 'NOT_FOUND',
      undelete: 'same',
      update: 'KEY_REVOKED',
      rotate: 'KEY_REVOKED',
      completeRotation: 'KEY_REVOKED',
    },
  },
  {
    state: 'expired',
    way: [],
    expired: true,
    outcomes: {
      enable: 'same',
      disable: 'DISABLED',
      revoke: 'REVOKED',
      delete: 'NOT_FOUND',
      undelete: 'same',
      update: 'EXPIRED',
      rotate: 'EXPIRED',
      completeRotation: 'same',
    },
  },
  {
    state: 'deleted',
    way: ['delete'],
    outcomes: {
      enable: 'KEY_DELETED',
      disable: 'KEY_DELETED',
      // It could be undeleted, so it must be possible to end it for good.
      revoke: 'NOT_FOUND',
      delete: 'same',
      undelete: 'VALID',
      update: 'KEY_DELETED',
      rotate: 'KEY_DELETED',
      completeRotation: 'KEY_DELETED',
    },
  },
  {
    state: 'disabled and deleted',
    way: ['disable', 'delete'],
    outcomes: {
      enable: 'KEY_DELETED',
      disable: 'KEY_DELETED',
      revoke: 'NOT_FOUND',
      delete: 'same',
      undelete: 'DISABLED',
      update: 'KEY_DELETED',
      rotate: 'KEY_DELETED',
      completeRotation: 'KEY_DELETED',
    },
  },
  {
    state: 'revoked and deleted',
    way: ['revoke', 'delete'],
    outcomes: {
      enable: 'KEY_DELETED',
      disable: 'KEY_DELETED',
      revoke: 'same',
      delete: 'same',
      undelete: 'REVOKED',
      update: 'KEY_DELETED',
      rotate: 'KEY_DELETED',
      completeRotation: 'KEY_DELETED',
    },
  },
  {
    state: 'revoked while deleted, and brought back',
    way: ['delete', 'revoke', 'undelete'],
    outcomes: {
      enable: 'KEY_REVOKED',
      disable: 'KEY_REVOKED',
      revoke: 'same',
      delete: 'NOT_FOUND',
      undelete: 'same',
      update: 'KEY_REVOKED',
      rotate: 'KEY_REVOKED',
      completeRotation: 'KEY_REVOKED',
    },
  },
];

const CASES = TABLE.flatMap(({ state, way, expired, outcomes }) =>
  OPERATIONS.map((operation) => ({ state, way, expired, operation, outcome: outcomes[operation] })),
);

describe.each(CASES)('$operation on a key that is $state', ({ way, expired, operation, outcome }) => {
  test(`is ${outcome}`, async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue({ expireTime: new Date(clock.nowMs() + 1000) });
    for (const step of way) await run(step, id);
    clock.advance(expired === true ? 1000 : 1);
    // In memory, so that a change which memory misses shows.
    const { verdict, revision: revisionBefore } = await latchkey.verify({ token });
    const before = await latchkey.keys.get(id);

    if (outcome.startsWith('KEY_')) {
      await expect(run(operation, id)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        reason: outcome,
        metadata: { id },
      });
    } else {
      const { key, revision } = await run(operation, id);
      expect(key).toEqual(await latchkey.keys.get(id));
      if (outcome !== 'same') {
        expect(revision).not.toBe(revisionBefore);
        expect(key.etag).not.toBe(before.etag);
        expect(key.updateTime).toEqual(new Date(clock.nowMs()));
        expect(await latchkey.verify({ token })).toMatchObject({ verdict: outcome, revision });
        return;
      }
    }
    expect(await latchkey.keys.get(id)).toEqual(before);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict, revision: revisionBefore });
  });
});

describe('a key', () => {
  test('tells when and why it was revoked, as it was told first', async () => {
    const { latchkey, issue } = served();
    const { id } = await issue();
    const time = new Date(clock.nowMs());
    const { key } = await latchkey.keys.revoke(id, { reason: 'leaked', note: 'found\nin a log' });
    expect(key).toMatchObject({ state: 'REVOKED', revokeReason: 'leaked', revokeTime: time });
    expect(JSON.stringify(key)).not.toContain('found');
    clock.advance(1000);
    const again = await latchkey.keys.revoke(id, { reason: 'superseded' });
    expect(again.key).toMatchObject({ revokeReason: 'leaked', revokeTime: time });
  });

  test('tells when it was deleted and when it will be purged, and no more once it is back', async () => {
    const { latchkey, issue } = served();
    const { id } = await issue();
    const time = clock.nowMs();
    const { key } = await latchkey.keys.delete(id);
    const purgeTime = new Date(time + 30 * 86_400_000);
    expect(key).toMatchObject({ deleteTime: new Date(time), purgeTime });
    clock.advance(1000);
    expect((await latchkey.keys.delete(id)).key).toMatchObject({ deleteTime: new Date(time), purgeTime });
    expect((await latchkey.keys.undelete(id)).key).toMatchObject({ deleteTime: null, purgeTime: null });
  });

  test.each([...OPERATIONS, 'get'] as const)('that is not there is NOT_FOUND for %s', async (operation) => {
    const id = newId('key');
    const failure = await (operation === 'get' ? served().latchkey.keys.get(id) : run(operation, id)).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(LatchkeyError);
    expect(failure).toMatchObject({ code: 'NOT_FOUND', reason: 'KEY_NOT_FOUND', metadata: { id } });
  });

  test('takes a whole life, and the next verification knows each turn of it', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    const turns: [Operation, Verdict][] = [
      ['disable', 'DISABLED'],
      ['enable', 'VALID'],
      ['delete', 'NOT_FOUND'],
      ['undelete', 'VALID'],
      ['disable', 'DISABLED'],
      ['delete', 'NOT_FOUND'],
      ['undelete', 'DISABLED'],
      ['enable', 'VALID'],
      ['revoke', 'REVOKED'],
      ['delete', 'NOT_FOUND'],
      ['undelete', 'REVOKED'],
    ];
    for (const [operation, verdict] of turns) {
      await run(operation, id);
      for (let again = 0; again < 2; again += 1)
        expect((await latchkey.verify({ token })).verdict).toBe(verdict);
    }
  });
});
