import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Propagation } from '../../proto/gen/latchkey/v1/key.ts';
import type { Clients } from '../support/clients.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { startServer } from '../support/start-server.ts';
import { createTestClock } from '../support/test-clock.ts';
import { openServed, present, serveLatchkey, type IssuedKey, type Served } from './support/serve-latchkey.ts';

/** What every answer to a change that may take access away tells. */
interface Effect {
  readonly effectiveTime?: Date | undefined;
  readonly propagation?: Propagation | undefined;
}

/** What a change can be made to. */
interface Subject extends IssuedKey {
  readonly keyspaceId: string;
  readonly ownerId: string;
  readonly policyId: string;
}

async function subjectOf({ root, issue, newKeyspace }: Served): Promise<Subject> {
  const { id: keyspaceId } = await newKeyspace();
  const { policy } = await root.policies.createPolicy({ policy: { keyspaceId, displayName: 'plan' } });
  const policyId = present(policy).id;
  const ownerId = 'team-7';
  return {
    ...(await issue({ keyspaceId, ownerId, policyIds: [policyId] })),
    keyspaceId,
    ownerId,
    policyId,
  };
}

const MINUTE = { seconds: 60n, nanos: 0 };

/** Every change that may take access away, in such a way that it does something, and again so that it does nothing. */
const CHANGES: Readonly<
  Record<string, (clients: Clients, subject: Subject, wait: boolean | undefined) => Promise<Effect>>
> = {
  UpdateKey: ({ keys }, { id }, wait) =>
    keys.updateKey({ key: { id, scopes: ['a'] }, updateMask: ['scopes'], wait }),
  DisableKey: ({ keys }, { id }, wait) => keys.disableKey({ id, wait }),
  RotateKey: ({ keys }, { id }, wait) => keys.rotateKey({ id, wait }),
  CompleteRotation: ({ keys }, { id }, wait) => keys.completeRotation({ id, wait }),
  RevokeKey: ({ keys }, { id }, wait) => keys.revokeKey({ id, wait }),
  BatchRevokeKeys: ({ keys }, { keyspaceId, ownerId }, wait) =>
    keys.batchRevokeKeys({ keyspaceId, ownerId, wait }),
  ReportLeakedKey: ({ keys }, { token }, wait) => keys.reportLeakedKey({ token, wait }),
  DeleteKey: ({ keys }, { id }, wait) => keys.deleteKey({ id, wait }),
  UpdateKeyspace: ({ keyspaces }, { keyspaceId }, wait) =>
    keyspaces.updateKeyspace({
      keyspace: { id: keyspaceId, apis: [{ name: 'orders' }] },
      updateMask: ['apis'],
      wait,
    }),
  UpdatePolicy: ({ policies }, { policyId }, wait) =>
    policies.updatePolicy({ policy: { id: policyId, scopes: ['a'] }, updateMask: ['scopes'], wait }),
  SuspendOwner: ({ owners }, { keyspaceId, ownerId }, wait) =>
    owners.suspendOwner({ keyspaceId, id: ownerId, wait }),
};

/** Those that cannot be made twice. */
const ONCE: typeof CHANGES = {
  CancelRotation: async ({ keys }, { id }, wait) => {
    await keys.rotateKey({ id, overlap: MINUTE });
    return keys.cancelRotation({ id, wait });
  },
  DeleteOwner: ({ owners }, { keyspaceId, ownerId }, wait) =>
    owners.deleteOwner({ keyspaceId, id: ownerId, keysFate: 1, wait }),
};

describe('on the embedded database', () => {
  const clock = createTestClock();
  const served = serveLatchkey({ clock });
  const alone = { effectiveTime: new Date(clock.nowMs()), propagation: { replicas: 1, confirmed: 1 } };
  const nobodyWaited = { ...alone, propagation: undefined };

  test.each([...Object.entries(CHANGES), ...Object.entries(ONCE)])(
    '%s is effective when it is answered, and says that the only replica has applied it',
    async (_name, change) => {
      const { root } = served();
      for (const wait of [undefined, true])
        expect(await change(root, await subjectOf(served()), wait)).toMatchObject(alone);
    },
  );

  test.each([...Object.entries(CHANGES), ...Object.entries(ONCE)])(
    '%s that is not waited for is effective as soon, and tells of no replica',
    async (_name, change) => {
      const { root } = served();
      expect(await change(root, await subjectOf(served()), false)).toMatchObject(nobodyWaited);
    },
  );

  test.each(Object.entries(CHANGES))(
    '%s that finds its aim reached tells since when that is so everywhere, too',
    async (_name, change) => {
      const { root } = served();
      const subject = await subjectOf(served());
      await change(root, subject, false);
      expect(await change(root, subject, undefined)).toMatchObject(alone);
    },
  );

  test('a rotation with an overlap is waited for too: its token shall pass everywhere', async () => {
    const { root, issue } = served();
    const { id } = await issue();
    expect(await root.keys.rotateKey({ id, overlap: MINUTE })).toMatchObject(alone);
  });

  test('what is only looked at has no effect, at no time', async () => {
    const { root } = served();
    const { keyspaceId, ownerId } = await subjectOf(served());
    const looked = { effectiveTime: undefined, propagation: undefined };
    for (const wait of [undefined, true, false]) {
      const request = { validateOnly: true, wait };
      expect(await root.keys.batchRevokeKeys({ keyspaceId, ownerId, ...request })).toMatchObject(looked);
      expect(await root.owners.suspendOwner({ keyspaceId, id: ownerId, ...request })).toMatchObject(looked);
      expect(
        await root.owners.deleteOwner({ keyspaceId, id: ownerId, keysFate: 1, ...request }),
      ).toMatchObject(looked);
    }
  });

  test('a retry may wait where the first call did not, and is answered with its own effect', async () => {
    const { root, issue } = served();
    const { id } = await issue();
    const requestId = randomUUID();
    const first = await root.keys.revokeKey({ id, requestId, wait: false });
    expect(first.propagation).toBeUndefined();
    const again = await root.keys.revokeKey({ id, requestId });
    expect(again).toEqual({ ...first, propagation: alone.propagation });
  });

  test('the SDK waits unless it is told not to, and gives what was answered', async () => {
    const { latchkey, issue, newKeyspace, root } = served();
    const { keys, policies, keyspaces, owners } = latchkey;
    const { id: keyspaceId } = await newKeyspace();
    const { policy } = await root.policies.createPolicy({ policy: { keyspaceId, displayName: 'plan' } });
    const keyOf = async (): Promise<string> => (await issue({ keyspaceId, ownerId: 'team-7' })).id;
    const leak = async (): Promise<string> => (await issue({ keyspaceId })).token;
    const rotatingKey = async (): Promise<string> => {
      const id = await keyOf();
      await keys.rotate(id, { overlapMs: 60_000 });
      return id;
    };
    type Options = { readonly wait?: boolean };
    const changes: readonly ((
      options: Options,
    ) => Promise<Effect | { readonly effectiveTime: Date | null }>)[] = [
      async (options) => keys.update(await keyOf(), { tags: ['x'] }, options),
      async (options) => keys.disable(await keyOf(), options),
      async (options) => keys.rotate(await keyOf(), options),
      async (options) => keys.completeRotation(await rotatingKey(), options),
      async (options) => keys.cancelRotation(await rotatingKey(), options),
      async (options) => keys.revoke(await keyOf(), options),
      async (options) => keys.delete(await keyOf(), options),
      async (options) => keys.reportLeaked(await leak(), options),
      (options) => keys.batchRevoke({ keyspaceId, ownerId: 'team-7' }, options),
      (options) => policies.update(present(policy).id, { tags: ['x'] }, options),
      (options) => keyspaces.update(keyspaceId, { displayName: 'x' }, options),
      (options) => owners.suspend({ keyspaceId, id: 'team-7' }, options),
      (options) => owners.delete({ keyspaceId, id: 'team-7' }, { keysFate: 'REVOKE', ...options }),
    ];
    for (const change of changes) {
      await issue({ keyspaceId, ownerId: 'team-7' });
      expect(await change({})).toMatchObject(alone);
      await issue({ keyspaceId, ownerId: 'team-7' });
      const answer = await change({ wait: false });
      expect(answer).toMatchObject({ effectiveTime: alone.effectiveTime });
      expect(answer).not.toHaveProperty('propagation');
    }
    expect(await keys.batchRevoke({ keyspaceId, ownerId: 'team-7' }, { validateOnly: true })).toEqual({
      count: expect.any(Number) as unknown,
      sampleIds: expect.any(Array) as unknown,
      revision: expect.any(String) as unknown,
      effectiveTime: null,
    });
  });
});

describe('on Postgres, with two replicas', () => {
  /** Long enough that nothing but a hint can have told the other replica, ms. */
  const POLL_MS = 9000;
  const LEASE_MS = 20_000;
  let database: TestDatabase;
  let near: Served & { close(): Promise<void> };
  let far: Served & { close(): Promise<void> };
  beforeAll(async () => {
    database = await createDatabase();
    const env = { LATCHKEY_MAX_STALENESS_MS: String(LEASE_MS), LATCHKEY_POLL_MS: String(POLL_MS) };
    near = await openServed(await startServer({ databaseUrl: database.url, env }));
    far = await openServed(
      await startServer({
        databaseUrl: database.url,
        env: { ...env, LATCHKEY_ROOT_TOKEN: near.server.rootToken },
      }),
    );
  });
  afterAll(async () => {
    await far.close();
    await near.close();
    await database.drop();
  });

  test('a change is answered once both have applied it, long before the next poll', async () => {
    const { latchkey, issue } = near;
    for (const end of ['revoke', 'disable', 'delete', 'rotate'] as const) {
      const { id, token, revision } = await issue();
      expect(await far.latchkey.verify({ token, minRevision: revision })).toMatchObject({ verdict: 'VALID' });
      const startMs = performance.now();
      const answer = await latchkey.keys[end](id);
      expect(answer.propagation).toEqual({ replicas: 2, confirmed: 2 });
      expect(answer.effectiveTime.getTime()).toBeLessThanOrEqual(Date.now());
      expect(performance.now() - startMs).toBeLessThan(POLL_MS / 2);
      expect((await far.latchkey.verify({ token })).verdict).not.toBe('VALID');
    }
  });

  test('a rotated key’s new token passes on every replica at once, its old one too', async () => {
    const { latchkey, issue } = near;
    const { id, token: old, revision } = await issue();
    expect(await far.latchkey.verify({ token: old, minRevision: revision })).toMatchObject({
      verdict: 'VALID',
    });
    const { token } = await latchkey.keys.rotate(id, { overlapMs: 60_000 });
    for (const each of [token, old])
      expect(await far.latchkey.verify({ token: each })).toMatchObject({ verdict: 'VALID' });
  });

  test('one that is not waited for is answered with the time by which no lease from before it can hold', async () => {
    const { latchkey, issue } = near;
    const { id } = await issue();
    const beforeMs = Date.now();
    const answer = await latchkey.keys.revoke(id, { wait: false });
    expect(answer).not.toHaveProperty('propagation');
    expect(answer.effectiveTime.getTime()).toBeGreaterThanOrEqual(beforeMs + LEASE_MS);
    expect(answer.effectiveTime.getTime()).toBeLessThanOrEqual(Date.now() + LEASE_MS);
  });

  test('what a change returned as its revision makes the other replica answer from a state that has it', async () => {
    const { latchkey, issue } = near;
    const { id, token: old, revision } = await issue();
    expect(await far.latchkey.verify({ token: old, minRevision: revision })).toMatchObject({
      verdict: 'VALID',
    });
    const rotated = await latchkey.keys.rotate(id, { overlapMs: 60_000 });
    expect(await far.latchkey.verify({ token: rotated.token, minRevision: rotated.revision })).toMatchObject({
      verdict: 'VALID',
    });
    const disabled = await latchkey.keys.disable(id, { wait: false });
    expect(await far.latchkey.verify({ token: old, minRevision: disabled.revision })).toMatchObject({
      verdict: 'DISABLED',
    });
  });
});
