import { describe, expect, test } from 'vitest';
import type { LatchkeyError } from '../../sdk/src/index.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

/** The reasons of the calls that failed, and how many did not. */
async function settle(calls: readonly Promise<unknown>[]): Promise<{ won: number; reasons: Set<string> }> {
  const results = await Promise.allSettled(calls);
  const failures = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as LatchkeyError] : [],
  );
  return { won: results.length - failures.length, reasons: new Set(failures.map(({ reason }) => reason)) };
}

describe('changes at the same time', () => {
  test('with one etag: exactly one of fifty wins', async () => {
    const { latchkey, issue, sdk, server } = served();
    const { id, key, token } = await issue();
    const clients = Array.from({ length: 5 }, () => sdk(server.rootToken));
    const { won, reasons } = await settle(
      Array.from({ length: 50 }, (_, index) =>
        clients[index % 5]?.keys.update(id, { displayName: `writer ${index}` }, { etag: key.etag }),
      ) as Promise<unknown>[],
    );
    expect(won).toBe(1);
    expect(reasons).toEqual(new Set(['ETAG_MISMATCH']));
    const after = await latchkey.keys.get(id);
    expect(after.etag).not.toBe(key.etag);
    expect(await latchkey.verify({ token })).toMatchObject({ key: { displayName: after.displayName } });
  });

  test('without an etag: all are made, one after the other', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => latchkey.keys.update(id, { displayName: `writer ${index}` })),
    );
    expect(new Set(answers.map(({ key }) => key.etag)).size).toBe(30);
    const positions = answers.map(({ revision }) => Number(revision.split('.')[1])).toSorted((a, b) => a - b);
    expect(positions.at(-1)).toBe((positions[0] ?? 0) + 29);
    const last = answers.find(({ revision }) => revision === `0.${positions.at(-1)}`);
    expect(await latchkey.keys.get(id)).toEqual(last?.key);
    expect(await latchkey.verify({ token })).toMatchObject({ key: { displayName: last?.key.displayName } });
  });

  test('to one key by opposite calls: it ends as the last one left it, in memory too', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    const looks: Promise<unknown>[] = [];
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        looks.push(latchkey.verify({ token }));
        return index % 2 === 0 ? latchkey.keys.disable(id) : latchkey.keys.enable(id);
      }),
    );
    await Promise.all(looks);
    const { state } = await latchkey.keys.get(id);
    const last = answers.reduce((one, other) =>
      Number(other.revision.slice(2)) > Number(one.revision.slice(2)) ? other : one,
    );
    expect(last.key.state).toBe(state);
    expect((await latchkey.verify({ token })).verdict).toBe(state === 'ACTIVE' ? 'VALID' : 'DISABLED');
  });

  test('by many revocations: one does it, and all say so', async () => {
    const { latchkey, issue } = served();
    const { id, token } = await issue();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => latchkey.keys.revoke(id, { reason: `reason-${index}` })),
    );
    expect(new Set(answers.map(({ key }) => key.revokeReason)).size).toBe(1);
    expect(new Set(answers.map(({ key }) => key.etag)).size).toBe(1);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'REVOKED' });
  });

  test('of one slug: one keyspace is made, and the others are told that it is taken', async () => {
    const { latchkey } = served();
    const { won, reasons } = await settle(
      Array.from({ length: 10 }, () => latchkey.keyspaces.create({ slug: 'wanted', tokenPrefix: 'acme' })),
    );
    expect(won).toBe(1);
    expect(reasons).toEqual(new Set(['SLUG_TAKEN']));
  });

  test('of a keyspace and its keys: no key outlives its keyspace', async () => {
    const { latchkey, newKeyspace } = served();
    for (let round = 0; round < 5; round += 1) {
      const { id: keyspaceId } = await newKeyspace();
      const [created, deleted] = await Promise.allSettled([
        latchkey.keys.create({ keyspaceId }),
        latchkey.keyspaces.delete(keyspaceId),
      ]);
      const outcomes = [created, deleted].map((result) =>
        result.status === 'fulfilled' ? 'ok' : (result.reason as LatchkeyError).reason,
      );
      expect([
        ['ok', 'KEYSPACE_IN_USE'],
        ['KEYSPACE_NOT_FOUND', 'ok'],
      ]).toContainEqual(outcomes);
    }
  });
});
