import type { Store } from './ports.ts';

/** Rows removed in one transaction, so that a purge never holds locks for long. */
const BATCH = 1000;

/** Removes for good what is over: keys 30 days after their deletion, answers after 24 hours, rows of
 * the change log after one. Safe on many replicas. */
export async function purge(
  store: Store,
  nowMs: number,
): Promise<{ readonly keys: number; readonly answers: number; readonly logRows: number }> {
  const keys = await drain((limit) => store.keys.purgeDue(nowMs, limit));
  const answers = await drain((limit) => store.idempotency.purgeDue(nowMs, limit));
  const logRows = await drain((limit) => store.changes.purgeDue(nowMs, limit));
  return { keys, answers, logRows };
}

async function drain(removeSome: (limit: number) => Promise<number>): Promise<number> {
  let removed = 0;
  for (let some = BATCH; some === BATCH; removed += some) some = await removeSome(BATCH);
  return removed;
}
