import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CreditRefill } from '../../core/limit.ts';
import type { CreditGrant, CreditLease, Ledger } from '../../server/budgets/ports.ts';
import type { CreditChange } from '../../server/lifecycle/ports.ts';
import { createLedgerRepository } from '../../server/store/ledger-entries.ts';
import { createLedger } from '../../server/store/ledger.ts';
import { openPostgresEngine } from '../support/open-engine.ts';
import { createDatabase } from '../support/create-database.ts';
import { refilled, refillsBetween } from '../support/ledger-model.credits.ts';
import { onEachEngine } from './each-engine.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1, 12);
const DAILY: CreditRefill = { amount: 10, interval: 'DAILY', day: 0, maxBalance: null };

let ids = 0;
const newId = (): string => `key_${(ids += 1)} credits`;

type Change = Partial<CreditLease> & Pick<CreditLease, 'id'>;

function leaseOf(change: Change): CreditLease {
  return { initial: 100, refill: null, need: 1, demand: 0, want: 1, returned: 0, generation: 0, ...change };
}

async function lease(ledger: Ledger, change: Change): Promise<CreditGrant> {
  const [grant] = await ledger.leaseCredits([leaseOf(change)]);
  if (grant === undefined) throw new Error('no answer');
  return grant;
}

const rules: fc.Arbitrary<CreditRefill> = fc
  .record({
    kind: fc.oneof(
      fc.constant({ interval: 'DAILY' as const, day: 0 }),
      fc.integer({ min: 1, max: 7 }).map((day) => ({ interval: 'WEEKLY' as const, day })),
      fc.integer({ min: 1, max: 31 }).map((day) => ({ interval: 'MONTHLY' as const, day })),
    ),
    amount: fc.integer({ min: 1, max: 100 }),
    maxBalance: fc.option(fc.integer({ min: 1, max: 300 }), { nil: null }),
  })
  .map(({ kind: { interval, day }, amount, maxBalance }) => ({ amount, interval, day, maxBalance }));

/** From a blink to years, and the last moment before a midnight and the first of it. */
const later = fc.oneof(
  fc.integer({ min: 0, max: 3 * DAY_MS }).map((ms) => (nowMs: number) => nowMs + ms),
  fc.integer({ min: 0, max: 900 }).map((days) => (nowMs: number) => nowMs + days * DAY_MS),
  fc.tuple(fc.integer({ min: 1, max: 40 }), fc.constantFrom(-1, -0.001, 0, 0.001, 1)).map(
    ([days, ms]) =>
      (nowMs: number) =>
        Math.floor(nowMs / DAY_MS + days) * DAY_MS + ms,
  ),
);

onEachEngine((subject) => {
  const ledgerAt = (nowMs: () => number): Ledger => createLedger({ ...subject().engine.ledger, nowMs });

  it('leases, takes back, refills and is adjusted as a plain count says, through leap years and many missed refills', async () => {
    const steps = fc.array(
      fc.record({
        later,
        need: fc.integer({ min: 0, max: 30 }),
        demand: fc.constantFrom(0, 0, 10, 90),
        want: fc.integer({ min: 0, max: 200 }),
        /** Part of what is held that goes back. */
        back: fc.constantFrom(0, 0, 0.5, 1),
        change: fc.option(
          fc.record({
            kind: fc.constantFrom('ADD' as const, 'TAKE' as const, 'SET' as const),
            amount: fc.integer({ min: 1, max: 150 }),
          }),
          { nil: undefined, freq: 2 },
        ),
      }),
      { minLength: 3, maxLength: 15 },
    );
    await fc.assert(
      fc.asyncProperty(rules, fc.integer({ min: 0, max: 5000 }), steps, async (refill, days, sequence) => {
        let nowMs = START_MS + days * DAY_MS;
        const ledger = ledgerAt(() => nowMs);
        const credits = createLedgerRepository(subject().engine.knex, { nowMs: () => nowMs });
        const limit = { id: newId(), initial: 100, refill };
        let balance = 100;
        let settledMs = nowMs;
        let held = 0;
        let { generation } = await lease(ledger, { ...limit, want: 0 });
        for (const { later: step, need, demand, want, back, change } of sequence) {
          nowMs = step(nowMs);
          balance = refilled(balance, refill, settledMs, nowMs);
          settledMs = nowMs;
          if (change !== undefined) {
            const wanted =
              change.kind === 'SET'
                ? change.amount
                : balance + (change.kind === 'ADD' ? change.amount : -change.amount);
            const done = wanted >= 0;
            if (done) balance = wanted;
            expect(await credits.adjust(limit, change)).toEqual({ done, balance });
          }
          const returned = Math.floor(held * back);
          held -= returned;
          const isVoid = change?.kind === 'SET';
          if (!isVoid) balance += returned;
          const most = want === 0 ? 0 : Math.max(need, demand, want);
          const granted =
            most === 0 || balance < need
              ? 0
              : Math.min(balance, Math.max(need, demand, Math.min(most, Math.ceil(balance / 2))));
          balance -= granted;
          const grant = await lease(ledger, { ...limit, need, demand, want: most, returned, generation });
          const next = [1, 400].map((ahead) => refillsBetween(refill, nowMs, nowMs + ahead * DAY_MS)[0]);
          expect(grant).toEqual({
            granted,
            balance,
            generation: generation + (isVoid ? 1 : 0),
            refillMs: Math.round(((next[0] ?? next[1] ?? 0) - nowMs) * 1000) / 1000,
          });
          held = isVoid ? granted : held + granted;
          ({ generation } = grant);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['29 February of a leap year', { interval: 'MONTHLY', day: 29 }, '2028-02-28', '2028-02-29'],
    [
      '28 February of another year, for the 29th',
      { interval: 'MONTHLY', day: 29 },
      '2027-02-27',
      '2027-02-28',
    ],
    ['30 April, for the 31st', { interval: 'MONTHLY', day: 31 }, '2026-04-29', '2026-04-30'],
    ['31 December, for the 31st', { interval: 'MONTHLY', day: 31 }, '2026-12-30', '2026-12-31'],
    ['1 March, not 29 February, for the 1st', { interval: 'MONTHLY', day: 1 }, '2028-02-29', '2028-03-01'],
    ['a Sunday', { interval: 'WEEKLY', day: 7 }, '2026-11-28', '2026-11-29'],
    ['a Monday', { interval: 'WEEKLY', day: 1 }, '2026-11-29', '2026-11-30'],
    ['New Year’s Day', { interval: 'DAILY', day: 0 }, '2026-12-31', '2027-01-01'],
  ] as const)(
    'refills at the midnight that begins %s, not a microsecond before',
    async (_, rule, before, at) => {
      let nowMs = Date.parse(before);
      const ledger = ledgerAt(() => nowMs);
      const limit = { id: newId(), refill: { ...rule, amount: 7, maxBalance: null }, want: 0 };
      const midnightMs = Date.parse(at);
      expect(await lease(ledger, limit)).toMatchObject({ balance: 100, refillMs: midnightMs - nowMs });
      nowMs = midnightMs - 0.001;
      expect(await lease(ledger, limit)).toMatchObject({ balance: 100, refillMs: 0.001 });
      nowMs = midnightMs;
      expect(await lease(ledger, limit)).toMatchObject({ balance: 107 });
      expect(await lease(ledger, limit)).toMatchObject({ balance: 107 });
    },
  );

  it('adds ten thousand missed refills at once, and no balance grows above the bound', async () => {
    let nowMs = START_MS;
    const ledger = ledgerAt(() => nowMs);
    const small = { id: newId(), refill: DAILY, want: 0 };
    const large = { id: newId(), refill: { ...DAILY, amount: 1e12 }, want: 0 };
    const whole = { id: newId(), refill: { ...DAILY, maxBalance: 150 }, want: 0 };
    const above = { id: newId(), refill: { ...DAILY, maxBalance: 60 }, want: 0 };
    for (const limit of [small, large, whole, above]) await lease(ledger, limit);
    nowMs += 10_000 * DAY_MS;
    expect(await lease(ledger, small)).toMatchObject({ balance: 100_100 });
    expect(await lease(ledger, large)).toMatchObject({ balance: 1e15 });
    expect(await lease(ledger, whole)).toMatchObject({ balance: 150 });
    expect(await lease(ledger, above)).toMatchObject({ balance: 100 });
  });

  it('refills once, though the clock goes back over midnight and forth again', async () => {
    let nowMs = START_MS;
    const ledger = ledgerAt(() => nowMs);
    const limit = { id: newId(), refill: DAILY };
    await lease(ledger, limit);
    nowMs += DAY_MS;
    expect(await lease(ledger, limit)).toMatchObject({ balance: 108 });
    nowMs -= DAY_MS;
    expect(await lease(ledger, limit)).toMatchObject({ balance: 107 });
    nowMs += DAY_MS;
    expect(await lease(ledger, limit)).toMatchObject({ balance: 106 });
  });

  it('counts refills by a rule from when it is first seen, not from when there was none', async () => {
    let nowMs = START_MS;
    const ledger = ledgerAt(() => nowMs);
    const limit = { id: newId(), want: 0 };
    expect(await lease(ledger, limit)).toMatchObject({ balance: 100, refillMs: null });
    nowMs += 30 * DAY_MS;
    expect(await lease(ledger, { ...limit, refill: DAILY })).toMatchObject({ balance: 100 });
    nowMs += DAY_MS;
    expect(await lease(ledger, { ...limit, refill: DAILY })).toMatchObject({ balance: 110 });
    await lease(ledger, limit);
    nowMs += DAY_MS;
    expect(await lease(ledger, { ...limit, refill: DAILY })).toMatchObject({ balance: 110 });
  });

  it('takes back no credit of another generation, of a balance that is gone neither', async () => {
    let nowMs = START_MS;
    const ledger = ledgerAt(() => nowMs);
    const credits = createLedgerRepository(subject().engine.knex, { nowMs: () => nowMs });
    const limit = { id: newId(), initial: 100, refill: null };
    const { generation } = await lease(ledger, { ...limit, need: 20, want: 20 });
    const back = { ...limit, need: 0, want: 0, returned: 20 };
    expect(await lease(ledger, { ...back, returned: 5, generation })).toMatchObject({ balance: 85 });
    await credits.adjust(limit, { kind: 'SET', amount: 1 });
    expect(await lease(ledger, { ...back, generation })).toMatchObject({
      balance: 1,
      generation: generation + 1,
    });
    await credits.deleteOf(limit.id.split(' ')[0] ?? '');
    await lease(ledger, { ...back, generation: generation + 1 });
    expect(await subject().sql('SELECT 1 FROM credit_balances WHERE id = ?', [limit.id])).toEqual([]);
    nowMs += 1000;
    const anew = await lease(ledger, { ...limit, need: 30, want: 30 });
    expect(anew.balance).toBe(70);
    expect(await lease(ledger, { ...back, generation: generation + 1 })).toMatchObject({ balance: 70 });
  });

  it('shares what is left among the replicas that live, gives nothing where less is there than is needed, and writes nothing then', async () => {
    const ledger = ledgerAt(() => START_MS);
    await subject().sql(
      `INSERT INTO replicas (id, version, applied_seq, lease_until) VALUES ('a', '', 0, 'infinity'), ('b', '', 0, 'infinity'), ('c', '', 0, '-infinity')`,
    );
    const limit = { id: newId(), initial: 100 };
    expect(await lease(ledger, { ...limit, want: 100 })).toMatchObject({ granted: 25, balance: 75 });
    expect(await lease(ledger, { ...limit, need: 70, want: 70 })).toMatchObject({ granted: 70, balance: 5 });
    const version = () =>
      subject().sql('SELECT ctid, xmin, xmax FROM credit_balances WHERE id = ?', [limit.id]);
    const before = await version();
    expect(await lease(ledger, { ...limit, need: 6, want: 6 })).toMatchObject({ granted: 0, balance: 5 });
    await lease(ledger, { ...limit, want: 0 });
    expect(await version()).toEqual(before);
    await subject().sql('DELETE FROM replicas');
  });
});

describe('several replicas on one Postgres', () => {
  it('neither lose nor double a refill, a lease, or a change, all at the same instant', async () => {
    const database = await createDatabase();
    const engines = Array.from({ length: 4 }, () => openPostgresEngine(database.url));
    try {
      let nowMs = START_MS;
      const limits = Array.from({ length: 30 }, (_, index) => ({
        id: `key_${index} credits`,
        initial: 1000,
        refill: DAILY,
      }));
      const ledgers = engines.map(({ ledger }) => createLedger({ ...ledger, nowMs: () => nowMs }));
      const take: CreditChange = { kind: 'TAKE', amount: 3 };
      let granted = 0;
      for (let day = 0; day < 8; day += 1) {
        nowMs = Date.UTC(2026, 1, 26 + day);
        const batches = await Promise.all([
          ...ledgers.flatMap((ledger, index) =>
            [0, 1].map(() =>
              ledger.leaseCredits(limits.map((limit) => leaseOf({ ...limit, want: 2 + index }))),
            ),
          ),
          ...engines.map(async ({ knex }) => {
            const repository = createLedgerRepository(knex, { nowMs: () => nowMs });
            const [limit] = limits;
            if (limit !== undefined)
              expect(await repository.adjust(limit, take)).toMatchObject({ done: true });
            return [];
          }),
        ]);
        granted += batches.flat().reduce((sum, grant) => sum + grant.granted, 0);
      }
      // Eight rounds of two leases of 2, 3, 4 and 5; the first row came to be on the first day.
      expect(granted).toBe(8 * 2 * 14 * limits.length);
      const [row] = await database.query<{ sum: string }>('SELECT sum(balance) FROM credit_balances');
      const added = 7 * 10 * limits.length;
      expect(Number(row?.sum)).toBe(1000 * limits.length + added - granted - 8 * 4 * 3);
    } finally {
      for (const engine of engines) await engine.close();
      await database.drop();
    }
  });

  it('grant together what there is, and no more, though all have read it before the first of them writes', async () => {
    const database = await createDatabase();
    const engines = Array.from({ length: 4 }, () => openPostgresEngine(database.url));
    try {
      const ledgers = engines.map(({ ledger }) => createLedger({ ...ledger, nowMs: () => START_MS }));
      const rate = {
        id: 'key_1 requests 1000',
        limit: 101,
        windowMs: 1000,
        override: undefined,
        need: 1,
        demand: 0,
        want: 1,
        lifeMs: 0,
        returns: [],
      };
      const credits = leaseOf({ id: 'key_1 credits', initial: 101 });
      await ledgers[0]?.leaseRates([rate]);
      await ledgers[0]?.leaseCredits([credits]);
      const asks: [
        table: string,
        ask: (ledger: Ledger) => Promise<readonly { readonly granted: number }[]>,
      ][] = [
        ['rate_ledger', (ledger: Ledger) => ledger.leaseRates([{ ...rate, need: 40, want: 40 }])],
        ['credit_balances', (ledger: Ledger) => ledger.leaseCredits([{ ...credits, need: 40, want: 40 }])],
      ];
      for (const [table, ask] of asks) {
        let asked: Promise<readonly (readonly { readonly granted: number }[])[]> | undefined;
        await engines[0]?.knex.transaction(async (trx) => {
          await trx.raw(`SELECT 1 FROM ${table} FOR UPDATE`);
          asked = Promise.all(ledgers.map((ledger) => ask(ledger)));
          await expect.poll(() => database.waitingForLocks(), { timeout: 10_000 }).toBe(ledgers.length);
        });
        const granted = ((await asked) ?? []).flat().map((grant) => grant.granted);
        expect(granted.toSorted((one, other) => one - other)).toEqual([0, 0, 40, 40]);
      }
    } finally {
      for (const engine of engines) await engine.close();
      await database.drop();
    }
  });
});
