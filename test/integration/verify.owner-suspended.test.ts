import { describe, expect, test } from 'vitest';
import { createTestClock } from '../support/test-clock.ts';
import { verdictOf } from './support/judge.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

let owners = 0;
const newOwnerId = (): string => `team-${(owners += 1)}`;

describe('the keys of an owner', () => {
  test('are refused at once, all of them, when it is suspended, and pass again when it is resumed', async () => {
    const { root, issue, keyspaceId } = served();
    const id = newOwnerId();
    const { policy } = await root.policies.createPolicy({ policy: { keyspaceId, displayName: id } });
    const tokens = [
      (await issue({ ownerId: id })).token,
      (await issue({ ownerId: id, policyIds: [policy?.id ?? ''] })).token,
      (await issue({ ownerId: id, expireTime: new Date(clock.nowMs() + 1000) })).token,
    ];
    const verdicts = (): Promise<readonly string[]> =>
      Promise.all(tokens.map((token) => verdictOf(root, { token })));
    expect(await verdicts()).toEqual(['VALID', 'VALID', 'VALID']);

    const { owner, keys, effectiveTime } = await root.owners.suspendOwner({
      keyspaceId,
      id,
      reason: 'unpaid',
      note: 'see ticket 7',
    });
    expect(owner).toMatchObject({
      suspended: true,
      suspendReason: 'unpaid',
      suspendTime: new Date(clock.nowMs()),
    });
    expect(keys).toEqual({ active: 3n, disabled: 0n, revoked: 0n, expired: 0n });
    expect(effectiveTime).toEqual(new Date(clock.nowMs()));
    expect(await verdicts()).toEqual(['OWNER_SUSPENDED', 'OWNER_SUSPENDED', 'OWNER_SUSPENDED']);

    await root.owners.resumeOwner({ keyspaceId, id });
    expect(await verdicts()).toEqual(['VALID', 'VALID', 'VALID']);
  });

  test('are told of: the verdict comes with the key', async () => {
    const { root, latchkey, issue, keyspaceId } = served();
    const ownerId = newOwnerId();
    const { id, token } = await issue({ ownerId });
    await root.owners.suspendOwner({ keyspaceId, id: ownerId });
    expect(await latchkey.verify({ token })).toMatchObject({
      valid: false,
      verdict: 'OWNER_SUSPENDED',
      key: { id, ownerId },
    });
  });

  test('are refused too if they are made, or given to it, while it is suspended', async () => {
    const { root, issue, keyspaceId } = served();
    const ownerId = newOwnerId();
    await root.owners.createOwner({ owner: { keyspaceId, id: ownerId } });
    await root.owners.suspendOwner({ keyspaceId, id: ownerId });
    const made = await issue({ ownerId });
    expect(await verdictOf(root, made)).toBe('OWNER_SUSPENDED');

    const given = await issue();
    expect(await verdictOf(root, given)).toBe('VALID');
    await root.keys.updateKey({ key: { id: given.id, ownerId }, updateMask: ['owner_id'] });
    expect(await verdictOf(root, given)).toBe('OWNER_SUSPENDED');
    await root.keys.updateKey({ key: { id: given.id }, updateMask: ['owner_id'] });
    expect(await verdictOf(root, given)).toBe('VALID');
    expect(await verdictOf(root, made)).toBe('OWNER_SUSPENDED');
  });

  test('are refused first for what is worse, and only then for what comes after', async () => {
    const { root, issue, keyspaceId } = served();
    const ownerId = newOwnerId();
    const revoked = await issue({ ownerId });
    const disabled = await issue({ ownerId });
    const expired = await issue({ ownerId, expireTime: new Date(clock.nowMs() + 1000) });
    await root.keys.revokeKey({ id: revoked.id });
    await root.keys.disableKey({ id: disabled.id });
    await root.owners.suspendOwner({ keyspaceId, id: ownerId });
    clock.advance(1000);
    expect(await verdictOf(root, revoked)).toBe('REVOKED');
    expect(await verdictOf(root, disabled)).toBe('DISABLED');
    expect(await verdictOf(root, expired)).toBe('OWNER_SUSPENDED');
    await root.keys.enableKey({ id: disabled.id });
    expect(await verdictOf(root, disabled)).toBe('OWNER_SUSPENDED');
  });

  test('of another owner, of none, and of one of the same id in another keyspace are not concerned', async () => {
    const { root, issue, keyspaceId, newKeyspace } = served();
    const ownerId = newOwnerId();
    const { id: elsewhere } = await newKeyspace();
    const others = [
      await issue(),
      await issue({ ownerId: `${ownerId}0` }),
      await issue({ ownerId: ownerId.toUpperCase() }),
      await issue({ keyspaceId: elsewhere, ownerId }),
    ];
    const victim = await issue({ ownerId });
    for (const other of others) expect(await verdictOf(root, other)).toBe('VALID');
    await root.owners.suspendOwner({ keyspaceId, id: ownerId });
    expect(await verdictOf(root, victim)).toBe('OWNER_SUSPENDED');
    for (const other of others) expect(await verdictOf(root, other)).toBe('VALID');
  });
});

test('an owner that is named on a key for the first time is created with it, and only then', async () => {
  const { root, issue, keyspaceId } = served();
  const [first, second] = [newOwnerId(), newOwnerId()];
  await expect(root.owners.getOwner({ keyspaceId, id: first })).rejects.toMatchObject({ code: 5 });
  const { id } = await issue({ ownerId: first });
  const { owner } = await root.owners.getOwner({ keyspaceId, id: first });
  expect(owner).toMatchObject({ id: first, keyspaceId, displayName: '', suspended: false });

  await root.keys.updateKey({ key: { id, ownerId: second }, updateMask: ['owner_id'] });
  expect((await root.owners.getOwner({ keyspaceId, id: second })).keys).toMatchObject({ active: 1n });
  // What is known of an owner is not overwritten by a key that names it.
  await root.owners.updateOwner({
    owner: { keyspaceId, id: first, displayName: 'First' },
    updateMask: ['display_name'],
  });
  await issue({ ownerId: first });
  expect((await root.owners.getOwner({ keyspaceId, id: first })).owner?.displayName).toBe('First');

  // A key that is refused makes no owner.
  const third = newOwnerId();
  await expect(
    root.keys.createKey({ key: { keyspaceId, ownerId: third, policyIds: ['pol_0000000000000000'] } }),
  ).rejects.toMatchObject({ code: 5 });
  await expect(root.owners.getOwner({ keyspaceId, id: third })).rejects.toMatchObject({ code: 5 });
});
