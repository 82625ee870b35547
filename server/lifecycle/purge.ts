import type { Store } from './ports.ts';

/** Rows removed in one transaction, so that a purge never holds locks for long. */
const BATCH = 1000;

/** How many rows of each kind were removed. */
export interface Purged {
  readonly keys: number;
  readonly answers: number;
  readonly logRows: number;
  readonly rates: number;
  readonly balances: number;
}

/**
 * Removes for good what is over: keys 30 days after their deletion, answers after 24 hours, rows of the change log after
 * one, and what the ledger of limits does not need any more. Safe on many replicas.
 */
export async function purge(store: Store, nowMs: number): Promise<Purged> {
  const keys = await drain((limit) => store.keys.purgeDue(nowMs, limit));
  const answers = await drain((limit) => store.idempotency.purgeDue(nowMs, limit));
  const logRows = await drain((limit) => store.changes.purgeDue(nowMs, limit));
  const rates = await walk((afterId) => store.ledger.purgePage('RATE', afterId, BATCH));
  // After the keys, whose balances they are.
  const balances = await walk((afterId) => store.ledger.purgePage('CREDITS', afterId, BATCH));
  return { keys, answers, logRows, rates, balances };
}

async function drain(removeSome: (limit: number) => Promise<number>): Promise<number> {
  let removed = 0;
  for (let some = BATCH; some === BATCH; removed += some) some = await removeSome(BATCH);
  return removed;
}

/** Where no index knows what is over: from the first to the last, a page a transaction. */
async function walk(
  purgePage: (afterId: string) => Promise<{ readonly removed: number; readonly lastId: string | undefined }>,
): Promise<number> {
  let removed = 0;
  for (let afterId: string | undefined = ''; afterId !== undefined;) {
    const page = await purgePage(afterId);
    removed += page.removed;
    afterId = page.lastId;
  }
  return removed;
}
