import * as crypto from 'node:crypto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { NO_REQUEST } from '../../../core/checks/check.ts';
import { newId } from '../../../core/ids.ts';
import { newToken, readToken } from '../../../core/token.ts';
import { createVerifier, type Verification } from '../../../server/verification/verifier.ts';
import { issueKey, secretOf } from '../support/issue-key.ts';
import { NO_BUDGETS } from '../support/no-budgets.ts';
import { snapshotWorld } from '../support/snapshot-world.ts';

// Time itself is too noisy to test; the work that takes it can be counted.
vi.mock('node:crypto', async (importOriginal) => {
  const original = await importOriginal<typeof crypto>();
  return { ...original, hash: vi.fn(original.hash), timingSafeEqual: vi.fn(original.timingSafeEqual) };
});
const digests = vi.mocked(crypto.hash);
const comparisons = vi.mocked(crypto.timingSafeEqual);

const { key, token } = issueKey();
const older = newToken('acme', key.id);
const rotatedKey = issueKey();
const rotatedOlder = newToken('acme', rotatedKey.key.id);
const rotated = {
  ...rotatedKey.key,
  secrets: [secretOf(rotatedKey.token), secretOf(rotatedOlder, 0)],
};
const foreignToken = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
const imported = issueKey({
  secrets: [{ ...secretOf(foreignToken), imported: true, hint: '' }],
}).key;
const keys = [key, rotated, imported];

function ask(text: string): Verification {
  return {
    ...NO_REQUEST,
    token: readToken(text),
    keyspaceId: undefined,
    minRevision: undefined,
    charges: [],
    checkOnly: false,
  };
}

beforeEach(() => {
  digests.mockClear();
  comparisons.mockClear();
});

describe.each([true, false])('with the key in memory: %j', (warm) => {
  const verifier = createVerifier({
    snapshots: snapshotWorld(keys, { warm }),
    budgets: NO_BUDGETS,
    nowMs: () => 1,
  });

  test.each([
    ['a right secret', token, 1],
    ['a wrong secret', older, 1],
    ['an unknown key', newToken('acme', newId('key')), 1],
    ['the first of two secrets', rotatedKey.token, 2],
    ['the second of two secrets', rotatedOlder, 2],
    ['neither of two secrets', newToken('acme', rotated.id), 2],
    ['an imported token', foreignToken, 1],
    ['a foreign token of no key', `${foreignToken}x`, 1],
  ])('%s costs one digest, and a comparison for each secret', async (_what, text, count) => {
    await verifier.verify(ask(text), () => true);
    expect(digests).toHaveBeenCalledTimes(1);
    expect(comparisons).toHaveBeenCalledTimes(count);
    for (const [stored, presented] of comparisons.mock.calls) {
      expect(stored).toHaveProperty('byteLength', 32);
      expect(presented).toHaveProperty('byteLength', 32);
    }
  });

  test('a caller that does not reach the key costs as much as one that does', async () => {
    await verifier.verify(ask(token), () => false);
    expect(digests).toHaveBeenCalledTimes(1);
    expect(comparisons).toHaveBeenCalledTimes(1);
  });
});

describe.each([true, false])('without imported keys, with the key in memory: %j', (warm) => {
  const verifier = createVerifier({
    snapshots: snapshotWorld([key], { warm }),
    budgets: NO_BUDGETS,
    nowMs: () => 1,
  });

  test('a foreign token costs one digest and no comparison, whatever it is', async () => {
    for (const text of [foreignToken, 'x', 'y'.repeat(512)]) {
      digests.mockClear();
      await verifier.verify(ask(text), () => true);
      expect(digests).toHaveBeenCalledTimes(1);
      expect(comparisons).not.toHaveBeenCalled();
    }
  });
});

test('what cannot be a token costs no digest', () => {
  for (const text of ['', 'x'.repeat(513), `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`]) {
    expect(readToken(text)).toBeUndefined();
  }
  expect(digests).not.toHaveBeenCalled();
});
