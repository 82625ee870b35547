import type { Program } from '../bench.ts';
import type { Comparison } from '../comparison.ts';
import { startLatchkey } from '../latchkey.ts';
import { startLoad } from '../load/start-load.ts';
import { measureLeases } from '../scenarios/leases.ts';
import { measureLimited } from '../scenarios/limited.ts';

const FULL = {
  limited: { generations: 5, rounds: 12, calls: 8000, warmUpCalls: 30_000 },
  leases: { rounds: 9, activeMs: 20_000 },
};
const QUICK = {
  limited: { generations: 2, rounds: 6, calls: 8000, warmUpCalls: 20_000 },
  leases: { rounds: 3, activeMs: 5000 },
};
/** Limits that are in use at the same time. */
const ACTIVE_LIMITS = 1000;

/** What limits cost. */
export const LIMITS: Program = {
  title: 'Latchkey, benchmark of limits',
  note: 'p50, p99 and longest are of all samples, other numbers medians of the rounds; a ratio is that of one round.',
  help: {
    about: 'What limits that are in memory add to a verification, and what leasing costs the database.',
    command: 'npm run bench:limits',
    quick: 'a short form (a minute): fewer samples',
    load: 'Load comes from h2load (nghttp2) where it is on the PATH, else from Node.',
  },

  async measure({ cores, database, progress, closeLater }, { quick }) {
    const plan = quick ? QUICK : FULL;
    const { load, nodeLoad } = await startLoad({ cores, closeLater });
    const comparisons: Comparison[] = [];

    progress('limits in memory');
    comparisons.push(await measureLimited(plan.limited, { database, load, pin: cores.server }));

    progress('leases');
    const keys = await database.copy(database.template.tight, ACTIVE_LIMITS);
    const latchkey = await startLatchkey({ databaseUrl: database.url, pin: cores.server });
    closeLater(() => latchkey.stop());
    comparisons.push(...(await measureLeases(plan.leases, { database, latchkey, load: nodeLoad, keys })));
    return { load: load.about, comparisons };
  },
};
