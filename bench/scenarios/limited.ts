import type { Comparison, Sample } from '../comparison.ts';
import type { BenchDatabase } from '../database.ts';
import { startLatchkey } from '../latchkey.ts';
import type { Blast, LoadGenerator } from '../load/load.ts';
import { measure, type Measured } from '../measure.ts';
import { requireValid, verifyMessage } from '../requests.ts';
import { BUSY } from './warm-rounds.ts';

/** How much to measure; each generation is a new process of the server, see `measureWarm`. */
export interface LimitedPlan {
  readonly generations: number;
  readonly rounds: number;
  readonly calls: number;
  readonly warmUpCalls: number;
}

/** What limits that are in memory add to a Verify: one, and three, beside the same key without. */
export async function measureLimited(
  plan: LimitedPlan,
  options: {
    readonly database: BenchDatabase;
    readonly load: LoadGenerator;
    /** What pins a command to the core of the server. */
    readonly pin: readonly string[];
  },
): Promise<Comparison> {
  const { generations, rounds, calls, warmUpCalls } = plan;
  const { database, load, pin } = options;
  const { bare, limited, limitedThrice } = database.template;
  const one: Sample[] = [];
  const three: Sample[] = [];
  let leases = 0;
  let verifications = 0;
  for (let generation = 0; generation < generations; generation += 1) {
    const latchkey = await startLatchkey({ databaseUrl: database.url, pin });
    try {
      const target = latchkey.target('Verify');
      const blastOf = (token: string): Pick<Blast, 'target' | 'message'> => ({
        target,
        message: verifyMessage(token),
      });
      const [none, once, thrice] = [
        blastOf(bare.token),
        blastOf(limited.token),
        blastOf(limitedThrice.token),
      ];
      const run = (blast: Pick<Blast, 'target' | 'message'>): Promise<Measured> =>
        measure(latchkey.child, calls, () => load.blast({ ...blast, ...BUSY, calls }));
      for (const { token } of [bare, limited, limitedThrice]) await requireValid(target, token);
      for (const blast of [none, once, thrice]) await load.blast({ ...blast, ...BUSY, calls: warmUpCalls });

      const before = await latchkey.metric('latchkey_ledger_leases');
      for (let round = 0; round < rounds; round += 1) {
        // In turn, so that a slow moment of the machine meets all.
        const order = [none, once, thrice];
        const turned = [...order.slice(round % 3), ...order.slice(0, round % 3)];
        const found = new Map<object, Measured>();
        for (const blast of turned) found.set(blast, await run(blast));
        const cpuUs = (blast: object): number => found.get(blast)?.cpuUs ?? NaN;
        one.push({ ours: cpuUs(once), theirs: cpuUs(none) });
        three.push({ ours: cpuUs(thrice), theirs: cpuUs(none) });
      }
      leases += (await latchkey.metric('latchkey_ledger_leases')) - before;
      verifications += 2 * rounds * calls;
    } finally {
      await latchkey.stop();
    }
  }
  return {
    title: 'Verify of a warm key with rate limits that are in memory',
    beside: 'the same key without',
    rows: [
      { label: 'one limit: server CPU a call, µs', samples: one, ratioMax: 1.1 },
      { label: 'three limits: server CPU a call, µs', samples: three, ratioMax: 1.25 },
      { label: 'leases a thousand of these calls', samples: [{ ours: (1000 * leases) / verifications }] },
    ],
  };
}
