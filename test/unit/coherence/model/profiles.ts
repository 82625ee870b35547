import { LEASE_GRACE_MS } from '../../../../server/coherence/await-replicas.ts';
import { createRandom, type Random } from '../../../support/random.ts';
import {
  ABSENT_ID,
  createCluster,
  PRESENT_ID,
  type Cluster,
  type Sabotage,
  type Tally,
  type Weather,
} from './cluster.ts';
import { createSimulator, type Simulator } from './simulator.ts';

/** A kind of schedule: the weather, and what is done in it. */
export interface Profile {
  readonly size: number;
  readonly weather: Weather;
  readonly untilMs: number;
  plan(world: { readonly random: Random; readonly simulator: Simulator; readonly cluster: Cluster }): void;
}

const CALM: Weather = {
  leaseMs: 400,
  pollMs: 80,
  pollTimeoutMs: 150,
  pollStall: { chance: 0.1, maxMs: 60 },
  pollLoss: 0.03,
  readStall: { chance: 0.1, maxMs: 30 },
  answerLoss: 0.05,
  hintLoss: 0.3,
};

type World = Parameters<Profile['plan']>[0];

/** A change, and verifications of its key on all replicas before, while and long after it is made. */
function story({ random, simulator, cluster }: World, keyId: string, atMs: number): void {
  const size = cluster.hosts.length;
  const changer = random.between(0, size - 1);
  const wait = random.next() < 0.8;
  simulator.after(atMs, () => cluster.change(changer, keyId, wait));
  for (let index = 0; index < size; index += 1) {
    const offsets = [-20, -2, 1, 3].map((ms) => ms + random.between(-2, 2));
    for (let more = 0; more < 5; more += 1) offsets.push(random.between(4, 12), random.between(5, 700));
    for (const offset of offsets) simulator.after(atMs + offset, () => cluster.verify(index, keyId));
  }
}

/** Replicas that start, leave, stand still, are suspended, and whose clocks are set back. */
function troubles({ random, simulator, cluster }: World, fromMs: number, toMs: number): void {
  for (const host of cluster.hosts) {
    if (random.next() < 0.4) {
      const how = random.next() < 0.5 ? 'stopped' : 'suspended';
      simulator.after(random.between(fromMs, toMs), () => {
        host.pause(random.between(1, 700), how);
        // One clock may be wrong, not both.
        if (how === 'stopped') host.setBack(random.between(0, 5000));
      });
    }
  }
  if (random.next() < 0.2) {
    simulator.after(random.between(fromMs, toMs), () =>
      cluster.stop(random.between(0, cluster.hosts.length - 1)),
    );
  }
}

function startAll({ random, cluster }: World): void {
  cluster.hosts.forEach((_, index) => {
    cluster.start(index, index > 0 && random.next() < 0.15 ? random.between(0, 600) : index);
  });
}

/** Reads of a key that are under way while it is changed. */
const raceOver = (keyId: string, troublesChance: number): Profile => ({
  size: 3,
  weather: { ...CALM, readStall: { chance: 0.5, maxMs: 40 } },
  untilMs: 1900,
  plan(world) {
    startAll(world);
    const count = world.random.between(2, 3);
    for (let index = 0; index < count; index += 1) {
      story(world, keyId, world.random.between(150, 1100));
    }
    if (world.random.next() < troublesChance) troubles(world, 100, 1200);
  },
});

/** Fills that are under way while their key is changed. */
export const FILL_RACE = raceOver(PRESENT_ID, 0.7);

/** Unknown keys that are created while they are looked for, and go again. */
export const ABSENCE_RACE = raceOver(ABSENT_ID, 0.5);

/** A change that another replica finds done before it has heard of it. */
export const DONE_ALREADY: Profile = {
  ...raceOver(PRESENT_ID, 0),
  plan(world) {
    const { random, simulator, cluster } = world;
    startAll(world);
    const atMs = random.between(150, 1000);
    story(world, PRESENT_ID, atMs);
    for (let index = 0; index < cluster.hosts.length; index += 1) {
      simulator.after(atMs + random.between(1, 40), () => cluster.findDone(index, PRESENT_ID));
      for (let offsetMs = 2; offsetMs < 60; offsetMs += random.between(2, 6))
        simulator.after(atMs + offsetMs, () => cluster.verify(index, PRESENT_ID));
    }
    if (random.next() < 0.5) troubles(world, 100, 1200);
  },
};

/** A replica that has heard of nothing for longer than its lease, and whose reads take longer than that, too. */
export const SLOW_READS: Profile = {
  size: 2,
  weather: { ...CALM, readStall: { chance: 0.6, maxMs: 1000 } },
  untilMs: 2500,
  plan({ random, simulator, cluster }) {
    cluster.start(0, 0);
    cluster.start(1, 0);
    const deafMs = random.between(100, 300);
    simulator.after(deafMs, () => cluster.deafen(1, random.between(900, 1500)));
    const changedMs = deafMs + random.between(300, 700);
    simulator.after(changedMs, () => cluster.change(0, PRESENT_ID, random.next() < 0.8));
    for (let count = 0; count < 20; count += 1) {
      const atMs = changedMs + (count < 8 ? random.between(-300, 5) : random.between(0, 1200));
      simulator.after(atMs, () => cluster.verify(1, PRESENT_ID));
    }
  },
};

/** A replica that stands still for longer than its lease, and whose clocks do not say so. */
export const WRONG_CLOCKS: Profile = {
  size: 2,
  weather: { ...CALM, readStall: { chance: 0.5, maxMs: 60 } },
  untilMs: 1700,
  plan({ random, simulator, cluster }) {
    cluster.start(0, 0);
    cluster.start(1, 0);
    const pausedMs = random.between(100, 300);
    const backMs = pausedMs + random.between(380, 900);
    for (let atMs = 50; atMs < pausedMs; atMs += 20) {
      simulator.after(atMs, () => cluster.verify(1, PRESENT_ID));
    }
    simulator.after(pausedMs, () => {
      const host = cluster.hosts[1];
      const how = random.next() < 0.5 ? 'stopped' : 'suspended';
      host?.pause(backMs - pausedMs, how);
      // One clock may be wrong, not both.
      if (how === 'stopped') host?.setBack(random.between(100, 3000));
    });
    const changedMs = pausedMs + random.between(-20, 300);
    simulator.after(changedMs, () => cluster.change(0, PRESENT_ID, random.next() < 0.8));
    for (let count = 0; count < 12; count += 1) {
      simulator.after(backMs + random.between(-10, 100), () => cluster.verify(1, PRESENT_ID));
    }
  },
};

/** A log that loses rows before everybody has read them. */
export const LOST_ROWS: Profile = {
  ...FILL_RACE,
  weather: { ...CALM, hintLoss: 1, pollLoss: 0.2 },
  plan(world) {
    startAll(world);
    for (let index = 0; index < 3; index += 1) {
      const atMs = world.random.between(150, 1100);
      story(world, PRESENT_ID, atMs);
      world.simulator.after(atMs + world.random.between(1, 60), () => world.cluster.purge());
    }
  },
};

/**
 * A replica that stood still for so long that nobody counts it any more, and whose first poll stalls between its
 * reading and its entry, while a key is changed.
 */
export const STALLED_POLL: Profile = {
  size: 2,
  weather: {
    ...CALM,
    leaseMs: 2000,
    pollMs: 400,
    pollTimeoutMs: 1000,
    pollStall: { chance: 0.35, maxMs: 80 },
    pollLoss: 0,
    readStall: { chance: 0.5, maxMs: 60 },
    answerLoss: 0,
  },
  untilMs: LEASE_GRACE_MS + 5000,
  plan({ random, simulator, cluster }) {
    cluster.start(0, 0);
    cluster.start(1, 0);
    const verify = (atMs: number): void => simulator.after(atMs, () => cluster.verify(1, PRESENT_ID));
    const pausedMs = random.between(900, 1100);
    for (let atMs = 850; atMs < pausedMs; atMs += 30) verify(atMs);
    const backMs = pausedMs + LEASE_GRACE_MS + random.between(1900, 2600);
    simulator.after(pausedMs, () => {
      cluster.hosts[1]?.pause(backMs - pausedMs, random.next() < 0.5 ? 'stopped' : 'suspended');
    });
    const changedMs = backMs + random.between(-5, 100);
    simulator.after(changedMs, () => cluster.change(0, PRESENT_ID, true));
    for (let count = 0; count < 12; count += 1) verify(changedMs + random.between(0, 200));
  },
};

/** What a schedule showed. */
export interface Outcome {
  readonly violations: readonly string[];
  readonly tally: Tally;
}

/** Runs one schedule, which the seed decides. */
export async function runSchedule(profile: Profile, seed: number, sabotage: Sabotage): Promise<Outcome> {
  const random = createRandom(seed);
  const simulator = createSimulator(random);
  const cluster = createCluster({
    simulator,
    random,
    weather: profile.weather,
    sabotage,
    size: profile.size,
  });
  profile.plan({ random, simulator, cluster });
  await simulator.run(profile.untilMs);
  return { violations: cluster.violations, tally: cluster.tally };
}
