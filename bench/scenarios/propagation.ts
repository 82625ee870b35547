import type { Child } from '../child.ts';
import type { Comparison, Row } from '../comparison.ts';
import type { LatchkeyUnderTest } from '../latchkey.ts';
import type { MutationLoadAnswers } from '../processes/mutation-load-process.ts';
import type { RevocationAnswers, TimedRevocation } from '../processes/revocation-process.ts';
import type { SeededKey } from '../seed.ts';

/** How many changes of other keys run meanwhile, a second. */
const OTHER_MUTATIONS = 50;

/** How long a replica's lease is, ms: the default of LATCHKEY_MAX_STALENESS_MS. */
export const LEASE_MS = 2000;
/** The default of LATCHKEY_POLL_MS. */
export const POLL_MS = 200;

/** How many changes of other keys there are to choose from. */
const OTHER_KEYS = 100;

/** Revocations that are not counted: V8 compiles what is called often. */
const WARM_UP_SAMPLES = 10;

const HEALTHY_P99_MAX_MS = 50;
const SICK_MAX_MS = LEASE_MS + 100;

/** How long a resumed replica may take until its memory may answer, ms. */
const RECOVERY_MAX_MS = 10_000;

/** How many keys `measurePropagation` uses up. */
export const keysForPropagation = (plan: PropagationPlan): number =>
  OTHER_KEYS + WARM_UP_SAMPLES + 4 * plan.healthySamples + plan.sickSamples;

/** How much to measure. */
export interface PropagationPlan {
  /** Revocations of each kind while all replicas are well. */
  readonly healthySamples: number;
  /** Revocations while one replica stands still. */
  readonly sickSamples: number;
}

/** How long a revocation takes until it is known on every replica, and until whoever asked for it is told so. */
export async function measurePropagation(
  plan: PropagationPlan,
  options: {
    /** Three, on one database. */
    readonly replicas: readonly [LatchkeyUnderTest, LatchkeyUnderTest, LatchkeyUnderTest];
    readonly revoker: Child<RevocationAnswers>;
    readonly mutationLoad: Child<MutationLoadAnswers>;
    /** As many as `keysForPropagation` says. */
    readonly keys: readonly SeededKey[];
  },
): Promise<readonly Comparison[]> {
  const { replicas, revoker, mutationLoad } = options;
  const [one, , sick] = replicas;
  const unused = [...options.keys];
  const otherIds = unused.splice(0, OTHER_KEYS).map(({ id }) => id);
  const revocations = {
    revoke: one.target('RevokeKey'),
    others: replicas.slice(1).map((replica) => replica.target('Verify')),
    pauseMaxMs: POLL_MS,
  };
  const next = (count: number): readonly SeededKey[] => unused.splice(0, count);

  async function measureHealthy(): Promise<Row[]> {
    const count = plan.healthySamples;
    const waiting = { ...revocations, wait: true };
    const returned = await revoker.ask('run', { ...waiting, keys: next(count), look: false });
    const unawaited = await revoker.ask('run', {
      ...revocations,
      wait: false,
      keys: next(count),
      look: true,
    });
    return [
      ...p50AndP99('RevokeKey, sent to its reply', returned, (each) => each.returnedMs),
      ...p50AndP99('wait: false, its reply to the last replica', unawaited, (each) => each.returnedToSeenMs),
    ];
  }

  const warmUp = { ...revocations, wait: true, look: true };
  await revoker.ask('run', { ...warmUp, keys: next(WARM_UP_SAMPLES) });
  const idle = await measureHealthy();
  await mutationLoad.ask('start', {
    targets: replicas.map((replica) => replica.target('UpdateKey')),
    keyIds: otherIds,
    callsPerSecond: OTHER_MUTATIONS,
  });
  const busy = await measureHealthy();
  const load = await mutationLoad.ask('stop');
  if (load.failed > 0) throw new Error(`${load.failed} of the other mutations failed`);

  const sickTimes: TimedRevocation[] = [];
  for (const key of next(plan.sickSamples)) {
    sick.child.suspend();
    try {
      const timed = await revoker.ask('run', {
        ...revocations,
        others: revocations.others.slice(0, 1),
        wait: true,
        keys: [key],
        look: false,
      });
      sickTimes.push(...timed);
    } finally {
      sick.child.resume();
    }
    await untilFresh(sick);
  }

  const sickSamples = sickTimes.map(({ returnedMs }) => ({ ours: returnedMs }));
  return [
    { title: `Revocation with 3 replicas, by ${plan.healthySamples} of each kind`, rows: idle },
    {
      title: `The same while ${Math.round(load.rate)} other mutations a second run`,
      rows: busy,
    },
    {
      title: `Revocation while one of 3 replicas stands still, by ${sickTimes.length}; the lease is ${LEASE_MS.toLocaleString('en')} ms`,
      rows: [
        { label: 'RevokeKey, sent to its reply, p50, ms', samples: sickSamples },
        {
          label: 'RevokeKey, sent to its reply, longest, ms',
          samples: sickSamples,
          shown: 'max',
          oursMax: SICK_MAX_MS,
        },
      ],
    },
  ];
}

function p50AndP99(
  label: string,
  timed: readonly TimedRevocation[],
  read: (timed: TimedRevocation) => number | undefined,
): Row[] {
  const samples = timed.map((each) => ({ ours: read(each) ?? NaN }));
  return [
    { label: `${label}, p50, ms`, samples },
    { label: `${label}, p99, ms`, samples, shown: 'p99', oursMax: HEALTHY_P99_MAX_MS },
  ];
}

/** Waits until a replica that stood still may answer from memory again, and has told so: then it counts as well. */
async function untilFresh(replica: LatchkeyUnderTest): Promise<void> {
  const giveUpMs = performance.now() + RECOVERY_MAX_MS;
  while ((await replica.metric('latchkey_memory_fresh')) !== 1) {
    if (performance.now() > giveUpMs) throw new Error('a resumed replica did not recover');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
