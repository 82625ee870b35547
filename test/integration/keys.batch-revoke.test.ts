import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BatchRevokeKeysRequest } from '../../proto/gen/latchkey/v1/key_service.ts';
import type { DeepPartial, Key } from '../../proto/gen/latchkey/v1/key.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { failureOf } from '../support/failure-of.ts';
import { startServer } from '../support/start-server.ts';
import { createTestClock } from '../support/test-clock.ts';
import { verdictOf } from './support/judge.ts';
import { openServed, present, type IssuedKey, type Served } from './support/serve-latchkey.ts';

const clock = createTestClock();
/** On a database that can be looked into: the audit trail has no RPC yet. */
let database: TestDatabase;
let served: Served & { close(): Promise<void> };
beforeAll(async () => {
  database = await createDatabase();
  served = await openServed(await startServer({ databaseUrl: database.url, clock }));
});
afterAll(async () => {
  await served.close();
  await database.drop();
});

/** The position of the newest change. */
const head = async (): Promise<string> => (await served.root.verify.verify({ token: 'x' })).revision;

/** A keyspace with ten keys that differ in owner, policy, tag and time. */
interface Field {
  readonly keyspaceId: string;
  readonly policyId: string;
  readonly keys: readonly IssuedKey[];
  /** When the last five were made. */
  readonly half: Date;
}

async function newField(): Promise<Field> {
  const { root, issue, newKeyspace } = served;
  const { id: keyspaceId } = await newKeyspace();
  const { policy } = await root.policies.createPolicy({ policy: { keyspaceId, displayName: 'plan' } });
  const policyId = present(policy).id;
  const keys: IssuedKey[] = [];
  let half = new Date(0);
  for (let index = 0; index < 10; index += 1) {
    clock.advance(1000);
    if (index === 5) half = new Date(clock.nowMs());
    const attributes: DeepPartial<Key> = {
      keyspaceId,
      ...(index % 2 === 0 ? { ownerId: 'team-7' } : {}),
      ...(index % 3 === 0 ? { policyIds: [policyId] } : {}),
      ...(index < 8 ? { tags: ['eu', 'x'] } : {}),
    };
    keys.push(await issue(attributes));
  }
  return { keyspaceId, policyId, keys, half };
}

/** Which of the keys are revoked, by verification. */
async function revokedOf({ keys }: Field): Promise<readonly number[]> {
  const found: number[] = [];
  for (const [index, { token }] of keys.entries()) {
    const verdict = await verdictOf(served.root, { token });
    if (verdict === 'REVOKED') found.push(index);
    else expect(verdict).toBe('VALID');
  }
  return found;
}

const CASES: readonly [
  name: string,
  choose: (field: Field) => DeepPartial<BatchRevokeKeysRequest>,
  expected: readonly number[],
][] = [
  ['an owner', () => ({ ownerId: 'team-7' }), [0, 2, 4, 6, 8]],
  ['a policy', ({ policyId }) => ({ policyId }), [0, 3, 6, 9]],
  ['a tag', () => ({ tag: 'eu' }), [0, 1, 2, 3, 4, 5, 6, 7]],
  ['a time', ({ half }) => ({ createdBefore: half }), [0, 1, 2, 3, 4]],
  [
    'the present time',
    () => ({ createdBefore: new Date(clock.nowMs() + 1) }),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  ],
  ['an owner and a policy', ({ policyId }) => ({ ownerId: 'team-7', policyId }), [0, 6]],
  ['a tag and a time', ({ half }) => ({ tag: 'x', createdBefore: half }), [0, 1, 2, 3, 4]],
  [
    'all conditions',
    ({ policyId, half }) => ({ ownerId: 'team-7', policyId, tag: 'eu', createdBefore: half }),
    [0],
  ],
  ['an owner of another spelling', () => ({ ownerId: 'Team-7' }), []],
  ['the beginning of a tag', () => ({ tag: 'e' }), []],
  ['an unknown policy', () => ({ policyId: 'pol_0000000000000000' }), []],
  ['a time before all of them', () => ({ createdBefore: new Date(0) }), []],
];

describe('a choice by', () => {
  test.each(CASES)('%s revokes the keys that match it, and no other', async (_name, choose, expected) => {
    const { root } = served;
    const field = await newField();
    const bystanders = await newField();
    expect(await revokedOf(field)).toEqual([]);
    const request = {
      keyspaceId: field.keyspaceId,
      ...choose(field),
      reason: 'off-boarded',
      note: 'ticket 7',
    };
    const ids = expected.map((index) => field.keys[index]?.id);

    // First what it would hit, then the blow.
    const before = await head();
    const preview = await root.keys.batchRevokeKeys({ ...request, validateOnly: true });
    expect(preview).toEqual({
      count: BigInt(expected.length),
      sampleIds: ids,
      revision: before,
      effectiveTime: undefined,
    });
    expect(await revokedOf(field)).toEqual([]);

    const done = await root.keys.batchRevokeKeys(request);
    expect(done).toMatchObject({ count: BigInt(expected.length), sampleIds: ids });
    expect(done.effectiveTime?.getTime()).toBeGreaterThanOrEqual(clock.nowMs());
    expect(await revokedOf(field)).toEqual(expected);
    expect(await revokedOf(bystanders)).toEqual([]);
    const revision = await head();
    expect(revision).toBe(done.revision);
    expect(revision === before).toBe(expected.length === 0);
    for (const id of ids) {
      const { key } = await root.keys.getKey({ id: id ?? '' });
      expect(key).toMatchObject({ revokeReason: 'off-boarded', revokeTime: new Date(clock.nowMs()) });
    }

    // Nothing is left to be revoked, so a second time changes nothing.
    expect(await root.keys.batchRevokeKeys(request)).toMatchObject({ count: 0n, sampleIds: [] });
    expect(await head()).toBe(revision);
  });

  test('nothing but a keyspace is refused', async () => {
    const { root } = served;
    const field = await newField();
    for (const validateOnly of [true, false]) {
      const failure = await failureOf((options) =>
        root.keys.batchRevokeKeys(
          { keyspaceId: field.keyspaceId, reason: 'x', note: 'y', validateOnly },
          options,
        ),
      );
      expect(failure).toMatchObject({ code: 3, fields: ['created_before'] });
    }
    expect(await revokedOf(field)).toEqual([]);
  });
});

describe('a batch revocation', () => {
  test('leaves out keys that are revoked or deleted, and takes those that are disabled or expired', async () => {
    const { root, issue } = served;
    const tag = randomUUID();
    const issued = async (attributes: DeepPartial<Key> = {}) => issue({ tags: [tag], ...attributes });
    const [revoked, deleted, disabled] = [await issued(), await issued(), await issued()];
    const expired = await issued({ expireTime: new Date(clock.nowMs() + 1000) });
    await root.keys.revokeKey({ id: revoked.id, reason: 'before' });
    await root.keys.deleteKey({ id: deleted.id });
    await root.keys.disableKey({ id: disabled.id });
    clock.advance(1000);
    const { keyspaceId } = served;
    const { count, sampleIds } = await root.keys.batchRevokeKeys({ keyspaceId, tag, reason: 'after' });
    expect(count).toBe(2n);
    expect(sampleIds.toSorted()).toEqual([disabled.id, expired.id].toSorted());
    expect((await root.keys.getKey({ id: revoked.id })).key?.revokeReason).toBe('before');
    await root.keys.undeleteKey({ id: deleted.id });
    expect(await verdictOf(root, deleted)).toBe('VALID');
  });

  test('is kept in the audit trail: one record for the batch, and one for each key', async () => {
    const { root } = served;
    const field = await newField();
    const ids = [0, 2, 4, 6, 8].map((index) => field.keys[index]?.id ?? '');
    await root.keys.batchRevokeKeys({
      keyspaceId: field.keyspaceId,
      ownerId: 'team-7',
      reason: 'leaked',
      note: 'seen in a gist',
    });
    const events = await database.query<{
      action: string;
      target_id: string;
      actor: string;
      details: object;
    }>(
      `SELECT action, target_id, actor, details FROM audit_events WHERE keyspace_id = $1 AND action LIKE '%revoke' ORDER BY id`,
      [field.keyspaceId],
    );
    const told = { reason: 'leaked', note: 'seen in a gist' };
    const ofKeys = events.filter(({ action }) => action === 'key.revoke');
    expect(ofKeys.map(({ target_id: id }) => id).toSorted()).toEqual(ids.toSorted());
    for (const { details } of ofKeys) expect(details).toEqual(told);
    const ofBatch = events.filter(({ action }) => action === 'key.batch-revoke');
    expect(ofBatch).toMatchObject([
      { target_id: field.keyspaceId, details: { ...told, ownerId: 'team-7', count: 5 } },
    ]);
    const { key: caller } = await root.keys.lookupKey({
      by: { $case: 'token', value: served.server.rootToken },
    });
    expect(new Set(events.map(({ actor }) => actor))).toEqual(new Set([caller?.id]));
  });

  test('shows the first hundred keys of more, oldest first, and counts all', async () => {
    const { root, newKeyspace } = served;
    const { id: keyspaceId } = await newKeyspace();
    const batches: string[][] = [];
    for (let batch = 0; batch < 3; batch += 1) {
      clock.advance(1000);
      const { results } = await root.keys.importKeys({
        keyspaceId,
        keys: Array.from({ length: 80 }, () => ({ sha256: randomUUID().replaceAll('-', '').repeat(2) })),
      });
      batches.push(results.map(({ id }) => id));
    }
    const createdBefore = new Date(clock.nowMs() + 1);
    for (const validateOnly of [true, false]) {
      const { count, sampleIds } = await root.keys.batchRevokeKeys({
        keyspaceId,
        createdBefore,
        validateOnly,
      });
      expect(count).toBe(240n);
      expect(new Set(sampleIds).size).toBe(100);
      expect(sampleIds.slice(0, 80).toSorted()).toEqual(batches[0]?.toSorted());
      for (const id of sampleIds.slice(80)) expect(batches[1]).toContain(id);
    }
    const { keys } = await root.keys.listKeys({ filter: { keyspaceId, states: [1] } });
    expect(keys).toEqual([]);
  });

  test('is made once for each request id: keys that came later are not concerned', async () => {
    const { root, issue, keyspaceId } = served;
    const tag = randomUUID();
    const [one] = [await issue({ tags: [tag] })];
    const request = { keyspaceId, tag, reason: 'x', requestId: randomUUID() };
    const first = await root.keys.batchRevokeKeys(request);
    expect(first).toMatchObject({ count: 1n, sampleIds: [one.id] });
    const later = await issue({ tags: [tag] });
    const again = await root.keys.batchRevokeKeys(request);
    expect({ ...again, effectiveTime: undefined }).toEqual({ ...first, effectiveTime: undefined });
    expect(await verdictOf(root, later)).toBe('VALID');
    expect(
      await failureOf((options) => root.keys.batchRevokeKeys({ ...request, reason: 'y' }, options)),
    ).toMatchObject({ code: 3, reason: 'IDEMPOTENCY_MISMATCH' });
  });

  test('of a keyspace out of the caller’s reach is refused as one that is not there', async () => {
    const { root, clients, issueRoot, newKeyspace } = served;
    const field = await newField();
    const { id: inside } = await newKeyspace();
    const confined = clients((await issueRoot(['keys:revoke'], [inside])).token);
    const revoke = (keyspaceId: string) =>
      failureOf((options) => confined.keys.batchRevokeKeys({ keyspaceId, ownerId: 'team-7' }, options));
    const denied = await revoke(field.keyspaceId);
    expect(denied).toMatchObject({ code: 7, reason: 'CALLER_KEYSPACE_NOT_ALLOWED' });
    expect((await revoke('ks_0000000000000000')).reason).toBe(denied.reason);
    expect((await revoke('ks_latchkey')).reason).toBe(denied.reason);
    expect(await revokedOf(field)).toEqual([]);
    // One that does not exist has no keys.
    expect(
      await root.keys.batchRevokeKeys({ keyspaceId: 'ks_0000000000000000', ownerId: 'team-7' }),
    ).toMatchObject({ count: 0n });
  });
});
