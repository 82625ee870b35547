import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { Verdict, type BatchVerifyResult } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { failureOf } from '../support/failure-of.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

/** The verdict of an entry by its number, or the status that stands in its place. */
function outcome({ result }: BatchVerifyResult): unknown {
  return result?.$case === 'response' ? result.value.verdict : result?.value.code;
}

describe('a batch', () => {
  test('of 256 is answered in order, cold and warm keys mixed', async () => {
    const { root, issue } = served();
    const issued = await Promise.all(
      Array.from({ length: 32 }, (_, index) => issue({ displayName: `${index}` })),
    );
    // Every third one is in memory.
    for (const [index, { token }] of issued.entries())
      if (index % 3 === 0) await root.verify.verify({ token });
    const order = Array.from({ length: 256 }, (_, index) => (index * 7) % 32);
    const { responses } = await root.verify.batchVerify({
      requests: order.map((index) => ({ token: issued[index]?.token ?? '' })),
    });
    expect(
      responses.map(({ result }) => (result?.$case === 'response' ? result.value.key?.displayName : '')),
    ).toEqual(order.map(String));
  });

  test('of which memory knows a part is handed on, and counts and reads every entry once', async () => {
    const { root, issue, metric } = served();
    const [warm, cold, unknown] = [await issue(), await issue(), newToken('acme', newId('key'))];
    await root.verify.verify({ token: warm.token });
    const valid = (): Promise<number> => metric('latchkey_verifications_total', { verdict: 'VALID' });
    const before = { valid: await valid(), loads: await metric('latchkey_key_loads') };
    const tokens = [warm.token, cold.token, 'hunter2', unknown, warm.token, cold.token];
    const { responses } = await root.verify.batchVerify({ requests: tokens.map((token) => ({ token })) });
    expect(responses.map(outcome)).toEqual([
      Verdict.VERDICT_VALID,
      Verdict.VERDICT_VALID,
      Verdict.VERDICT_MALFORMED,
      Verdict.VERDICT_NOT_FOUND,
      Verdict.VERDICT_VALID,
      Verdict.VERDICT_VALID,
    ]);
    expect(await valid()).toBe(before.valid + 4);
    expect(await metric('latchkey_key_loads')).toBe(before.loads + 2);
  });

  test('of one is answered', async () => {
    const { root, issue } = served();
    const { token } = await issue();
    const { responses } = await root.verify.batchVerify({ requests: [{ token }] });
    expect(responses.map(outcome)).toEqual([Verdict.VERDICT_VALID]);
  });

  test.each([0, 257, 5000])('of %d is refused whole', async (length) => {
    const { root, metric } = served();
    const before = await metric('latchkey_verifications_total');
    const failure = await failureOf((options) =>
      root.verify.batchVerify({ requests: Array.from({ length }, () => ({ token: 'x' })) }, options),
    );
    expect(failure).toMatchObject({ code: 3, reason: 'INVALID_FIELD', fields: ['requests'] });
    expect(await metric('latchkey_verifications_total')).toBe(before);
  });

  test('goes on past entries that are bad, each with the error that it would have had alone', async () => {
    const { issue, keyspaceId, clients, issueRoot, newKeyspace } = served();
    const { token } = await issue();
    const { id: elsewhere } = await newKeyspace();
    const confined = clients((await issueRoot(['verify'], [keyspaceId])).token);
    const { responses } = await confined.verify.batchVerify({
      requests: [
        { token },
        { token, resource: 'x'.repeat(257) },
        { token, scopeQuery: 'a AND' },
        { token, keyspaceId: elsewhere },
        { token: 'hunter2' },
        { token, scopes: ['a'] },
        { token },
      ],
    });
    expect(responses.map(outcome)).toEqual([
      Verdict.VERDICT_VALID,
      3,
      3,
      7,
      Verdict.VERDICT_MALFORMED,
      Verdict.VERDICT_SCOPE_MISSING,
      Verdict.VERDICT_VALID,
    ]);
    expect(responses.map(({ result }) => result?.$case)).toEqual([
      'response',
      'status',
      'status',
      'status',
      'response',
      'response',
      'response',
    ]);
  });

  test('of 256 times the same key that is not in memory reads it once', async () => {
    const { root, issue, metric } = served();
    const { token } = await issue();
    await root.verify.verify({ token: 'x' });
    const before = await metric('latchkey_key_loads');
    const { responses } = await root.verify.batchVerify({
      requests: Array.from({ length: 256 }, () => ({ token })),
    });
    expect(new Set(responses.map(outcome))).toEqual(new Set([Verdict.VERDICT_VALID]));
    expect(await metric('latchkey_key_loads')).toBe(before + 1);
  });

  test('of 256 unknown keys reads each once, and none again', async () => {
    const { root, metric } = served();
    const requests = Array.from({ length: 256 }, () => ({ token: newToken('acme', newId('key')) }));
    const before = await metric('latchkey_key_loads');
    for (let again = 0; again < 2; again += 1) {
      const { responses } = await root.verify.batchVerify({ requests });
      expect(new Set(responses.map(outcome))).toEqual(new Set([Verdict.VERDICT_NOT_FOUND]));
      expect(await metric('latchkey_key_loads')).toBe(before + 256);
    }
  });

  test('counts a verdict for each entry', async () => {
    const { root, issue, metric } = served();
    const { token } = await issue();
    const count = (verdict: string): Promise<number> => metric('latchkey_verifications_total', { verdict });
    const before = [await count('VALID'), await count('MALFORMED')];
    await root.verify.batchVerify({ requests: [{ token }, { token: 'x' }, { token }] });
    expect([await count('VALID'), await count('MALFORMED')]).toEqual([
      (before[0] ?? 0) + 2,
      (before[1] ?? 0) + 1,
    ]);
  });
});
