import pg from 'pg';
import { runInFlight, type Timing } from '../load/run-in-flight.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

let pool: pg.Pool | undefined;

/** The bar of a cold key: one indexed select of node-pg, in a process that does nothing else. */
const answers = {
  ...ACCOUNTS,
  async connect({ url, poolSize }: { readonly url: string; readonly poolSize: number }) {
    pool = new pg.Pool({ connectionString: url, max: poolSize, application_name: 'latchkey-bench' });
    await pool.query('SELECT 1');
  },
  /** One select for each id, so many at a time. */
  run({ ids, inFlight }: { readonly ids: readonly string[]; readonly inFlight: number }): Promise<Timing> {
    return runInFlight(ids, inFlight, async (id) => {
      const found = await pool?.query('SELECT * FROM keys WHERE id = $1', [id]);
      if (found?.rows.length !== 1) throw new Error(`no row of the key ${id}`);
    });
  },
};
export type BareSelectAnswers = typeof answers;

answerParent(answers);
