import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { newId } from '../../../core/ids.ts';
import { ROOT_KEYSPACE_ID, type KeyRecord } from '../../../core/key.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { newToken } from '../../../core/token.ts';
import { createAuthenticator, type Authenticator } from '../../../server/callers/authenticator.ts';
import type { Caller } from '../../../server/callers/caller.ts';
import { createVerifier } from '../../../server/verification/verifier.ts';
import { issueKey, secretOf } from '../support/issue-key.ts';
import { NO_BUDGETS } from '../support/no-budgets.ts';
import { memoryOnly, snapshotWorld } from '../support/snapshot-world.ts';

const NOW_MS = Date.UTC(2025, 5, 1);

function rootKey(change: Partial<KeyRecord> = {}): { readonly key: KeyRecord; readonly token: string } {
  return issueKey({
    keyspaceId: ROOT_KEYSPACE_ID,
    tokenPrefix: 'latchkey',
    scopes: ['verify'],
    ...change,
  });
}

function authenticatorOver(keys: readonly KeyRecord[], warm = true, noted: string[] = []): Authenticator {
  return createAuthenticator({
    verifier: createVerifier({
      snapshots: snapshotWorld(keys, { warm }),
      budgets: NO_BUDGETS,
      nowMs: () => NOW_MS,
    }),
    uses: { note: (_snapshot, secret) => void noted.push(secret.id) },
  });
}

/** Who calls with a header, found out all three ways, which must agree; a fault stands for its reason. */
async function callerWith(
  keys: readonly KeyRecord[],
  authorization: string | undefined,
): Promise<Caller | Fault> {
  const warm = authenticatorOver(keys);
  const attempts = [
    async () => warm.tryAuthenticate(authorization),
    () => warm.authenticate(authorization),
    () => authenticatorOver(keys, false).authenticate(authorization),
  ];
  const answers = await Promise.all(
    attempts.map(async (attempt) => {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof Fault) return error;
        throw error;
      }
    }),
  );
  const told = new Set(answers.map((one) => (one instanceof Fault ? one.message : one?.keyId)));
  expect([...told]).toHaveLength(1);
  const [answer] = answers;
  if (answer === undefined) throw new Error('memory knew the answer');
  return answer;
}

const { key, token } = rootKey();

describe('the header', () => {
  test.each([
    `Bearer ${token}`,
    `bearer ${token}`,
    `BEARER ${token}`,
    `Bearer  ${token}`,
    `Bearer      ${token}`,
  ])('is understood (%#)', async (authorization) => {
    expect(await callerWith([key], authorization)).toMatchObject({ keyId: key.id });
  });

  test.each([
    undefined,
    '',
    ' ',
    'Bearer',
    'Bearer ',
    'Bearer  ',
    token,
    `Bearer${token}`,
    `Basic ${token}`,
    `Token ${token}`,
    `xBearer ${token}`,
    ` Bearer ${token}`,
    `Bearer ${token} `,
    `Bearer ${token} ${token}`,
    `Bearer ${token}, Bearer ${token}`,
    `Bearer\t${token}`,
    `Bearer\n${token}`,
    `Bearer: ${token}`,
    `Basic ${Buffer.from(`user:${token}`).toString('base64')}`.replace('Basic', 'Basic '),
  ])('carries no root token: the caller is told what to send (%#)', async (authorization) => {
    const fault = await callerWith([key], authorization);
    expect(fault).toMatchObject({ reason: 'CALLER_UNKNOWN', code: 'UNAUTHENTICATED' });
    expect((fault as Fault).message).toContain('send `authorization: Bearer <root token>`');
    expect((fault as Fault).message).not.toContain(token);
  });

  test.each([
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer "${token}"`,
    `Bearer <${token}>`,
    `Bearer ${token},`,
    `Bearer ${token}\n`,
    'Bearer x',
    `Bearer ${'x'.repeat(1_000_000)}`,
  ])('carries something else in its place (%#)', async (authorization) => {
    const fault = await callerWith([key], authorization);
    expect(fault).toMatchObject({ reason: 'CALLER_UNKNOWN' });
    expect((fault as Fault).message).not.toContain(token.slice(0, -1));
  });
});

describe('a root key', () => {
  test('makes its caller known, with its scopes and reach', async () => {
    const caller = await callerWith([key], `Bearer ${token}`);
    if (caller instanceof Fault) throw caller;
    expect(caller.keyId).toBe(key.id);
    expect(caller.holds('verify')).toBe(true);
    expect(caller.holds('keys:read')).toBe(false);
    expect(caller.reaches('ks_a')).toBe(true);
  });

  test('that is confined to keyspaces is one all the same', async () => {
    const confined = rootKey({ resourceAccess: { type: 'LISTED', ids: ['ks_a'] } });
    const caller = await callerWith([confined.key], `Bearer ${confined.token}`);
    if (caller instanceof Fault) throw caller;
    expect(caller.reaches('ks_a')).toBe(true);
    expect(caller.reaches('ks_b')).toBe(false);
  });

  test('is used by a call that comes with it, and by no other', () => {
    const confined = rootKey({ resourceAccess: { type: 'LISTED', ids: ['ks_a'] } });
    const disabled = rootKey({ switch: 'DISABLED' });
    const noted: string[] = [];
    const authenticator = authenticatorOver([key, confined.key, disabled.key], true, noted);
    authenticator.tryAuthenticate(`Bearer ${token}`);
    authenticator.tryAuthenticate(`Bearer ${confined.token}`);
    expect(() => authenticator.tryAuthenticate(`Bearer ${disabled.token}`)).toThrow(Fault);
    expect(noted).toEqual([key, confined.key].map(({ secrets }) => secrets[0]?.id));
  });

  test('is valid until its expiry', async () => {
    const expiring = rootKey({ expireTimeMs: NOW_MS + 1 });
    expect(await callerWith([expiring.key], `Bearer ${expiring.token}`)).toMatchObject({
      keyId: expiring.key.id,
    });
  });

  const confined = { type: 'LISTED', ids: ['ks_a'] } as const;
  test.each<[string, Partial<KeyRecord>]>([
    ['revoked', { switch: 'REVOKED' }],
    ['disabled', { switch: 'DISABLED' }],
    ['expired', { expireTimeMs: NOW_MS }],
    ['revoked and confined', { switch: 'REVOKED', resourceAccess: confined }],
    ['disabled and confined', { switch: 'DISABLED', resourceAccess: confined }],
    ['expired and confined', { expireTimeMs: NOW_MS, resourceAccess: confined }],
    ['of another keyspace', { keyspaceId: 'ks_0000000000000000', scopes: ['admin', '*'] }],
  ])('that is %s makes nobody known, and the reason is not told', async (_what, change) => {
    const bad = rootKey(change);
    const fault = await callerWith([bad.key], `Bearer ${bad.token}`);
    const unknown = await callerWith([], `Bearer ${bad.token}`);
    expect(fault).toMatchObject({ reason: 'CALLER_UNKNOWN', code: 'UNAUTHENTICATED', metadata: {} });
    expect((fault as Fault).message).toBe((unknown as Fault).message);
  });

  test('with a retired secret makes nobody known by it', async () => {
    const older = newToken('latchkey', key.id);
    for (const resourceAccess of [{ type: 'ALL' } as const, confined]) {
      const rotated = { ...key, resourceAccess, secrets: [secretOf(token), secretOf(older, NOW_MS)] };
      expect(await callerWith([rotated], `Bearer ${older}`)).toMatchObject({ reason: 'CALLER_UNKNOWN' });
      expect(await callerWith([rotated], `Bearer ${token}`)).toMatchObject({ keyId: key.id });
    }
  });

  test('that is unknown, or has another secret, makes nobody known', async () => {
    const wrong = newToken('latchkey', key.id);
    const unknown = newToken('latchkey', newId('key'));
    for (const text of [wrong, unknown]) {
      expect(await callerWith([key], `Bearer ${text}`)).toMatchObject({ reason: 'CALLER_UNKNOWN' });
    }
  });
});

describe('memory', () => {
  test('that cannot say leaves tryAuthenticate without an answer', () => {
    expect(authenticatorOver([key], false).tryAuthenticate(`Bearer ${token}`)).toBeUndefined();
  });

  test('gives the same caller for the same snapshot, and another after a change', async () => {
    const authenticator = authenticatorOver([key]);
    const caller = authenticator.tryAuthenticate(`Bearer ${token}`);
    expect(authenticator.tryAuthenticate(`Bearer ${token}`)).toBe(caller);
    expect(await authenticator.authenticate(`Bearer ${token}`)).toBe(caller);
    // Another snapshot of the key, with other scopes, is another caller.
    const changed = authenticatorOver([{ ...key, scopes: ['keys:read'] }]).tryAuthenticate(`Bearer ${token}`);
    expect(changed?.holds('keys:read')).toBe(true);
    expect(changed?.holds('verify')).toBe(false);
  });
});

describe('a caller who was known', () => {
  /** An authenticator of one caller, whose key and time can be changed. */
  function changing(): { now: number; current: KeyRecord | undefined; ask(): Caller | Fault | undefined } {
    const world = { now: NOW_MS, current: key as KeyRecord | undefined };
    const recall = () => (world.current === undefined ? undefined : compileSnapshot(world.current));
    const authenticator = createAuthenticator({
      verifier: createVerifier({
        snapshots: memoryOnly(recall),
        budgets: NO_BUDGETS,
        nowMs: () => world.now,
      }),
      uses: { note: () => {} },
    });
    return Object.assign(world, {
      ask(): Caller | Fault | undefined {
        try {
          return authenticator.tryAuthenticate(`Bearer ${token}`);
        } catch (error) {
          return error as Fault;
        }
      },
    });
  }

  test.each<[string, (world: ReturnType<typeof changing>) => void]>([
    ['revoked', (world) => (world.current = { ...key, switch: 'REVOKED' })],
    ['disabled', (world) => (world.current = { ...key, switch: 'DISABLED' })],
    ['given another secret', (world) => (world.current = { ...key, secrets: rootKey().key.secrets })],
    ['expired', (world) => (world.current = { ...key, expireTimeMs: NOW_MS })],
  ])('and is %s is a stranger at once', (_what, change) => {
    const world = changing();
    expect(world.ask()).toMatchObject({ keyId: key.id });
    expect(world.ask()).toMatchObject({ keyId: key.id });
    change(world);
    expect(world.ask()).toMatchObject({ reason: 'CALLER_UNKNOWN' });
  });

  test('expires at its time', () => {
    const world = changing();
    world.current = { ...key, expireTimeMs: NOW_MS + 1 };
    expect(world.ask()).toMatchObject({ keyId: key.id });
    world.now += 1;
    expect(world.ask()).toMatchObject({ reason: 'CALLER_UNKNOWN' });
  });

  test('and of whom memory can no longer say is looked for again', () => {
    const world = changing();
    world.ask();
    world.current = undefined;
    expect(world.ask()).toBeUndefined();
  });

  test('has the scopes of now', () => {
    const world = changing();
    expect((world.ask() as Caller).holds('keys:read')).toBe(false);
    world.current = { ...key, scopes: ['keys:read'] };
    expect((world.ask() as Caller).holds('keys:read')).toBe(true);
  });
});
