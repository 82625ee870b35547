import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KeyState } from '../../proto/gen/latchkey/v1/key.ts';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { createDatabase, type TestDatabase } from '../support/create-database.ts';
import { failureOf } from '../support/failure-of.ts';
import { startServer } from '../support/start-server.ts';
import { createTestClock } from '../support/test-clock.ts';
import { verdictOf } from './support/judge.ts';
import { openServed, present, type Served } from './support/serve-latchkey.ts';

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

/** What the audit trail says of reports about a key. */
const reports = (id: string) =>
  database.query<{ details: object }>(
    `SELECT details FROM audit_events WHERE target_id = $1 AND action = 'key.report-leaked' ORDER BY time, id`,
    [id],
  );

describe('a token that is reported as leaked', () => {
  test('ends its key at once, with the reason `leaked`', async () => {
    const { root, issue } = served;
    const { id, token } = await issue({ displayName: 'x' });
    expect(await verdictOf(root, { token })).toBe('VALID');
    clock.advance(10);
    const { key, revision, effectiveTime } = await root.keys.reportLeakedKey({
      token,
      note: 'in a public gist',
    });
    expect(key).toMatchObject({
      id,
      displayName: 'x',
      state: KeyState.KEY_STATE_REVOKED,
      revokeReason: 'leaked',
      revokeTime: new Date(clock.nowMs()),
    });
    expect(effectiveTime?.getTime()).toBeGreaterThanOrEqual(clock.nowMs());
    expect(await verdictOf(root, { token, minRevision: revision })).toBe('REVOKED');
    expect(await verdictOf(root, { token })).toBe('REVOKED');
    expect(await reports(id)).toEqual([{ details: { note: 'in a public gist' } }]);
  });

  test('of an imported key does so too', async () => {
    const { root, keyspaceId } = served;
    const token = `sk_live_${randomUUID()}`;
    const sha256 = createHash('sha256').update(token).digest('hex');
    const { results } = await root.keys.importKeys({ keyspaceId, keys: [{ sha256 }] });
    expect(await verdictOf(root, { token })).toBe('VALID');
    const { key } = await root.keys.reportLeakedKey({ token });
    expect(key).toMatchObject({ id: results[0]?.id, revokeReason: 'leaked' });
    expect(await verdictOf(root, { token })).toBe('REVOKED');
  });

  test.each([
    ['disabled', 'disableKey'],
    ['deleted', 'deleteKey'],
  ] as const)('of a key that is %s ends it for good', async (_state, change) => {
    const { root, issue } = served;
    const { id, token } = await issue();
    await root.keys[change]({ id });
    expect((await root.keys.reportLeakedKey({ token })).key).toMatchObject({ id, revokeReason: 'leaked' });
    if (change === 'deleteKey') await root.keys.undeleteKey({ id });
    expect(await verdictOf(root, { token })).toBe('REVOKED');
  });

  test('of a key that was revoked before leaves its reason, and is written down all the same', async () => {
    const { root, issue } = served;
    const { id, token } = await issue();
    const { key: before } = await root.keys.revokeKey({ id, reason: 'superseded' });
    clock.advance(10);
    for (const note of ['once', 'twice']) {
      clock.advance(1);
      expect((await root.keys.reportLeakedKey({ token, note })).key).toEqual(before);
    }
    expect(await reports(id)).toEqual([{ details: { note: 'once' } }, { details: { note: 'twice' } }]);
  });

  test('is reported once for each request id', async () => {
    const { root, issue } = served;
    const { id, token } = await issue();
    const request = { token, note: 'x', requestId: randomUUID() };
    const first = await root.keys.reportLeakedKey(request);
    const again = await root.keys.reportLeakedKey(request);
    expect({ ...again, effectiveTime: undefined }).toEqual({ ...first, effectiveTime: undefined });
    expect(await reports(id)).toHaveLength(1);
    expect(
      await failureOf((options) => root.keys.reportLeakedKey({ ...request, note: 'y' }, options)),
    ).toMatchObject({ code: 3, reason: 'IDEMPOTENCY_MISMATCH' });
  });
});

describe('a report', () => {
  test('of a text that is no key’s token is NOT_FOUND, does nothing, and does not tell it back', async () => {
    const { root, issue } = served;
    const { id, token } = await issue();
    for (const text of [
      'hunter2',
      id,
      newToken('acme', id),
      newToken('acme', newId('key')),
      token.slice(0, -1),
      `${token} `,
      createHash('sha256').update(token).digest('hex'),
    ]) {
      const failure = await failureOf((options) => root.keys.reportLeakedKey({ token: text }, options));
      expect(failure).toMatchObject({ code: 5, reason: 'KEY_NOT_FOUND', metadata: {} });
      expect(failure.message).not.toContain(text);
    }
    expect(await verdictOf(root, { token })).toBe('VALID');
    expect(await reports(id)).toEqual([]);
  });

  test('of a token out of the caller’s reach is NOT_FOUND; a root token is within the reach of its like alone', async () => {
    const { root, issue, issueRoot, clients, newKeyspace } = served;
    const { token } = await issue();
    const rootKey = await issueRoot(['verify']);
    const confined = clients((await issueRoot(['keys:revoke'], [(await newKeyspace()).id])).token);
    const powerful = clients((await issueRoot(['keys:revoke'])).token);
    const unknown = { code: 5, reason: 'KEY_NOT_FOUND' };
    expect(await failureOf((options) => confined.keys.reportLeakedKey({ token }, options))).toMatchObject(
      unknown,
    );
    for (const client of [confined, powerful]) {
      const report = (options: object) => client.keys.reportLeakedKey({ token: rootKey.token }, options);
      expect(await failureOf(report)).toMatchObject(unknown);
    }
    expect(await verdictOf(root, { token })).toBe('VALID');
    expect(present((await root.keys.reportLeakedKey({ token: rootKey.token })).key).id).toBe(rootKey.id);
    expect(
      await failureOf((options) => clients(rootKey.token).verify.verify({ token: 'x' }, options)),
    ).toMatchObject({ code: 16 });
  });
});
