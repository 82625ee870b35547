import type { Child } from '../child.ts';
import type { Comparison, Sample } from '../comparison.ts';
import type { BenchDatabase } from '../database.ts';
import { forgetKeys } from '../forget-keys.ts';
import type { LatchkeyUnderTest } from '../latchkey.ts';
import { measure, type Measured } from '../measure.ts';
import type { BareSelectAnswers } from '../processes/bare-select-process.ts';
import type { NodeLoadAnswers } from '../processes/node-load-process.ts';
import { requireValid, verifyMessage } from '../requests.ts';
import type { SeededKey } from '../seed.ts';

/** As many at a time as the server has connections to the database (its default). */
export const POOL_SIZE = 10;

/** Calls of one measurement. */
const CALLS = 1000;
const WARM_UP_ROUNDS = 2;

/**
 * Keys that are not in memory, each called once: beside a bare select of the same rows by node-pg. The call's way
 * through gRPC is in ours and not in theirs.
 */
export async function measureCold(options: {
  readonly latchkey: LatchkeyUnderTest;
  readonly database: BenchDatabase;
  /** Load from Node, which can send another key with each call. */
  readonly load: Child<NodeLoadAnswers>;
  readonly bareSelect: Child<BareSelectAnswers>;
  /** The keys to call, a thousand at a time and others each time, as far as they go. */
  readonly keys: readonly SeededKey[];
  readonly keysInDatabase: number;
  readonly rounds: number;
}): Promise<Comparison> {
  const { latchkey, database, load, bareSelect, keys, keysInDatabase, rounds } = options;
  const target = latchkey.target('Verify');
  let used = 0;
  const nextKeys = (): readonly SeededKey[] => {
    const start = used % keys.length;
    used += CALLS;
    return keys.slice(start, start + CALLS);
  };

  const select = (inFlight: number): Promise<Measured> => {
    const ids = nextKeys().map(({ id }) => id);
    return measure(bareSelect, CALLS, () => bareSelect.ask('run', { ids, inFlight }));
  };
  const verify = (streams: number): Promise<Measured> => {
    const messages = nextKeys().map(({ token }) => verifyMessage(token));
    return measure(latchkey.child, CALLS, () =>
      load.ask('run', { target, messages, calls: CALLS, connections: 1, streams }),
    );
  };

  const alone: { readonly ours: Measured; readonly theirs: Measured }[] = [];
  const busy: typeof alone = [];
  const loads: Sample[] = [];
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    for (const [inFlight, pairs] of [
      [1, alone],
      [POOL_SIZE, busy],
    ] as const) {
      await forgetKeys(latchkey, database);
      const theirs = await select(inFlight);
      const before = await latchkey.metric('latchkey_key_loads');
      const ours = await verify(inFlight);
      const loaded = (await latchkey.metric('latchkey_key_loads')) - before;
      if (round < 0) continue;
      pairs.push({ ours, theirs });
      loads.push({ ours: loaded / CALLS });
    }
  }
  const [first] = keys;
  if (first !== undefined) await requireValid(target, first.token);

  const samples = (pairs: typeof alone, read: (measured: Measured) => number): Sample[] =>
    pairs.map(({ ours, theirs }) => ({ ours: read(ours), theirs: read(theirs) }));
  return {
    title: `Verify of a cold key, ${keysInDatabase.toLocaleString('en')} keys in the database`,
    beside: 'bare indexed select',
    rows: [
      { label: 'p50, one call at a time, ms', samples: samples(alone, ({ p50Us }) => p50Us / 1000) },
      { label: 'p99, one call at a time, ms', samples: samples(alone, ({ p99Us }) => p99Us / 1000) },
      {
        label: `calls a second, ${POOL_SIZE} at a time`,
        samples: samples(busy, (each) => each.callsPerSecond),
      },
      { label: `p50, ${POOL_SIZE} calls at a time, ms`, samples: samples(busy, ({ p50Us }) => p50Us / 1000) },
      { label: `p99, ${POOL_SIZE} calls at a time, ms`, samples: samples(busy, ({ p99Us }) => p99Us / 1000) },
      { label: 'process CPU a call, µs', samples: samples(busy, ({ cpuUs }) => cpuUs) },
      { label: 'keys read from the database a call', samples: loads },
    ],
  };
}
