import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import type { Ledger, RateGrant, RateLease } from '../../server/budgets/ports.ts';
import { createLedger } from '../../server/store/ledger.ts';
import { bucketUsOf, createLedgerModel } from '../support/ledger-model.ts';
import { onEachEngine } from './each-engine.ts';

const START_MS = Date.UTC(2026, 0, 1);

const WINDOWS_MS = [1000, 1999, 2000, 60_000];

let ids = 0;
const newId = (): string => `key_${(ids += 1)} requests`;

function leaseOf(change: Partial<RateLease> & Pick<RateLease, 'id'>): RateLease {
  return {
    limit: 100,
    windowMs: 1000,
    override: undefined,
    need: 1,
    demand: 0,
    want: 1,
    lifeMs: 0,
    returns: [],
    ...change,
  };
}

/** A ledger whose clock stands where it is put. */
interface World {
  readonly ledger: Ledger;
  /** Microseconds since 1970. */
  nowUs: number;
  lease(change: Partial<RateLease> & Pick<RateLease, 'id'>): Promise<RateGrant>;
}

onEachEngine((subject) => {
  function newWorld(): World {
    const world: World = {
      nowUs: START_MS * 1000,
      ledger: createLedger({ ...subject().engine.ledger, nowMs: () => world.nowUs / 1000 }),
      async lease(change) {
        const [grant] = await world.ledger.leaseRates([leaseOf(change)]);
        if (grant === undefined) throw new Error('no answer');
        return grant;
      },
    };
    return world;
  }
  const versionOf = (id: string): Promise<object[]> =>
    subject().sql('SELECT ctid, xmin, xmax, counts FROM rate_ledger WHERE id = ?', [id]);
  const enterReplicas = async (live: number): Promise<void> => {
    await subject().sql('DELETE FROM replicas');
    await subject().sql(
      `INSERT INTO replicas (id, version, applied_seq, lease_until)
         SELECT 'rep_' || n, '1', 0, CASE WHEN n <= ? THEN timestamptz 'infinity' ELSE '-infinity' END
           FROM generate_series(1, 5) AS n`,
      [live],
    );
  };
  beforeAll(() => enterReplicas(0));

  /** Steps of a bucket's width, so that every size of window sees its edges. */
  const wait = fc.oneof(
    { weight: 6, arbitrary: fc.double({ min: 0, max: 2.5, noNaN: true }) },
    { weight: 2, arbitrary: fc.constantFrom(0, 1, 19, 20, 21) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 60, noNaN: true }) },
  );
  /** How long tokens should live, in buckets. */
  const life = fc.oneof(fc.constantFrom(0, 0, 1, 3, 19, 30), fc.double({ min: 0, max: 21, noNaN: true }));
  const amount = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 120 }));

  it('answers what the slow exact model answers, whatever is leased, given back, changed, overridden, or done to the clock', async () => {
    const lease = fc.record({
      limit: fc.constantFrom(100, 100, 100, 7, 1000),
      override: fc.option(
        fc.record({ value: fc.constantFrom(0, 3, 50, 400), buckets: fc.integer({ min: -3, max: 25 }) }),
        { nil: undefined, freq: 3 },
      ),
      need: amount,
      demand: amount,
      want: amount,
      life,
      returns: fc.array(fc.record({ back: fc.integer({ min: -22, max: 45 }), count: amount }), {
        maxLength: 3,
      }),
    });
    const step = fc.record({
      wait: fc.oneof(
        { weight: 9, arbitrary: wait },
        { weight: 1, arbitrary: fc.constantFrom(-0.4, -3, -30) },
      ),
      batch: fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 2 }), lease), {
        selector: ([limit]) => limit,
        minLength: 1,
        maxLength: 3,
      }),
    });
    const scenario = fc.record({
      windows: fc.tuple(...[1, 2, 3].map(() => fc.constantFrom(...WINDOWS_MS))),
      live: fc.integer({ min: 0, max: 3 }),
      steps: fc.array(step, { minLength: 5, maxLength: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ windows, live, steps }) => {
        await enterReplicas(live);
        const world = newWorld();
        const model = createLedgerModel();
        const limits = windows.map((windowMs) => ({ id: newId(), windowMs, widthUs: bucketUsOf(windowMs) }));
        for (const { wait: buckets, batch } of steps) {
          world.nowUs += Math.floor(buckets * (limits[0]?.widthUs ?? 0));
          const leases = batch.flatMap(
            ([index, { override, returns, life: lives, ...rest }]): RateLease[] => {
              const limit = limits[index];
              if (limit === undefined) return [];
              const { id, windowMs, widthUs } = limit;
              const bucket = Math.floor(world.nowUs / widthUs);
              return [
                {
                  ...rest,
                  id,
                  windowMs,
                  want: rest.want === 0 ? 0 : Math.max(rest.want, rest.need, rest.demand),
                  lifeMs: (lives * widthUs) / 1000,
                  override: override && {
                    value: override.value,
                    endTimeMs: Math.floor((world.nowUs + override.buckets * widthUs) / 1000),
                  },
                  returns: returns.map(({ back, count }) => ({ label: bucket - back, count })),
                },
              ];
            },
          );
          const expected = leases.map((one) => model.lease(one, world.nowUs, Math.max(1, live)));
          expect(await world.ledger.leaseRates(leases)).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
    await enterReplicas(0);
  });

  it('lets no interval of the window’s length hold more than the number, with every token spent at the worst moment of its life', async () => {
    const step = fc.record({
      wait: fc.oneof({ weight: 5, arbitrary: fc.double({ min: 0, max: 0.7, noNaN: true }) }, wait),
      replica: fc.integer({ min: 0, max: 2 }),
      need: fc.integer({ min: 1, max: 4 }),
      demand: fc.constantFrom(0, 0, 2, 9),
      want: amount,
      life,
      /** What part of a chunk is spent by its end; the rest is given back, once, or never. */
      spent: fc.constantFrom(1, 1, 1, 1, 0.5, 0),
      number: fc.constantFrom(12, 12, 5, 20),
      isLost: fc.integer({ min: 0, max: 7 }).map((die) => die === 0),
    });
    const scenario = fc.record({
      windowMs: fc.constantFrom(...WINDOWS_MS),
      live: fc.integer({ min: 0, max: 3 }),
      changes: fc.boolean(),
      steps: fc.array(step, { minLength: 10, maxLength: 50 }),
    });
    let most = 0;
    await fc.assert(
      fc.asyncProperty(scenario, async ({ windowMs, live, changes, steps }) => {
        await enterReplicas(live);
        const world = newWorld();
        const id = newId();
        const widthUs = bucketUsOf(windowMs);
        /** Every chunk, in the order of the leases, with what of it is spent in the end. */
        const chunks: {
          replica: number;
          label: number;
          number: number;
          fromUs: number;
          toUs: number;
          spent: number;
          unspent: number;
        }[] = [];
        for (const { wait: buckets, life: lives, replica, number, spent, isLost, ...rest } of steps) {
          world.nowUs += Math.floor(buckets * widthUs);
          const over = chunks.filter(
            (chunk) => chunk.replica === replica && chunk.toUs <= world.nowUs && chunk.unspent > 0,
          );
          const returns = over.map(({ label, unspent }) => ({ label, count: unspent }));
          for (const chunk of over) chunk.unspent = 0;
          const limit = changes ? number : 12;
          const { granted, label, leftMs } = await world.lease({
            ...rest,
            want: Math.max(rest.want, rest.need, rest.demand),
            lifeMs: (lives * widthUs) / 1000,
            id,
            windowMs,
            limit,
            returns,
          });
          if (isLost || granted === 0) continue;
          const count = Math.ceil(granted * spent);
          chunks.push({
            replica,
            label,
            number: limit,
            fromUs: world.nowUs,
            toUs: world.nowUs + leftMs * 1000,
            spent: count,
            unspent: granted - count,
          });
        }
        // The interval that ends just after a lease: what was leased up to then and still lived when it began.
        for (const [place, { fromUs, number }] of chunks.entries()) {
          const worst = chunks
            .slice(0, place + 1)
            .filter(({ toUs }) => toUs > fromUs - windowMs * 1000)
            .reduce((sum, { spent }) => sum + spent, 0);
          expect(worst).toBeLessThanOrEqual(number);
          if (!changes) most = Math.max(most, worst);
        }
      }),
      { numRuns: 50 },
    );
    // The number is reached, or all this would prove nothing.
    expect(most).toBe(12);
    await enterReplicas(0);
  });

  it.each(WINDOWS_MS)(
    'grants what was refused from the told moment on, and not a microsecond before (%i ms)',
    async (windowMs) => {
      const world = newWorld();
      const widthUs = bucketUsOf(windowMs);
      const limit = { id: newId(), windowMs, limit: 10 };
      await world.lease({ ...limit, need: 4, want: 4, lifeMs: windowMs / 20 });
      world.nowUs += Math.floor(2.3 * widthUs);
      await world.lease({ ...limit, need: 6, want: 6 });
      const tellUs = world.nowUs;
      for (const need of [1, 4, 5, 10]) {
        world.nowUs = tellUs;
        const { granted, retryMs } = await world.lease({ ...limit, need, want: need });
        expect(granted).toBe(0);
        if (retryMs === null) throw new Error('never');
        world.nowUs = tellUs + retryMs * 1000 - 1;
        expect((await world.lease({ ...limit, need, want: 0 })).retryMs).toBe(0.001);
        world.nowUs += 1;
        expect((await world.lease({ ...limit, need, want: 0 })).retryMs).toBe(0);
      }
      world.nowUs = tellUs;
      expect((await world.lease({ ...limit, need: 11, want: 11 })).retryMs).toBeNull();
    },
  );

  it('keeps tokens to the end of the bucket of their label, and counts them a window longer', async () => {
    const world = newWorld();
    const limit = { id: newId(), windowMs: 1000, limit: 5 };
    world.nowUs += 30_000;
    const first = await world.lease({ ...limit, need: 5, want: 5, lifeMs: 100 });
    expect(first).toMatchObject({ granted: 5, leftMs: 120, remaining: 0, retryMs: 0, resetMs: 1120 });
    world.nowUs += 1_119_999;
    expect(await world.lease(limit)).toMatchObject({ granted: 0, retryMs: 0.001 });
    world.nowUs += 1;
    expect(await world.lease(limit)).toMatchObject({ granted: 1, remaining: 4 });
  });

  it('lets tokens live as long as is asked for, to the end of that bucket, and at most a window', async () => {
    const world = newWorld();
    world.nowUs += 20_000;
    for (const [lifeMs, leftMs] of [
      [0, 30],
      [29.999, 30],
      [30, 80],
      [100, 130],
      [979.999, 980],
      [980, 980],
      [60_000, 980],
    ] as const)
      expect(await world.lease({ id: newId(), lifeMs })).toMatchObject({ leftMs });
  });

  it('takes back each token once, under its label, and none that is not counted', async () => {
    const world = newWorld();
    const limit = { id: newId(), windowMs: 1000, limit: 10 };
    const { label } = await world.lease({ ...limit, need: 6, want: 6 });
    const back = (count: number, at = label) =>
      world.lease({ ...limit, need: 0, want: 0, returns: [{ label: at, count }] });
    expect(await back(2)).toMatchObject({ granted: 0, remaining: 6 });
    expect(await back(1, label - 1)).toMatchObject({ remaining: 6 });
    expect(await back(9)).toMatchObject({ remaining: 10, resetMs: 0 });
    expect(await back(9)).toMatchObject({ remaining: 10 });
    expect(await back(9, label + 500)).toMatchObject({ remaining: 10 });
    expect(await back(9, -1)).toMatchObject({ remaining: 10 });
  });

  it('shares what is left among the replicas that live, but never gives less than is needed', async () => {
    const world = newWorld();
    await enterReplicas(3);
    const limit = { id: newId(), limit: 100 };
    expect(await world.lease({ ...limit, want: 100 })).toMatchObject({ granted: 17, remaining: 83 });
    expect(await world.lease({ ...limit, need: 50, want: 100 })).toMatchObject({
      granted: 50,
      remaining: 33,
    });
    expect(await world.lease({ ...limit, want: 2 })).toMatchObject({ granted: 2, remaining: 31 });
    await enterReplicas(0);
    expect(await world.lease({ ...limit, want: 100 })).toMatchObject({ granted: 16, remaining: 15 });
  });

  it('gives those who wait what is there, whatever the share of a replica is', async () => {
    const world = newWorld();
    await enterReplicas(3);
    const limit = { id: newId(), limit: 100 };
    expect(await world.lease({ ...limit, demand: 60, want: 90 })).toMatchObject({
      granted: 60,
      remaining: 40,
    });
    expect(await world.lease({ ...limit, demand: 41, want: 90 })).toMatchObject({
      granted: 40,
      remaining: 0,
    });
    await enterReplicas(0);
  });

  it('holds an override until its end, not a microsecond longer, and no token leased under it outlives it', async () => {
    const world = newWorld();
    const base = { id: newId(), limit: 10, windowMs: 2000, lifeMs: 2000 };
    const override = { value: 50, endTimeMs: START_MS + 300 };
    const raised = await world.lease({ ...base, override, need: 30, want: 30 });
    expect(raised).toMatchObject({ granted: 30, limit: 50, leftMs: 300, remaining: 20 });
    world.nowUs += 299_999;
    expect(await world.lease({ ...base, override, want: 0 })).toMatchObject({ limit: 50, remaining: 20 });
    world.nowUs += 1;
    const after = await world.lease({ ...base, override, want: 1 });
    expect(after).toMatchObject({ granted: 0, limit: 10, remaining: 0 });

    const stopped = { id: newId(), override: { value: 0, endTimeMs: START_MS + 350 } };
    expect(await world.lease(stopped)).toMatchObject({ granted: 0, limit: 0, retryMs: 50 });
    world.nowUs += 50_000;
    expect(await world.lease(stopped)).toMatchObject({ granted: 1, limit: 100 });
  });

  it('writes nothing where nothing is granted and nothing came back', async () => {
    const world = newWorld();
    const limit = { id: newId(), limit: 3 };
    await world.lease({ ...limit, want: 0 });
    await world.lease({ ...limit, need: 4, want: 4 });
    expect(await versionOf(limit.id)).toEqual([]);
    await world.lease({ ...limit, need: 3, want: 3 });
    const before = await versionOf(limit.id);
    world.nowUs += 500_000;
    expect(await world.lease(limit)).toMatchObject({ granted: 0 });
    await world.lease({ ...limit, want: 0 });
    await world.lease({ ...limit, returns: [{ label: 1, count: 5 }] });
    expect(await versionOf(limit.id)).toEqual(before);
  });

  it('answers each lease of a batch in its place, of thousands too, and asks nothing for none', async () => {
    const { query } = subject().engine.ledger;
    let calls = 0;
    const ledger = createLedger({
      query: (statement, values) => {
        calls += 1;
        return query(statement, values);
      },
    });
    expect(await ledger.leaseRates([])).toEqual([]);
    expect(await ledger.leaseCredits([])).toEqual([]);
    expect(calls).toBe(0);
    const limits = Array.from({ length: 2300 }, (_, index) => 1 + ((index * 7919) % 2300));
    const first = newId();
    const grants = await ledger.leaseRates(
      limits.map((limit) => leaseOf({ id: `${first} ${limit}`, limit, want: 1 })),
    );
    expect(grants.map(({ limit }) => limit)).toEqual(limits);
    expect(calls).toBe(1);
  });

  it('goes by the database’s clock', async () => {
    const ledger = createLedger(subject().engine.ledger);
    const [row] = await subject().sql<{ ms: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS ms',
    );
    const [grant] = await ledger.leaseRates([leaseOf({ id: newId(), windowMs: 60_000 })]);
    if (grant === undefined || row === undefined) throw new Error('no answer');
    expect(grant.timeMs).toBeGreaterThanOrEqual(row.ms - 1);
    expect(grant.timeMs).toBeLessThan(row.ms + 20_000);
    expect(grant.label).toBe(Math.floor(grant.timeMs / 3000));
  });

  it('takes the largest numbers there are', async () => {
    const world = newWorld();
    const limit = { id: newId(), limit: 1e9, windowMs: 30 * 86_400_000 };
    expect(await world.lease({ ...limit, need: 1e9, want: 1e9, lifeMs: limit.windowMs })).toMatchObject({
      granted: 1e9,
      remaining: 0,
    });
    expect(await world.lease(limit)).toMatchObject({ granted: 0 });
  });
});
