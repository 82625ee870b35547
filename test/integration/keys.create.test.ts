import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { parseToken } from '../../core/token.ts';
import { KeyState } from '../../proto/gen/latchkey/v1/key.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const HOUR_MS = 3_600_000;
const at = (ms: number): Date => new Date(clock.nowMs() + ms);

async function newPolicy(displayName: string, keyspaceId: string): Promise<string> {
  const { policy } = await served().root.policies.createPolicy({ policy: { keyspaceId, displayName } });
  return present(policy).id;
}

describe('a new key', () => {
  test('has all that it was given, in every answer that shows it', async () => {
    const { latchkey, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace({ apis: [{ name: 'orders', groups: [{ name: 'read' }] }] });
    clock.advance(1);
    const given = {
      keyspaceId,
      displayName: 'Käse & "Brot" ☂ 🧀',
      ownerId: 'team/7',
      scopes: ['orders:read', 'orders:*', '*'],
      resourceAccess: { ids: ['store-1', 'Läden/2', ' '] },
      restrictions: {
        allowedIps: ['203.0.113.0/24', '::1'],
        allowedReferrers: ['https://*.example.com/shop/*'],
        androidApps: [{ package: 'com.example.shop', certSha1: 'da39a3ee5e6b4b0d3255bfef95601890afd80709' }],
        iosBundleIds: ['com.example.shop'],
        apiTargets: [{ api: 'orders', verbs: ['GET'], paths: ['/orders/**'], groups: ['read'] }],
      },
      policyIds: [await newPolicy('one', keyspaceId), await newPolicy('two', keyspaceId)],
      metadata: { plan: 'gold', note: 'a\tb\r\nc', empty: '', constructor: 'x' },
      tags: ['eu', 'Beta 2'],
      expireTime: at(HOUR_MS),
    };
    const { key, token, revision } = await latchkey.keys.create(given);
    expect(key).toEqual({
      ...given,
      limits: [],
      limitOverrides: [],
      id: expect.stringMatching(/^key_[0-9A-Za-z]{16}$/),
      tokenHint: `acme_${key.id.slice(4)}…${token.slice(-4)}`,
      state: 'ACTIVE',
      createTime: at(0),
      updateTime: at(0),
      revokeTime: null,
      revokeReason: '',
      deleteTime: null,
      purgeTime: null,
      lastUsedTime: null,
      secrets: [
        {
          id: expect.stringMatching(/^sec_[0-9A-Za-z]{16}$/),
          hint: token.slice(-4),
          createTime: at(0),
          expireTime: null,
          lastUsedTime: null,
        },
      ],
      etag: expect.stringMatching(/^.{1,64}$/),
      createdBy: (await latchkey.keys.lookup({ token: served().server.rootToken })).id,
    });
    expect(revision).toMatch(/^0\.\d+$/);
    expect(await latchkey.keys.get(key.id)).toEqual(key);
    const { keys } = await latchkey.keys.list({ filter: { keyspaceId, createdAfter: at(-1) } });
    expect(keys).toEqual([key]);
    expect(await latchkey.keys.lookup({ token })).toEqual(key);
  });

  test('has nothing that it was not given', async () => {
    const { latchkey, keyspaceId } = served();
    const { key } = await latchkey.keys.create({ keyspaceId });
    expect(key).toMatchObject({
      displayName: '',
      ownerId: null,
      scopes: [],
      // What it does not say its policies say for it.
      resourceAccess: null,
      restrictions: {},
      policyIds: [],
      metadata: {},
      tags: [],
      expireTime: null,
    });
  });

  test('has a token of the documented shape, whose id is its own', async () => {
    const { latchkey, keyspaceId } = served();
    const made = await Promise.all(Array.from({ length: 20 }, () => latchkey.keys.create({ keyspaceId })));
    for (const { key, token } of made) {
      expect(token).toMatch(/^acme_[0-9A-Za-z]{54}$/);
      expect(parseToken(token)).toEqual({ prefix: 'acme', keyId: key.id });
    }
    expect(new Set(made.map(({ token }) => token.slice(21, 53))).size).toBe(20);
    expect(new Set(made.map(({ key }) => key.id)).size).toBe(20);
  });

  test('has each scope, tag and resource once, in the order given', async () => {
    const { latchkey, keyspaceId } = served();
    const { key } = await latchkey.keys.create({
      keyspaceId,
      scopes: ['b', 'a', 'b'],
      tags: ['y', 'x', 'x'],
      resourceAccess: { ids: ['2', '1', '2'] },
    });
    expect(key).toMatchObject({
      scopes: ['b', 'a'],
      tags: ['y', 'x'],
      resourceAccess: { ids: ['2', '1'] },
    });
  });

  test('takes nothing from the fields that are output only', async () => {
    const { root, keyspaceId, keyspaceId: id } = served();
    const plain = present((await root.keys.createKey({ key: { keyspaceId } })).key);
    const { key } = await root.keys.createKey({
      key: {
        keyspaceId: id,
        tokenHint: 'forged',
        createTime: at(-HOUR_MS),
        updateTime: at(-HOUR_MS),
        lastUsedTime: at(-HOUR_MS),
        revokeTime: at(-HOUR_MS),
        revokeReason: 'forged',
        deleteTime: at(-HOUR_MS),
        purgeTime: at(-HOUR_MS),
        secrets: [{ id: newId('secret'), hint: 'fake' }],
        etag: 'forged',
        createdBy: newId('key'),
      },
    });
    const { id: keyId, tokenHint, secrets } = present(key);
    expect(key).toEqual({ ...plain, id: keyId, tokenHint, secrets });
    expect(secrets).toHaveLength(1);
    expect(tokenHint).toContain(keyId.slice(4));
    expect(present(key).state).toBe(KeyState.KEY_STATE_ACTIVE);
  });

  test('is refused in a keyspace that is not there', async () => {
    const { root } = served();
    const keyspaceId = newId('keyspace');
    expect(await failureOf((options) => root.keys.createKey({ key: { keyspaceId } }, options))).toMatchObject(
      {
        code: 5,
        reason: 'KEYSPACE_NOT_FOUND',
        domain: 'latchkey',
        metadata: { keyspace_id: keyspaceId },
      },
    );
  });
});

describe('the lifetime of a new key', () => {
  const lifetime = async (
    rules: { defaultTtlMs?: number; maxTtlMs?: number; requireExpiry?: boolean },
    given: { ttlMs?: number; expireTime?: Date },
  ): Promise<number | null | string> => {
    const { latchkey } = served();
    const slug = `rules-${newId('event').slice(4).toLowerCase()}`;
    const { keyspace } = await latchkey.keyspaces.create({ slug, tokenPrefix: 'acme', ...rules });
    try {
      const { key } = await latchkey.keys.create({ keyspaceId: keyspace.id, ...given });
      return key.expireTime === null ? null : key.expireTime.getTime() - clock.nowMs();
    } catch (error) {
      const { reason, violations } = error as { reason: string; violations: { field: string }[] };
      return `${reason} ${violations.map(({ field }) => field).join(' ')}`;
    }
  };
  const over = HOUR_MS + 1;

  test.each([
    ['is endless where nobody says anything', {}, {}, null],
    ['is its ttl', {}, { ttlMs: HOUR_MS }, HOUR_MS],
    ['is the keyspace’s default', { defaultTtlMs: HOUR_MS }, {}, HOUR_MS],
    ['is its own rather than the default', { defaultTtlMs: HOUR_MS }, { ttlMs: 2 * HOUR_MS }, 2 * HOUR_MS],
    ['may be the longest', { maxTtlMs: HOUR_MS }, { ttlMs: HOUR_MS }, HOUR_MS],
    ['may not be over the longest', { maxTtlMs: HOUR_MS }, { ttlMs: over }, 'INVALID_FIELD ttl'],
    [
      'may not be endless where there is a longest',
      { maxTtlMs: HOUR_MS },
      {},
      'INVALID_FIELD key.expire_time',
    ],
    ['is the default under the longest', { defaultTtlMs: 1000, maxTtlMs: HOUR_MS }, {}, 1000],
    [
      'may not be endless where keys must expire',
      { requireExpiry: true },
      {},
      'INVALID_FIELD key.expire_time',
    ],
    ['is the default where keys must expire', { requireExpiry: true, defaultTtlMs: 1000 }, {}, 1000],
  ])('%s (%j, %j)', async (_name, rules, given, expected) => {
    expect(await lifetime(rules, given)).toBe(expected);
  });

  test('ends at the time given, which is in the future and within the longest', async () => {
    expect(await lifetime({}, { expireTime: at(1) })).toBe(1);
    expect(await lifetime({}, { expireTime: at(0) })).toBe('INVALID_FIELD key.expire_time');
    expect(await lifetime({}, { expireTime: at(-HOUR_MS) })).toBe('INVALID_FIELD key.expire_time');
    expect(await lifetime({ maxTtlMs: HOUR_MS }, { expireTime: at(HOUR_MS) })).toBe(HOUR_MS);
    expect(await lifetime({ maxTtlMs: HOUR_MS }, { expireTime: at(over) })).toBe(
      'INVALID_FIELD key.expire_time',
    );
  });

  test('may not be said twice', async () => {
    const { root, keyspaceId } = served();
    const failure = await failureOf((options) =>
      root.keys.createKey(
        { key: { keyspaceId, expireTime: at(HOUR_MS) }, ttl: { seconds: 3600n, nanos: 0 } },
        options,
      ),
    );
    expect(failure).toMatchObject({ reason: 'INVALID_FIELD', fields: ['ttl'] });
  });

  test('does not follow when the keyspace’s rules change', async () => {
    const { latchkey, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const { key, token } = await latchkey.keys.create({ keyspaceId });
    await latchkey.keyspaces.update(keyspaceId, { maxTtlMs: 1000, requireExpiry: true });
    clock.advance(2000);
    expect(await latchkey.keys.get(key.id)).toEqual(key);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
  });
});
