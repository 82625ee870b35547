import { describe, expect, test } from 'vitest';
import { OnUnavailable, RefillInterval, type Limit } from '../../proto/gen/latchkey/v1/key.ts';
import { KeyView } from '../../proto/gen/latchkey/v1/key_service.ts';
import { digestToken } from '../../core/token.ts';
import { failureOf } from '../support/failure-of.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

const PER_MINUTE: Limit = {
  name: 'per-minute',
  kind: { $case: 'rate', value: { limit: 100n, window: { seconds: 60n, nanos: 0 } } },
  onDemand: false,
  onUnavailable: OnUnavailable.ON_UNAVAILABLE_ALLOW,
};
const POOL: Limit = {
  name: 'pool',
  kind: {
    $case: 'credits',
    value: {
      initial: 1_000_000_000_000n,
      refill: {
        amount: 7n,
        interval: RefillInterval.REFILL_INTERVAL_WEEKLY,
        day: 7,
        maxBalance: 1_000_000_000_000n,
      },
    },
  },
  onDemand: true,
  onUnavailable: OnUnavailable.ON_UNAVAILABLE_DENY,
};

let names = 0;
const newName = (): string => `limits ${(names += 1)}`;
/** The position of the newest change. */
const head = async (): Promise<string> => (await served().root.verify.verify({ token: 'x' })).revision;

describe('the limits of a key', () => {
  test('are kept as they were given, in their order, and shown wherever the key is', async () => {
    const { root, issue, keyspaceId } = served();
    const { id, token, key } = await issue({ limits: [POOL, PER_MINUTE] });
    expect(key).toMatchObject({ limits: [POOL, PER_MINUTE], limitOverrides: [] });
    expect((await root.keys.getKey({ id })).key).toEqual(key);
    expect((await root.keys.lookupKey({ by: { $case: 'token', value: token } })).key).toEqual(key);
    const { keys } = await root.keys.listKeys({ filter: { keyspaceId } });
    expect(keys.find((one) => one.id === id)).toEqual(key);
    const { effective } = await root.keys.getKey({ id, view: KeyView.KEY_VIEW_EFFECTIVE });
    expect(effective).toMatchObject({
      limits: [POOL, PER_MINUTE],
      ownerLimits: [],
      sources: [{ field: 'limits', policyIds: [] }],
    });
  });

  test('that say nothing of what to do without a ledger deny', async () => {
    const { issue } = served();
    const { key } = await issue({
      limits: [{ name: 'calls', kind: { $case: 'credits', value: {} } }],
    });
    expect(key.limits).toEqual([
      {
        name: 'calls',
        kind: { $case: 'credits', value: { initial: 0n, refill: undefined } },
        onDemand: false,
        onUnavailable: OnUnavailable.ON_UNAVAILABLE_DENY,
      },
    ]);
  });

  test('are changed by an update that names them, and by no other', async () => {
    const { root, issue } = served();
    const { id, key } = await issue({ limits: [POOL] });
    const update = (limits: readonly Limit[], path: string) =>
      root.keys.updateKey({ key: { id, limits: [...limits] }, updateMask: [path] });
    expect((await update([PER_MINUTE], 'tags')).key).toEqual(key);
    const changed = await update([PER_MINUTE], 'limits');
    expect(changed.key).toMatchObject({ limits: [PER_MINUTE] });
    expect(changed.key?.etag).not.toBe(key.etag);
    expect(changed.propagation).toEqual({ replicas: 1, confirmed: 1 });
    // What is there already is no change.
    const again = await update([PER_MINUTE], 'limits');
    expect(again).toMatchObject({ key: changed.key, revision: changed.revision });
    expect((await update([], 'limits')).key).toMatchObject({ limits: [] });
  });

  test('come with an imported key too', async () => {
    const { root, keyspaceId } = served();
    const sha256 = digestToken(newName()).toString('hex');
    const { results } = await root.keys.importKeys({
      keyspaceId,
      keys: [{ key: { limits: [POOL] }, sha256 }],
    });
    const { key } = await root.keys.getKey({ id: results[0]?.id ?? '' });
    expect(key?.limits).toEqual([POOL]);
  });

  test('outlive rotation, disabling, deletion and its undoing', async () => {
    const { root, issue } = served();
    const { id } = await issue({ limits: [POOL] });
    await root.keys.rotateKey({ id });
    await root.keys.disableKey({ id });
    await root.keys.deleteKey({ id });
    await root.keys.undeleteKey({ id });
    expect((await root.keys.enableKey({ id })).key).toMatchObject({ limits: [POOL] });
  });

  test('are refused on a root key, which nothing may lock out', async () => {
    const { root, issueRoot } = served();
    const { id } = await issueRoot(['verify']);
    const key = { keyspaceId: 'ks_latchkey', scopes: ['verify'], limits: [POOL] };
    const refused = { code: 3, reason: 'INVALID_FIELD', fields: ['key.limits'] };
    expect(await failureOf((options) => root.keys.createKey({ key }, options))).toMatchObject(refused);
    expect(
      await failureOf((options) =>
        root.keys.updateKey({ key: { id, limits: [POOL] }, updateMask: ['limits'] }, options),
      ),
    ).toMatchObject(refused);
    await root.keys.updateKey({ key: { id }, updateMask: ['limits'] });
  });
});

describe('the limits of an owner', () => {
  test('are kept, changed and shown, also as those of its keys', async () => {
    const { root, keyspaceId, issue } = served();
    const id = newName();
    const { owner } = await root.owners.createOwner({ owner: { keyspaceId, id, limits: [POOL] } });
    expect(owner).toMatchObject({ limits: [POOL], limitOverrides: [] });
    const key = await issue({ ownerId: id, limits: [PER_MINUTE] });
    const updated = await root.owners.updateOwner({
      owner: { keyspaceId, id, limits: [PER_MINUTE, POOL], displayName: 'not named' },
      updateMask: ['limits'],
    });
    expect(updated.owner).toMatchObject({ limits: [PER_MINUTE, POOL], displayName: '' });
    expect((await root.owners.getOwner({ keyspaceId, id })).owner).toEqual(updated.owner);
    const { owners } = await root.owners.listOwners({ keyspaceId });
    expect(owners).toContainEqual(updated.owner);
    const { effective } = await root.keys.getKey({ id: key.id, view: KeyView.KEY_VIEW_EFFECTIVE });
    expect(effective).toMatchObject({ limits: [PER_MINUTE], ownerLimits: [PER_MINUTE, POOL] });
  });

  test('are changed everywhere when the answer comes, and later if it is not waited for', async () => {
    const { root, keyspaceId } = served();
    const id = newName();
    await root.owners.createOwner({ owner: { keyspaceId, id } });
    const before = Date.now();
    const waited = await root.owners.updateOwner({
      owner: { keyspaceId, id, limits: [POOL] },
      updateMask: ['limits'],
    });
    expect(waited.propagation).toEqual({ replicas: 1, confirmed: 1 });
    expect(waited.effectiveTime?.getTime()).toBeGreaterThanOrEqual(before);
    expect(waited.revision).toBe(await head());
    const unwaited = await root.owners.updateOwner({
      owner: { keyspaceId, id },
      updateMask: ['limits'],
      wait: false,
    });
    expect(unwaited.propagation).toBeUndefined();
    expect(unwaited.effectiveTime).toBeInstanceOf(Date);
  });

  test('are refused for an owner of root keys', async () => {
    const { root } = served();
    const owner = { keyspaceId: 'ks_latchkey', id: newName() };
    const refused = { code: 3, reason: 'INVALID_FIELD', fields: ['owner.limits'] };
    const limited = { ...owner, limits: [POOL] };
    expect(await failureOf((options) => root.owners.createOwner({ owner: limited }, options))).toMatchObject(
      refused,
    );
    await root.owners.createOwner({ owner });
    expect(
      await failureOf((options) =>
        root.owners.updateOwner({ owner: limited, updateMask: ['limits'] }, options),
      ),
    ).toMatchObject(refused);
  });

  test('go with it: another owner of its id begins with none', async () => {
    const { root, keyspaceId, issue } = served();
    const id = newName();
    await root.owners.createOwner({ owner: { keyspaceId, id, limits: [POOL] } });
    await root.owners.deleteOwner({ keyspaceId, id });
    await issue({ ownerId: id });
    expect(present((await root.owners.getOwner({ keyspaceId, id })).owner).limits).toEqual([]);
  });
});
