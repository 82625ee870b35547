import { describe, expect, test } from 'vitest';
import { createAwaitReplicas, LEASE_GRACE_MS } from '../../../server/coherence/await-replicas.ts';
import type { ReplicaStatus } from '../../../server/coherence/ports.ts';
import { createTestClock } from '../../support/test-clock.ts';

const LEASE_MS = 2000;
const SELF = 'rep_self';
const REVISION = { shard: 0, seq: 10 };

let renewals = 0;

/** A replica that has renewed its lease just now, unless the test says which lease it has. */
function replica(id: string, appliedSeq: number, leaseEndedMs = -1500, lease = ''): ReplicaStatus {
  renewals += 1;
  return {
    id,
    version: '1.2.3',
    startTimeMs: 0,
    appliedSeq,
    leaseEndedMs,
    lease: lease === '' ? `lease ${renewals}` : lease,
  };
}

/**
 * A wait whose every look at the replicas is answered by the test, under a clock that only sleeping (and, where the
 * test says so, looking) moves.
 * @param look what the nth look finds; undefined: the database does not answer
 */
function waiting(look: (nth: number, elapsedMs: number) => readonly ReplicaStatus[] | undefined) {
  const clock = createTestClock();
  const startMs = clock.monotonicMs();
  const sleeps: number[] = [];
  const events: string[] = [];
  const world = {
    clock,
    sleeps,
    events,
    looks: 0,
    elapsedMs: () => clock.monotonicMs() - startMs,
    awaitReplicas: createAwaitReplicas({
      replicaId: SELF,
      async read() {
        events.push('read');
        world.looks += 1;
        const seen = look(world.looks, world.elapsedMs());
        if (seen === undefined) throw new Error('the database does not answer');
        return seen;
      },
      hint: () => void events.push('hint'),
      clock,
      leaseMs: LEASE_MS,
      async sleep(ms) {
        sleeps.push(ms);
        clock.advance(ms);
      },
    }),
  };
  return world;
}

describe('the wait ends', () => {
  test('at the first look where there is no other replica', async () => {
    const { awaitReplicas, elapsedMs } = waiting(() => [replica(SELF, 3)]);
    expect(await awaitReplicas(REVISION)).toEqual({ replicas: 1, confirmed: 1 });
    expect(elapsedMs()).toBe(0);
  });

  test('when every other replica has acknowledged the position, or more', async () => {
    const world = waiting((nth) => [
      replica(SELF, 0),
      replica('rep_a', nth < 3 ? 9 : 10),
      replica('rep_b', nth < 5 ? 9 : 12),
    ]);
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 3, confirmed: 3 });
    expect(world.looks).toBe(5);
  });

  test('not before the slowest has: all but one are not enough', async () => {
    const world = waiting((nth) => [replica('rep_a', 10), replica('rep_b', nth < 4 ? 9 : 10)]);
    await world.awaitReplicas(REVISION);
    expect(world.looks).toBe(4);
  });

  test('when a replica that was waited for has left the list', async () => {
    const world = waiting((nth) => (nth < 3 ? [replica('rep_a', 9)] : []));
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 1, confirmed: 1 });
    expect(world.looks).toBe(3);
  });

  test('after the lease where a replica never acknowledges: it cannot answer from memory any more', async () => {
    const world = waiting(() => [replica('rep_sick', 9), replica('rep_well', 10)]);
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 3, confirmed: 2 });
    expect(world.elapsedMs()).toBe(LEASE_MS);
  });

  test('not before the lease is over by this process’s clock, whatever the database says of it', async () => {
    const world = waiting((_nth, elapsedMs) => [replica('rep_sick', 9, elapsedMs < 100 ? -1 : 500)]);
    await world.awaitReplicas(REVISION);
    expect(world.elapsedMs()).toBe(LEASE_MS);
  });

  test('after the lease where the database does not answer', async () => {
    const world = waiting(() => undefined);
    await world.awaitReplicas(REVISION);
    expect(world.elapsedMs()).toBe(LEASE_MS);
  });

  test('after the lease counted from the commit’s reply, however long the looks take', async () => {
    const world = waiting((nth) => {
      world.clock.advance(nth === 1 ? LEASE_MS - 1 : 0);
      return [replica('rep_sick', 9)];
    });
    await world.awaitReplicas(REVISION);
    expect(world.elapsedMs()).toBe(LEASE_MS);
    expect(world.sleeps).toEqual([1]);
  });

  test('by the monotonic clock: a wall clock that jumps ahead shortens nothing', async () => {
    const world = waiting(() => {
      world.clock.setWall(world.clock.nowMs() + 3_600_000);
      return [replica('rep_sick', 9)];
    });
    await world.awaitReplicas(REVISION);
    expect(world.elapsedMs()).toBe(LEASE_MS);
  });

  test('with what the last look that was answered found', async () => {
    const world = waiting((nth) => (nth === 1 ? [replica('rep_a', 9), replica('rep_b', 10)] : undefined));
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 3, confirmed: 2 });
  });

  test('as soon as the database answers again', async () => {
    const world = waiting((nth) => (nth < 4 ? undefined : [replica('rep_a', 10)]));
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 2, confirmed: 2 });
    expect(world.looks).toBe(4);
  });
});

describe('a replica whose lease is over', () => {
  test('counts for as long as its clock may be wrong', async () => {
    const world = waiting(() => [replica('rep_crashed', 9, LEASE_GRACE_MS)]);
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 2, confirmed: 1 });
    expect(world.elapsedMs()).toBe(LEASE_MS);
  });

  test('does not count after that', async () => {
    const world = waiting(() => [replica('rep_crashed', 9, LEASE_GRACE_MS + 1)]);
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 1, confirmed: 1 });
    expect(world.elapsedMs()).toBe(0);
  });

  test('makes one wait end as soon as that comes', async () => {
    const world = waiting((_nth, elapsedMs) => [replica('rep_crashed', 9, LEASE_GRACE_MS - 300 + elapsedMs)]);
    await world.awaitReplicas(REVISION);
    expect(world.elapsedMs()).toBeGreaterThan(300);
    expect(world.elapsedMs()).toBeLessThan(330);
  });
});

test('the hint is sent once, before the first look', async () => {
  const { awaitReplicas, events } = waiting((nth) => [replica('rep_a', nth < 3 ? 9 : 10)]);
  await awaitReplicas(REVISION);
  expect(events).toEqual(['hint', 'read', 'read', 'read']);
});

test('the pauses between looks grow from 2 to 25 ms, and the last ends with the lease', async () => {
  const { awaitReplicas, sleeps } = waiting(() => [replica('rep_sick', 9)]);
  await awaitReplicas(REVISION);
  expect(sleeps[0]).toBe(2);
  for (const [index, ms] of sleeps.slice(1, -1).entries()) {
    expect(ms).toBeCloseTo(Math.min(25, 1.3 * (sleeps[index] ?? 0)));
  }
  expect(sleeps.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(LEASE_MS);
});

test('each wait is for its own position and has its own end', async () => {
  const world = waiting(() => [replica('rep_a', 10)]);
  expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 2, confirmed: 2 });
  const before = world.elapsedMs();
  expect(await world.awaitReplicas({ shard: 0, seq: 11 })).toEqual({ replicas: 2, confirmed: 1 });
  expect(world.elapsedMs() - before).toBe(LEASE_MS);
});

describe('a replica that renews its lease no more', () => {
  const DEAD = 'the last lease';

  test('is waited for once: the next change does not wait for it', async () => {
    const world = waiting(() => [replica('rep_alive', 99), replica('rep_dead', 9, -1500, DEAD)]);
    expect(await world.awaitReplicas(REVISION)).toMatchObject({ confirmed: 2 });
    expect(world.elapsedMs()).toBe(LEASE_MS);
    world.clock.advance(1);
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 2, confirmed: 2 });
    expect(world.elapsedMs()).toBe(LEASE_MS + 1);
  });

  test('is waited for by a change in between no longer than by the first', async () => {
    const world = waiting(() => [replica('rep_dead', 9, -1500, DEAD)]);
    const first = world.awaitReplicas(REVISION);
    const second = world.awaitReplicas(REVISION);
    await Promise.all([first, second]);
    expect(world.elapsedMs()).toBeLessThanOrEqual(2 * LEASE_MS);
  });

  test('counts again once it has renewed it', async () => {
    let lease = DEAD;
    const world = waiting(() => [replica('rep_a', 9, -1500, lease)]);
    await world.awaitReplicas(REVISION);
    world.clock.advance(10 * LEASE_MS);
    lease = 'a new lease';
    const before = world.elapsedMs();
    await world.awaitReplicas(REVISION);
    expect(world.elapsedMs()).toBeGreaterThan(before);
  });

  test('counts as long as its lease was seen to change less than a lease ago', async () => {
    const world = waiting((_nth, elapsedMs) => [
      replica('rep_slow', 9, -1500, `lease ${Math.floor(elapsedMs / (LEASE_MS - 100))}`),
    ]);
    await world.awaitReplicas(REVISION);
    expect(await world.awaitReplicas(REVISION)).toEqual({ replicas: 2, confirmed: 1 });
    expect(world.elapsedMs()).toBe(2 * LEASE_MS);
  });
});
