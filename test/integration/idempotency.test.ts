import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Verdict } from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { Clients } from '../support/clients.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

/** The position of the newest change. */
async function head(): Promise<string> {
  return (await served().root.verify.verify({ token: 'x' })).revision;
}

/** A change: what it needs to be made once, how it is made with an id, and how it is asked for otherwise. */
interface Mutation {
  readonly rpc: string;
  readonly prepare: () => Promise<{
    readonly call: (clients: Clients, requestId: string) => Promise<object>;
    readonly other: (clients: Clients, requestId: string) => Promise<object>;
  }>;
}

const MINUTE = { seconds: 60n, nanos: 0 };

/** A mutation of one key that is named by its id. */
function ofKey(
  rpc: string,
  make: (keys: Clients['keys'], id: string, requestId: string) => Promise<object>,
  before: (id: string) => Promise<unknown> = async () => {},
): Mutation {
  return {
    rpc,
    async prepare() {
      const { issue } = served();
      const [one, two] = [await issue(), await issue()];
      await before(one.id);
      await before(two.id);
      return {
        call: ({ keys }, requestId) => make(keys, one.id, requestId),
        other: ({ keys }, requestId) => make(keys, two.id, requestId),
      };
    },
  };
}

const MUTATIONS: readonly Mutation[] = [
  {
    rpc: 'CreateKey',
    async prepare() {
      const { keyspaceId } = served();
      const make =
        (displayName: string) =>
        ({ keys }: Clients, requestId: string) =>
          keys.createKey({ key: { keyspaceId, displayName }, requestId });
      return { call: make('one'), other: make('two') };
    },
  },
  {
    rpc: 'UpdateKey',
    async prepare() {
      const { id } = await served().issue();
      const make =
        (displayName: string) =>
        ({ keys }: Clients, requestId: string) =>
          keys.updateKey({ key: { id, displayName }, updateMask: ['display_name'], requestId });
      return { call: make('one'), other: make('two') };
    },
  },
  ofKey('DisableKey', (keys, id, requestId) => keys.disableKey({ id, requestId })),
  ofKey(
    'EnableKey',
    (keys, id, requestId) => keys.enableKey({ id, requestId }),
    (id) => served().root.keys.disableKey({ id }),
  ),
  ofKey('RotateKey', (keys, id, requestId) => keys.rotateKey({ id, overlap: MINUTE, requestId })),
  ofKey(
    'CompleteRotation',
    (keys, id, requestId) => keys.completeRotation({ id, requestId }),
    (id) => served().root.keys.rotateKey({ id, overlap: MINUTE }),
  ),
  ofKey(
    'CancelRotation',
    (keys, id, requestId) => keys.cancelRotation({ id, requestId }),
    (id) => served().root.keys.rotateKey({ id, overlap: MINUTE }),
  ),
  ofKey('RevokeKey', (keys, id, requestId) => keys.revokeKey({ id, reason: 'leaked', requestId })),
  ofKey('DeleteKey', (keys, id, requestId) => keys.deleteKey({ id, requestId })),
  ofKey(
    'UndeleteKey',
    (keys, id, requestId) => keys.undeleteKey({ id, requestId }),
    (id) => served().root.keys.deleteKey({ id }),
  ),
  {
    rpc: 'CreateKeyspace',
    async prepare() {
      const slug = `idem-${randomUUID()}`;
      const make =
        (tokenPrefix: string) =>
        ({ keyspaces }: Clients, requestId: string) =>
          keyspaces.createKeyspace({ keyspace: { slug, tokenPrefix }, requestId });
      return { call: make('one'), other: make('two') };
    },
  },
  {
    rpc: 'UpdateKeyspace',
    async prepare() {
      const { id } = await served().newKeyspace();
      const make =
        (displayName: string) =>
        ({ keyspaces }: Clients, requestId: string) =>
          keyspaces.updateKeyspace({
            keyspace: { id, displayName },
            updateMask: ['display_name'],
            requestId,
          });
      return { call: make('one'), other: make('two') };
    },
  },
  {
    rpc: 'DeleteKeyspace',
    async prepare() {
      const [one, two] = [await served().newKeyspace(), await served().newKeyspace()];
      const make =
        (id: string) =>
        ({ keyspaces }: Clients, requestId: string) =>
          keyspaces.deleteKeyspace({ id, requestId });
      return { call: make(one.id), other: make(two.id) };
    },
  },
];

describe.each(MUTATIONS)('$rpc with a request id', ({ prepare }) => {
  test('is made once: a repetition gets the first answer and changes nothing', async () => {
    const { root } = served();
    const { call } = await prepare();
    const requestId = randomUUID();
    const first = await call(root, requestId);
    const after = await head();
    for (const spelling of [requestId, requestId.toUpperCase()]) {
      expect(await call(root, spelling)).toEqual(first);
    }
    expect(await head()).toBe(after);
    expect(first).toHaveProperty('revision', after);
  });

  test('refuses the same id for another request, and changes nothing', async () => {
    const { root } = served();
    const { call, other } = await prepare();
    const requestId = randomUUID();
    await call(root, requestId);
    const after = await head();
    expect(await failureOf(withOptions(root, (clients) => other(clients, requestId)))).toMatchObject({
      code: 3,
      reason: 'IDEMPOTENCY_MISMATCH',
      domain: 'latchkey',
    });
    expect(await head()).toBe(after);
  });
});

/** Runs a call so that its failure can be read whole. */
function withOptions(
  clients: Clients,
  call: (clients: Clients) => Promise<unknown>,
): Parameters<typeof failureOf>[0] {
  return (options) => {
    const wrap = <T extends object>(client: T): T =>
      new Proxy(client, {
        get: (target, name) => (request: unknown) =>
          (target as Record<string | symbol, (request: unknown, options: unknown) => unknown>)[name]?.(
            request,
            options,
          ),
      });
    return call({ ...clients, keys: wrap(clients.keys), keyspaces: wrap(clients.keyspaces) });
  };
}

describe('a request id', () => {
  test('brings the same token again, which passes', async () => {
    const { root, keyspaceId } = served();
    const requestId = randomUUID();
    const first = await root.keys.createKey({ key: { keyspaceId }, requestId });
    const again = await root.keys.createKey({ key: { keyspaceId }, requestId });
    expect(again.token).toBe(first.token);
    expect((await root.verify.verify({ token: again.token })).valid).toBe(true);
    const other = await root.keys.createKey({ key: { keyspaceId }, requestId: randomUUID() });
    expect(other.token).not.toBe(first.token);
  });

  test('brings the same token of a rotation again, also after the next one, and whether or not it waits', async () => {
    const { root, issue } = served();
    const { id } = await issue();
    const requestId = randomUUID();
    const first = await root.keys.rotateKey({ id, requestId });
    await root.keys.rotateKey({ id });
    for (const wait of [undefined, true, false]) {
      const again = await root.keys.rotateKey({ id, requestId, wait });
      expect({ ...again, propagation: undefined }).toEqual({ ...first, propagation: undefined });
    }
    // It is the first answer, not the present state: that token was retired by the second rotation.
    expect((await root.verify.verify({ token: first.token })).verdict).toBe(Verdict.VERDICT_SECRET_RETIRED);
    expect(
      await failureOf((options) => root.keys.rotateKey({ id, requestId, overlap: MINUTE }, options)),
    ).toMatchObject({ reason: 'IDEMPOTENCY_MISMATCH' });
  });

  test('used by twenty calls at the same time makes one key, and all get its token', async () => {
    const { root, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const requestId = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => root.keys.createKey({ key: { keyspaceId }, requestId })),
    );
    expect(new Set(answers.map(({ token }) => token)).size).toBe(1);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect((await root.keys.listKeys({ filter: { keyspaceId } })).keys).toHaveLength(1);
  });

  test('belongs to its caller: another caller’s is independent', async () => {
    const { root, keyspaceId, clients, issueRoot } = served();
    const other = clients((await issueRoot(['keys:write'])).token);
    const requestId = randomUUID();
    const first = await root.keys.createKey({ key: { keyspaceId, displayName: 'mine' }, requestId });
    const second = await other.keys.createKey({ key: { keyspaceId, displayName: 'theirs' }, requestId });
    expect(second.key?.id).not.toBe(first.key?.id);
    expect(second.token).not.toBe(first.token);
  });

  test('is for one RPC: with another one it is refused', async () => {
    const { root, issue } = served();
    const { id } = await issue();
    const requestId = randomUUID();
    await root.keys.disableKey({ id, requestId });
    const failure = await failureOf((options) => root.keys.enableKey({ id, requestId }, options));
    expect(failure.reason).toBe('IDEMPOTENCY_MISMATCH');
    expect(present((await root.keys.getKey({ id })).key).state).toBe(2);
  });

  test('is not burnt by a change that fails, whatever the reason', async () => {
    const { root, keyspaceId, issue } = served();
    const requestId = randomUUID();
    const { id, key } = await issue();
    const stale = await failureOf((options) =>
      root.keys.disableKey({ id, etag: 'stale', requestId }, options),
    );
    expect(stale.reason).toBe('ETAG_MISMATCH');
    const unknown = await failureOf((options) =>
      root.keys.createKey({ key: { keyspaceId: 'ks_0000000000000000' }, requestId }, options),
    );
    expect(unknown.reason).toBe('KEYSPACE_NOT_FOUND');
    const bad = await failureOf((options) =>
      root.keys.createKey({ key: { keyspaceId, tags: [''] }, requestId }, options),
    );
    expect(bad.reason).toBe('INVALID_FIELD');
    expect(await root.keys.disableKey({ id, etag: key.etag, requestId })).toMatchObject({ key: { id } });
  });

  test('keeps the answer of a call that had nothing to do', async () => {
    const { root, issue } = served();
    const { id } = await issue();
    const requestId = randomUUID();
    const first = await root.keys.enableKey({ id, requestId });
    await root.keys.disableKey({ id });
    expect(await root.keys.enableKey({ id, requestId })).toEqual(first);
    expect(present((await root.keys.getKey({ id })).key).state).toBe(2);
  });

  test('counts the request as it was read: order of a map and lists of the same do not matter', async () => {
    const { root, keyspaceId } = served();
    const requestId = randomUUID();
    const first = await root.keys.createKey({
      key: { keyspaceId, metadata: new Map(Object.entries({ a: '1', b: '2' })), tags: ['x', 'x'] },
      requestId,
    });
    const again = await root.keys.createKey({
      key: { keyspaceId, metadata: new Map(Object.entries({ b: '2', a: '1' })), tags: ['x'] },
      requestId,
    });
    expect(again).toEqual(first);
  });

  test('brings the first answer also after the key was changed, and within 24 hours', async () => {
    const { root, keyspaceId } = served();
    const requestId = randomUUID();
    const first = await root.keys.createKey({ key: { keyspaceId }, requestId });
    const id = present(first.key).id;
    await root.keys.revokeKey({ id });
    await root.keys.deleteKey({ id });
    clock.advance(24 * 3_600_000 - 1);
    expect(await root.keys.createKey({ key: { keyspaceId }, requestId })).toEqual(first);
  });
});
