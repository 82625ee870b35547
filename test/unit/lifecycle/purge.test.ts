import { expect, test } from 'vitest';
import type { Store } from '../../../server/lifecycle/ports.ts';
import { purge } from '../../../server/lifecycle/purge.ts';

/** A store with so many rows to remove; remembers how many each call may take. */
function storeWith(keys: number, answers: number, logRows: number, calls: string[]): Store {
  const left = { keys, answers, logRows };
  const purgeDue = (what: keyof typeof left) => async (nowMs: number, limit: number) => {
    calls.push(`${what} ${nowMs} ${limit}`);
    const removed = Math.min(limit, left[what]);
    left[what] -= removed;
    return removed;
  };
  return {
    keys: { purgeDue: purgeDue('keys') },
    idempotency: { purgeDue: purgeDue('answers') },
    changes: { purgeDue: purgeDue('logRows') },
    ledger: { purgePage: async () => ({ removed: 0, lastId: undefined }) },
  } as unknown as Store;
}

test.each([
  [0, 0, 0],
  [1, 999, 1001],
  [1000, 2500, 3],
])(
  '%i keys, %i answers and %i rows of the log are all removed, in bounded transactions',
  async (keys, answers, logRows) => {
    const calls: string[] = [];
    const store = storeWith(keys, answers, logRows, calls);
    expect(await purge(store, 7)).toMatchObject({ keys, answers, logRows });
    expect(await purge(store, 7)).toMatchObject({ keys: 0, answers: 0, logRows: 0 });
    expect(new Set(calls)).toEqual(new Set(['keys 7 1000', 'answers 7 1000', 'logRows 7 1000']));
  },
);

test('the ledger is walked from its first entry to its last, a page a transaction, balances after the keys', async () => {
  const calls: string[] = [];
  const pages = new Map([
    ['', { removed: 0, lastId: 'a' }],
    ['a', { removed: 3, lastId: 'b' }],
    ['b', { removed: 1, lastId: undefined }],
  ]);
  const store = {
    ...storeWith(1, 0, 0, calls),
    ledger: {
      async purgePage(kind: string, afterId: string, limit: number) {
        calls.push(`${kind} ${afterId} ${limit}`);
        return pages.get(afterId);
      },
    },
  } as unknown as Store;
  expect(await purge(store, 7)).toMatchObject({ rates: 4, balances: 4 });
  const walk = (kind: string): string[] => ['', 'a', 'b'].map((afterId) => `${kind} ${afterId} 1000`);
  expect(calls).toEqual([
    'keys 7 1000',
    'answers 7 1000',
    'logRows 7 1000',
    ...walk('RATE'),
    ...walk('CREDITS'),
  ]);
});
