import { describe, expect, test } from 'vitest';
import { NO_REQUEST } from '../../../core/checks/check.ts';
import type { Limit } from '../../../core/limit.ts';
import { readToken } from '../../../core/token.ts';
import type { Budgets, ChargeOutcome } from '../../../server/verification/budgets.ts';
import { createVerifier, type Verification } from '../../../server/verification/verifier.ts';
import { issueKey } from '../support/issue-key.ts';
import { snapshotWorld } from '../support/snapshot-world.ts';

const LIMIT: Limit = {
  name: 'calls',
  rule: { kind: 'RATE', limit: 5, windowMs: 1000 },
  onDemand: false,
  onUnavailable: 'DENY',
};
const { key, token } = issueKey({ limits: [LIMIT], scopes: ['a'] });
const everywhere = (): boolean => true;

const ask = (change: Partial<Verification> = {}): Verification => ({
  ...NO_REQUEST,
  token: readToken(token),
  keyspaceId: undefined,
  minRevision: undefined,
  charges: [],
  checkOnly: false,
  ...change,
});

/** Budgets that answer as they are told, and what they were asked. */
function budgetsSaying(outcome: ChargeOutcome, knows = true) {
  const asked: (readonly [way: string, names: readonly string[], charges: unknown, checkOnly: boolean])[] =
    [];
  const budgets: Budgets = {
    tryCharge(limits, charges, checkOnly) {
      asked.push(['try', limits.map(({ ledgerId }) => ledgerId), charges, checkOnly]);
      return knows ? outcome : undefined;
    },
    async charge(limits, charges, checkOnly) {
      asked.push(['charge', limits.map(({ ledgerId }) => ledgerId), charges, checkOnly]);
      return outcome;
    },
  };
  return { budgets, asked };
}

const PASSED: ChargeOutcome = { refusal: undefined, retryAfterMs: undefined, states: [] };
const LIMITED: ChargeOutcome = { refusal: 'RATE_LIMITED', retryAfterMs: 70, states: [] };

describe('a key with limits', () => {
  test('is charged last, once a call, with what the request says', async () => {
    const { budgets, asked } = budgetsSaying(LIMITED);
    const verifier = createVerifier({
      snapshots: snapshotWorld([key], { warm: true }),
      budgets,
      nowMs: () => 1,
    });
    const request = ask({ charges: [{ limit: 'calls', cost: 3 }], checkOnly: true });
    const outcome = verifier.tryVerify(request, everywhere);
    expect(outcome).toMatchObject({ verdict: 'RATE_LIMITED', retryAfterMs: 70, snapshot: { key } });
    expect(await verifier.verify(request, everywhere)).toEqual(outcome);
    const ids = [`${key.id} calls 1000`];
    expect(asked).toEqual([
      ['try', ids, request.charges, true],
      ['charge', ids, request.charges, true],
    ]);
  });

  test('leaves tryVerify without an answer where its budgets have none', () => {
    const { budgets } = budgetsSaying(PASSED, false);
    const verifier = createVerifier({
      snapshots: snapshotWorld([key], { warm: true }),
      budgets,
      nowMs: () => 1,
    });
    expect(verifier.tryVerify(ask(), everywhere)).toBeUndefined();
  });

  test.each<[string, typeof key, Verification, () => boolean]>([
    ['a check', key, ask({ scopes: ['b'] }), everywhere],
    ['its state', { ...key, switch: 'REVOKED' }, ask(), everywhere],
    ['a caller who may not know it', key, ask(), () => false],
    ['a wrong secret', { ...key, secrets: issueKey().key.secrets }, ask(), everywhere],
    ['no token', key, ask({ token: undefined }), everywhere],
  ])('that is refused for %s is charged nothing', async (_why, stored, request, reach) => {
    const { budgets, asked } = budgetsSaying(PASSED);
    for (const warm of [true, false]) {
      const verifier = createVerifier({
        snapshots: snapshotWorld([stored], { warm }),
        budgets,
        nowMs: () => 1,
      });
      const tried = verifier.tryVerify(request, reach);
      const outcome = await verifier.verify(request, reach);
      if (tried !== undefined) expect(tried).toEqual(outcome);
      expect(outcome.verdict).not.toBe('VALID');
      expect(outcome.limits).toEqual([]);
    }
    expect(asked).toEqual([]);
  });
});

test('a key without limits asks no budgets, unless charges are named: which are then none of its', async () => {
  const { key: plain, token: its } = issueKey();
  const { budgets, asked } = budgetsSaying(PASSED);
  const verifier = createVerifier({
    snapshots: snapshotWorld([plain], { warm: true }),
    budgets,
    nowMs: () => 1,
  });
  await verifier.verify(ask({ token: readToken(its) }), everywhere);
  expect(asked).toEqual([]);
  await verifier.verify(ask({ token: readToken(its), charges: [{ limit: 'x', cost: 1 }] }), everywhere);
  expect(asked).toMatchObject([['charge', [], [{ limit: 'x' }], false]]);
});
