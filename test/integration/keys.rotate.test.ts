import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { secretHint } from '../../core/token.ts';
import type { Key, LatchkeyError, RotatedKey } from '../../sdk/src/index.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { failureOf } from '../support/failure-of.ts';
import { startServer } from '../support/start-server.ts';
import { createTestClock } from '../support/test-clock.ts';
import { verdictOf } from './support/judge.ts';
import { openServed, serveLatchkey, type Served } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const HOUR_MS = 3_600_000;
const HOUR = { seconds: 3600n, nanos: 0 };
const at = (ms: number): Date => new Date(clock.nowMs() + ms);
/** What the tokens are, one after the other, in memory and out of it. */
const verdicts = (...tokens: readonly string[]): Promise<string[]> =>
  Promise.all(tokens.map((token) => verdictOf(served().root, { token })));
/** The position of the newest change. */
const head = async (): Promise<string> => (await served().root.verify.verify({ token: 'x' })).revision;
/** A key in the middle of a rotation, with both of its tokens. */
async function rotating(
  overlapMs = HOUR_MS,
): Promise<RotatedKey & { readonly id: string; readonly old: string }> {
  const { latchkey, issue } = served();
  const { id, token: old } = await issue();
  clock.advance(10);
  return { ...(await latchkey.keys.rotate(id, { overlapMs })), id, old };
}

describe('a rotation', () => {
  test('without an overlap ends the old secret now, and tells when that was so everywhere', async () => {
    const { latchkey, issue } = served();
    const { id, token: old } = await issue();
    expect(await verdicts(old)).toEqual(['VALID']);
    clock.advance(10);
    const answer = await latchkey.keys.rotate(id);
    expect(answer).toMatchObject({ effectiveTime: at(0), propagation: { replicas: 1, confirmed: 1 } });
    expect(await verdicts(old, answer.token)).toEqual(['SECRET_RETIRED', 'VALID']);
    expect(await head()).toBe(answer.revision);
    const { secrets } = answer.key;
    expect(secrets).toEqual([
      {
        id: secrets[0]?.id,
        hint: secretHint(answer.token),
        createTime: at(0),
        expireTime: null,
        lastUsedTime: null,
      },
    ]);
  });

  test('with an overlap of nothing is the same', async () => {
    const { root, issue } = served();
    for (const overlap of [undefined, { seconds: 0n, nanos: 0 }, { seconds: 0n, nanos: 999_999 }]) {
      const { id, token: old } = await issue();
      const { token } = await root.keys.rotateKey({ id, overlap });
      expect(await verdicts(old, token)).toEqual(['SECRET_RETIRED', 'VALID']);
    }
  });

  test('with an overlap lets both secrets pass until its end, each shown with its hint, the newest first', async () => {
    const { latchkey, issue } = served();
    const { id, token: old, key: before } = await issue();
    clock.advance(10);
    const { key, token } = await latchkey.keys.rotate(id, { overlapMs: 1500 });
    const [one, two] = key.secrets;
    expect(key.secrets).toEqual([
      { id: one?.id, hint: secretHint(token), createTime: at(0), expireTime: null, lastUsedTime: null },
      { id: two?.id, hint: secretHint(old), createTime: at(-10), expireTime: at(1500), lastUsedTime: null },
    ]);
    expect(two?.id).toBe(before.secrets[0]?.id);
    expect(key.tokenHint).toBe(`acme_${id.slice(4)}…${secretHint(token)}`);
    expect(await latchkey.keys.get(id)).toEqual(key);
    clock.advance(1499);
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    clock.advance(1);
    expect(await verdicts(old, token)).toEqual(['SECRET_RETIRED', 'VALID']);
    const after = await latchkey.keys.get(id);
    // Both were used since, and that may be told already.
    const { lastUsedTime, secrets } = after;
    expect(after).toEqual({
      ...key,
      lastUsedTime,
      secrets: [{ ...one, lastUsedTime: secrets[0]?.lastUsedTime }],
    });
  });

  test('keeps the id, the rules and all else of the key', async () => {
    const { latchkey, keyspaceId } = served();
    const { key: before } = await latchkey.keys.create({
      keyspaceId,
      displayName: 'rotated',
      ownerId: 'owner-1',
      scopes: ['orders:read'],
      resourceAccess: { ids: ['store-1'] },
      restrictions: { allowedIps: ['203.0.113.7'] },
      metadata: { plan: 'gold' },
      tags: ['one'],
      expireTime: at(HOUR_MS),
    });
    clock.advance(10);
    const { key, token } = await latchkey.keys.rotate(before.id, { overlapMs: 1000 });
    const { etag, secrets, tokenHint, updateTime } = key;
    expect(key).toEqual({ ...before, etag, secrets, tokenHint, updateTime });
    expect(etag).not.toBe(before.etag);
    expect(updateTime).toEqual(at(0));
    const asked = { resource: 'store-1', scopes: ['orders:read'], client: { ip: '203.0.113.7' } };
    expect(await latchkey.verify({ token, ...asked })).toMatchObject({
      verdict: 'VALID',
      key: { id: key.id },
    });
    expect(await latchkey.verify({ token, ...asked, resource: 'store-2' })).toMatchObject({
      verdict: 'RESOURCE_NOT_ALLOWED',
    });
  });

  test('takes the prefix that the keyspace gives to new tokens now, and the old token passes as it is', async () => {
    const { latchkey, newKeyspace, issue } = served();
    const { id: keyspaceId } = await newKeyspace({ tokenPrefix: 'old' });
    const { id, token: old } = await issue({ keyspaceId });
    await latchkey.keyspaces.update(keyspaceId, { tokenPrefix: 'new' });
    const { token, key } = await latchkey.keys.rotate(id, { overlapMs: 1000 });
    expect(token).toMatch(/^new_/);
    expect(key.tokenHint).toBe(`new_${id.slice(4)}…${secretHint(token)}`);
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
  });

  test('tells the newest secret from the old one also if the clock was set back in between', async () => {
    const { latchkey, issue } = served();
    const { id } = await issue();
    const nowMs = clock.nowMs();
    clock.setWall(nowMs - HOUR_MS);
    try {
      const { key, token } = await latchkey.keys.rotate(id, { overlapMs: 1000 });
      expect(key.secrets[0]).toMatchObject({ hint: secretHint(token), expireTime: null });
      expect(key.tokenHint).toContain(`…${secretHint(token)}`);
      expect(await latchkey.keys.get(id)).toEqual(key);
    } finally {
      clock.setWall(nowMs);
    }
  });

  test('while another’s overlap is not over is refused if it wants one too, and changes nothing', async () => {
    const { latchkey } = served();
    const { id, old, token, key } = await rotating();
    await expect(latchkey.keys.rotate(id, { overlapMs: 1 })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'ROTATION_UNDER_WAY',
      metadata: { id },
    });
    expect(await latchkey.keys.get(id)).toEqual(key);
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    clock.advance(HOUR_MS);
    const { token: third } = await latchkey.keys.rotate(id, { overlapMs: 1 });
    expect(await verdicts(old, token, third)).toEqual(['SECRET_RETIRED', 'VALID', 'VALID']);
  });

  test('without an overlap ends all the secrets of one that is under way', async () => {
    const { latchkey } = served();
    const { id, old, token } = await rotating();
    const { token: third, key } = await latchkey.keys.rotate(id);
    expect(await verdicts(old, token, third)).toEqual(['SECRET_RETIRED', 'SECRET_RETIRED', 'VALID']);
    expect(key.secrets.map(({ hint }) => hint)).toEqual([secretHint(third)]);
    clock.advance(HOUR_MS);
    expect(await verdicts(old, token, third)).toEqual(['SECRET_RETIRED', 'SECRET_RETIRED', 'VALID']);
  });

  test('with an etag that is old is ABORTED, and with the present one it is made', async () => {
    const { latchkey, issue } = served();
    const { id, token: old, key: before } = await issue();
    await latchkey.keys.update(id, { tags: ['x'] });
    await expect(latchkey.keys.rotate(id, { etag: before.etag })).rejects.toMatchObject({
      code: 'ABORTED',
      reason: 'ETAG_MISMATCH',
    });
    expect(await verdicts(old)).toEqual(['VALID']);
    const { etag } = await latchkey.keys.get(id);
    const { token, key } = await latchkey.keys.rotate(id, { etag, overlapMs: 1000 });
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    for (const end of ['completeRotation', 'cancelRotation'] as const)
      await expect(latchkey.keys[end](id, { etag })).rejects.toMatchObject({ reason: 'ETAG_MISMATCH' });
    await latchkey.keys.completeRotation(id, { etag: key.etag });
    expect(await verdicts(old, token)).toEqual(['SECRET_RETIRED', 'VALID']);
  });
});

describe('the expiry of a key that is rotated', () => {
  test('is not outlived by the overlap, however long that is, nor if the key is prolonged later', async () => {
    const { latchkey, issue } = served();
    const expireTime = at(1000);
    const { id, token: old } = await issue({ expireTime });
    const { key, token } = await latchkey.keys.rotate(id, { overlapMs: HOUR_MS });
    expect(key.secrets.map((secret) => secret.expireTime)).toEqual([null, expireTime]);
    clock.advance(999);
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    clock.advance(1);
    expect(await verdicts(old, token)).toEqual(['EXPIRED', 'EXPIRED']);
    await latchkey.keys.update(id, { expireTime: at(HOUR_MS) });
    expect(await verdicts(old, token)).toEqual(['SECRET_RETIRED', 'VALID']);
  });

  test('ends both secrets, if it is set earlier than the end of the overlap', async () => {
    const { latchkey } = served();
    const { id, old, token, key } = await rotating(HOUR_MS);
    const { key: shortened } = await latchkey.keys.update(id, { expireTime: at(1000) });
    expect(shortened.secrets).toEqual(key.secrets);
    clock.advance(999);
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    clock.advance(1);
    expect(await verdicts(old, token)).toEqual(['EXPIRED', 'EXPIRED']);
    // Prolonged again, it is as the rotation said.
    await latchkey.keys.update(id, { expireTime: null });
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    clock.advance(HOUR_MS - 1000);
    expect(await verdicts(old, token)).toEqual(['SECRET_RETIRED', 'VALID']);
  });
});

describe('completing a rotation', () => {
  test('ends the old secret now', async () => {
    const { latchkey } = served();
    const { id, old, token } = await rotating();
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    clock.advance(10);
    const answer = await latchkey.keys.completeRotation(id);
    expect(answer).toMatchObject({ effectiveTime: at(0), propagation: { replicas: 1, confirmed: 1 } });
    expect(await verdicts(old, token)).toEqual(['SECRET_RETIRED', 'VALID']);
    expect(answer.key.secrets.map(({ hint }) => hint)).toEqual([secretHint(token)]);
    expect(answer.key).toEqual(await latchkey.keys.get(id));
    await latchkey.keys.rotate(id, { overlapMs: 1 });
  });

  test('that is over, or never began, changes nothing', async () => {
    const { latchkey, issue } = served();
    const done = await rotating(1000);
    await latchkey.keys.completeRotation(done.id);
    const over = await rotating(1000);
    clock.advance(1000);
    const never = await issue();
    for (const { id } of [done, over, never]) {
      const before = await latchkey.keys.get(id);
      const revision = await head();
      const answer = await latchkey.keys.completeRotation(id);
      expect(answer).toMatchObject({ key: before, revision });
      expect(await latchkey.keys.get(id)).toEqual(before);
    }
  });
});

describe('cancelling a rotation', () => {
  test('ends the new secret now, and the old one goes on as if nothing had been', async () => {
    const { latchkey } = served();
    const { id, old, token } = await rotating();
    expect(await verdicts(old, token)).toEqual(['VALID', 'VALID']);
    clock.advance(10);
    const answer = await latchkey.keys.cancelRotation(id);
    expect(answer).toMatchObject({ effectiveTime: at(0), propagation: { replicas: 1, confirmed: 1 } });
    expect(await verdicts(old, token)).toEqual(['VALID', 'SECRET_RETIRED']);
    expect(answer.key).toMatchObject({
      tokenHint: `acme_${id.slice(4)}…${secretHint(old)}`,
      secrets: [{ hint: secretHint(old), expireTime: null }],
    });
    expect(answer.key).toEqual(await latchkey.keys.get(id));
    clock.advance(HOUR_MS);
    expect(await verdicts(old, token)).toEqual(['VALID', 'SECRET_RETIRED']);
    const { token: third } = await latchkey.keys.rotate(id, { overlapMs: 1 });
    expect(await verdicts(old, token, third)).toEqual(['VALID', 'SECRET_RETIRED', 'VALID']);
    clock.advance(1);
    expect(await verdicts(old, token, third)).toEqual(['SECRET_RETIRED', 'SECRET_RETIRED', 'VALID']);
  });

  test('is refused where there is none: before, after its end, after its completion or cancellation', async () => {
    const { latchkey, issue } = served();
    const never = await issue();
    const over = await rotating(1000);
    clock.advance(1000);
    const completed = await rotating();
    await latchkey.keys.completeRotation(completed.id);
    const cancelled = await rotating();
    await latchkey.keys.cancelRotation(cancelled.id);
    const atOnce = await issue();
    await latchkey.keys.rotate(atOnce.id);
    for (const { id } of [never, over, completed, cancelled, atOnce]) {
      const before = await latchkey.keys.get(id);
      const revision = await head();
      await expect(latchkey.keys.cancelRotation(id)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        reason: 'NO_ROTATION',
        metadata: { id },
      });
      expect(await latchkey.keys.get(id)).toEqual(before);
      expect(await head()).toBe(revision);
    }
  });
});

/** Each of the three, on a key that is named by its id. */
const CALLS: Readonly<Record<string, (id: string) => Promise<{ readonly key: Key }>>> = {
  rotate: (id) => served().latchkey.keys.rotate(id),
  'rotate with an overlap': (id) => served().latchkey.keys.rotate(id, { overlapMs: 1000 }),
  completeRotation: (id) => served().latchkey.keys.completeRotation(id),
  cancelRotation: (id) => served().latchkey.keys.cancelRotation(id),
};

describe.each(Object.entries(CALLS))('%s', (_name, call) => {
  test.each([
    ['revoked', ['revoke'], 'KEY_REVOKED'],
    ['deleted', ['delete'], 'KEY_DELETED'],
    ['revoked and deleted', ['revoke', 'delete'], 'KEY_DELETED'],
  ] as const)('is refused for a key that is %s', async (_state, way, reason) => {
    const { latchkey } = served();
    const { id } = await rotating();
    for (const step of way) await latchkey.keys[step](id);
    const before = await latchkey.keys.get(id);
    await expect(call(id)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason,
      metadata: { id },
    });
    expect(await latchkey.keys.get(id)).toEqual(before);
  });

  test('of a key that is not there is NOT_FOUND', async () => {
    const id = newId('key');
    await expect(call(id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      reason: 'KEY_NOT_FOUND',
      metadata: { id },
    });
  });
});

test.each([
  ['rotate', ['SECRET_RETIRED', 'SECRET_RETIRED']],
  ['completeRotation', ['SECRET_RETIRED', 'VALID']],
  ['cancelRotation', ['VALID', 'SECRET_RETIRED']],
] as const)('%s is made on a disabled key, which stays so until it is enabled', async (name, after) => {
  const { latchkey } = served();
  const { id, old, token } = await rotating();
  await latchkey.keys.disable(id);
  expect((await latchkey.keys[name](id)).key.state).toBe('DISABLED');
  expect(await verdicts(old, token)).toEqual(['DISABLED', 'DISABLED']);
  await latchkey.keys.enable(id);
  expect(await verdicts(old, token)).toEqual(after);
});

test('an expired key is rotated and stays expired; once it is prolonged only the new secret passes', async () => {
  const { latchkey, issue } = served();
  const { id, token: old } = await issue({ expireTime: at(1000) });
  clock.advance(5000);
  const { key, token } = await latchkey.keys.rotate(id, { overlapMs: HOUR_MS });
  expect(key.state).toBe('EXPIRED');
  expect(await verdicts(old, token)).toEqual(['EXPIRED', 'EXPIRED']);
  await latchkey.keys.update(id, { expireTime: at(HOUR_MS) });
  expect(await verdicts(old, token)).toEqual(['SECRET_RETIRED', 'VALID']);
});

describe('an imported key', () => {
  async function imported(): Promise<{ readonly id: string; readonly foreign: string }> {
    const { latchkey, keyspaceId } = served();
    const foreign = `sk_live_${randomUUID()}`;
    const sha256 = createHash('sha256').update(foreign).digest('hex');
    const { results } = await latchkey.keys.import(keyspaceId, [{ sha256 }]);
    const [result] = results;
    if (result?.imported !== true) throw new Error('it was not imported');
    return { id: result.id, foreign };
  }

  test('is rotated to a token of ours, beside which the foreign one passes until its end', async () => {
    const { latchkey } = served();
    const { id, foreign } = await imported();
    expect(await verdicts(foreign)).toEqual(['VALID']);
    const { key, token } = await latchkey.keys.rotate(id, { overlapMs: 1000 });
    expect(token).toMatch(new RegExp(`^acme_${id.slice(4)}`));
    expect(key.tokenHint).toBe(`acme_${id.slice(4)}…${secretHint(token)}`);
    expect(key.secrets.map(({ hint }) => hint)).toEqual([secretHint(token), '']);
    expect(await verdicts(foreign, token)).toEqual(['VALID', 'VALID']);
    clock.advance(1000);
    expect(await verdicts(foreign, token)).toEqual(['SECRET_RETIRED', 'VALID']);
  });

  test('keeps the foreign token if the rotation is cancelled, and shows no hint again', async () => {
    const { latchkey } = served();
    const { id, foreign } = await imported();
    const { token } = await latchkey.keys.rotate(id, { overlapMs: 1000 });
    const { key } = await latchkey.keys.cancelRotation(id);
    expect(key.tokenHint).toBe('');
    clock.advance(1000);
    expect(await verdicts(foreign, token)).toEqual(['VALID', 'SECRET_RETIRED']);
  });
});

describe('a root key', () => {
  test('is rotated by itself: both tokens let it call during the overlap, then only the new one', async () => {
    const { issueRoot, sdk } = served();
    const { id, token: old } = await issueRoot(['admin']);
    const before = sdk(old);
    const { token } = await before.keys.rotate(id, { overlapMs: 1000 });
    const after = sdk(token);
    for (const client of [before, after]) await client.keys.list();
    clock.advance(1000);
    await expect(before.keys.list()).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      reason: 'CALLER_UNKNOWN',
    });
    await after.keys.list();
  });

  test('is out of the reach of who may not touch root keys', async () => {
    const { latchkey, issueRoot, sdk } = served();
    const { id, token } = await issueRoot(['verify']);
    const writer = sdk((await issueRoot(['keys:write', 'keys:read'])).token);
    for (const call of [
      () => writer.keys.rotate(id),
      () => writer.keys.completeRotation(id),
      () => writer.keys.cancelRotation(id),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'NOT_FOUND', reason: 'KEY_NOT_FOUND' });
    }
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'VALID' });
  });
});

describe('rotations at the same time', () => {
  /** What a hundred calls over five connections came to. */
  async function race(id: string, options: { readonly etag?: string; readonly overlapMs?: number }) {
    const { sdk, server } = served();
    const clients = Array.from({ length: 5 }, () => sdk(server.rootToken));
    const settled = await Promise.allSettled(
      Array.from({ length: 20 }, () => clients.map((client) => client.keys.rotate(id, options))).flat(),
    );
    return {
      won: settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
      reasons: settled.flatMap((result) =>
        result.status === 'rejected' ? [(result.reason as LatchkeyError).reason] : [],
      ),
    };
  }

  test.each([0, HOUR_MS])(
    'with one etag and an overlap of %i ms: exactly one of a hundred wins',
    async (overlapMs) => {
      const { latchkey, issue } = served();
      const { id, token: old, key } = await issue();
      const { won, reasons } = await race(id, { etag: key.etag, overlapMs });
      expect(won).toHaveLength(1);
      expect(reasons).toHaveLength(99);
      expect(new Set(reasons)).toEqual(new Set(['ETAG_MISMATCH']));
      const [winner] = won;
      expect(await verdicts(old, winner?.token ?? '')).toEqual([
        overlapMs === 0 ? 'SECRET_RETIRED' : 'VALID',
        'VALID',
      ]);
      expect(await latchkey.keys.get(id)).toEqual(winner?.key);
    },
  );

  test('without an etag and with an overlap: one wins, and the others are told that it is under way', async () => {
    const { issue } = served();
    const { id, token: old } = await issue();
    const { won, reasons } = await race(id, { overlapMs: HOUR_MS });
    expect(won).toHaveLength(1);
    expect(new Set(reasons)).toEqual(new Set(['ROTATION_UNDER_WAY']));
    expect(await verdicts(old, won[0]?.token ?? '')).toEqual(['VALID', 'VALID']);
  });

  test('without an etag and an overlap: all are made, and the last one’s token is the only one that passes', async () => {
    const { latchkey, issue } = served();
    const { id, token: old } = await issue();
    const { won } = await race(id, {});
    expect(won).toHaveLength(100);
    const found = await verdicts(old, ...won.map(({ token }) => token));
    const counts = Object.fromEntries(
      ['VALID', 'SECRET_RETIRED', 'NOT_FOUND'].map((verdict) => [
        verdict,
        found.filter((each) => each === verdict).length,
      ]),
    );
    expect(counts).toEqual({ VALID: 1, SECRET_RETIRED: 5, NOT_FOUND: 95 });
    const valid = won[found.indexOf('VALID') - 1];
    expect(await latchkey.keys.get(id)).toEqual(valid?.key);
    const seq = ({ revision }: RotatedKey): number => Number(revision.split('.')[1]);
    expect(valid).toBe(won.reduce((one, other) => (seq(other) > seq(one) ? other : one)));
  });
});

describe('an overlap', () => {
  test('may be a year, and is refused if it is longer, negative or no span, naming the field', async () => {
    const { root, issue } = served();
    const { id, key } = await issue();
    const year = BigInt(365 * 86_400);
    for (const overlap of [
      { seconds: year + 1n, nanos: 0 },
      { seconds: -1n, nanos: 0 },
      { seconds: 0n, nanos: -1 },
      { seconds: 0n, nanos: 1_000_000_000 },
    ]) {
      expect(await failureOf((options) => root.keys.rotateKey({ id, overlap }, options))).toMatchObject({
        code: 3,
        reason: 'INVALID_FIELD',
        fields: ['overlap'],
      });
    }
    expect((await root.keys.getKey({ id })).key?.etag).toBe(key.etag);
    const { key: after } = await root.keys.rotateKey({ id, overlap: { seconds: year, nanos: 0 } });
    expect(after?.secrets[1]?.expireTime).toEqual(at(365 * 86_400_000));
  });

  test('is refused by the SDK if it is no number', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    await expect(latchkey.keys.rotate(id, { overlapMs: Number.NaN })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'overlap' }],
    });
    expect(await verdicts(token)).toEqual(['VALID']);
  });
});

describe('the audit trail of rotations', () => {
  /** On a database that can be looked into: the audit trail has no RPC yet. */
  let database: TestDatabase;
  let audited: Served & { close(): Promise<void> };
  beforeAll(async () => {
    database = await createDatabase();
    audited = await openServed(await startServer({ databaseUrl: database.url, clock }));
  });
  afterAll(async () => {
    await audited.close();
    await database.drop();
  });

  test('says who did what when, which hints are new and retired, and never a token', async () => {
    const { root, issue, issueRoot, clients } = audited;
    const { id, token: first } = await issue();
    const actor = await issueRoot(['keys:write']);
    const { keys } = clients(actor.token);
    const startMs = clock.nowMs();
    const { token: second } = await keys.rotateKey({ id, overlap: HOUR });
    clock.advance(10);
    await keys.completeRotation({ id });
    await keys.completeRotation({ id });
    const requestId = randomUUID();
    const { token: third } = await keys.rotateKey({ id, overlap: HOUR, requestId });
    await keys.rotateKey({ id, overlap: HOUR, requestId });
    await failureOf((options) => keys.rotateKey({ id, overlap: HOUR }, options));
    await keys.cancelRotation({ id });
    const { token: fourth } = await keys.rotateKey({ id });
    expect(await verdictOf(root, { token: fourth })).toBe('VALID');

    const rows = await database.query<{ action: string; actor: string; time: Date; details: object }>(
      `SELECT action, actor, time, details FROM audit_events WHERE target_id = $1 AND action <> 'key.create' ORDER BY id`,
      [id],
    );
    const hints = [first, second, third, fourth].map(secretHint);
    const row = (action: string, ms: number, details: object): object => ({
      action: `key.${action}`,
      actor: actor.id,
      time: new Date(startMs + ms),
      details,
    });
    // Events of one moment have no order.
    const byText = (one: object, other: object): number =>
      JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
    expect(rows.toSorted(byText)).toEqual(
      [
        row('rotate', 0, { hint: hints[1], retired: [hints[0]], retireTimeMs: startMs + HOUR_MS }),
        row('complete-rotation', 10, { retired: [hints[0]] }),
        row('rotate', 10, { hint: hints[2], retired: [hints[1]], retireTimeMs: startMs + 10 + HOUR_MS }),
        row('cancel-rotation', 10, { retired: [hints[2]] }),
        row('rotate', 10, { hint: hints[3], retired: [hints[1]], retireTimeMs: startMs + 10 }),
      ].toSorted(byText),
    );
    const text = JSON.stringify(rows);
    for (const token of [first, second, third, fourth]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(createHash('sha256').update(token).digest('hex'));
    }
  });
});
