import {
  LedgerUnreached,
  type CreditGrant,
  type CreditLease,
  type Ledger,
  type RateGrant,
  type RateLease,
} from '../budgets/ports.ts';
import { rerunCollided } from './collisions.ts';
import type { LedgerConnection } from './engines/engine.ts';
import { NotConnected } from './engines/lone-connection.ts';

/** Numbers as the driver gives them. */
type Row<Column extends string> = Readonly<Record<Column, string | null>>;

const LEASE_RATES = {
  name: 'latchkey_lease_rates',
  text: `SELECT * FROM latchkey_lease_rates($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::integer[], $11::bigint[], $12::bigint[], $13::bigint)`,
};

const LEASE_CREDITS = {
  name: 'latchkey_lease_credits',
  text: `SELECT * FROM latchkey_lease_credits($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::integer[],
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint)`,
};

/**
 * The ledger in the database: a function call a batch, so a transaction and a round trip.
 *
 * @throws LedgerUnreached where there was no connection, else the driver's own errors
 */
export function createLedger({
  query: ask,
  nowMs,
}: LedgerConnection & {
  /** The time, ms since 1970, instead of the database's: for tests. */
  readonly nowMs?: () => number;
}): Ledger {
  const query: LedgerConnection['query'] = async (statement, values) => {
    try {
      return await rerunCollided(() => ask(statement, values));
    } catch (error) {
      throw error instanceof NotConnected ? new LedgerUnreached(error) : error;
    }
  };
  const nowUs = (): string | null => (nowMs === undefined ? null : String(Math.round(nowMs() * 1000)));

  async function leaseSortedRates(leases: readonly RateLease[]): Promise<readonly RateGrant[]> {
    const returns = leases.map((lease) => lease.returns);
    let returned = 0;
    const rows = await query<
      Row<'granted' | 'label' | 'left_us' | 'allowed' | 'remaining' | 'retry_us' | 'reset_us' | 'time_us'>
    >(LEASE_RATES, [
      leases.map(({ id }) => id),
      leases.map(({ limit }) => String(limit)),
      leases.map(({ windowMs }) => String(windowMs)),
      leases.map(({ override }) => (override === undefined ? null : String(override.value))),
      leases.map(({ override }) => (override === undefined ? null : String(override.endTimeMs))),
      leases.map(({ need }) => String(need)),
      leases.map(({ demand }) => String(demand)),
      leases.map(({ want }) => String(want)),
      leases.map(({ lifeMs }) => String(Math.round(lifeMs * 1000))),
      returns.map(({ length }) => (returned += length)),
      returns.flat().map(({ label }) => String(label)),
      returns.flat().map(({ count }) => String(count)),
      nowUs(),
    ]);
    return rows.map((row) => ({
      granted: Number(row.granted),
      label: Number(row.label),
      leftMs: Number(row.left_us) / 1000,
      limit: Number(row.allowed),
      remaining: Number(row.remaining),
      retryMs: row.retry_us === null ? null : Number(row.retry_us) / 1000,
      resetMs: Number(row.reset_us) / 1000,
      timeMs: Number(row.time_us) / 1000,
    }));
  }

  async function leaseSortedCredits(leases: readonly CreditLease[]): Promise<readonly CreditGrant[]> {
    const rows = await query<Row<'granted' | 'left_balance' | 'current_generation' | 'refill_us'>>(
      LEASE_CREDITS,
      [
        leases.map(({ id }) => id),
        leases.map(({ initial }) => String(initial)),
        leases.map(({ refill }) => refill?.amount.toString() ?? null),
        leases.map(({ refill }) => refill?.interval ?? null),
        leases.map(({ refill }) => refill?.day ?? null),
        leases.map(({ refill }) => refill?.maxBalance?.toString() ?? null),
        leases.map(({ need }) => String(need)),
        leases.map(({ demand }) => String(demand)),
        leases.map(({ want }) => String(want)),
        leases.map(({ returned }) => String(returned)),
        leases.map(({ generation }) => String(generation)),
        nowUs(),
      ],
    );
    return rows.map((row) => ({
      granted: Number(row.granted),
      balance: Number(row.left_balance),
      generation: Number(row.current_generation),
      refillMs: row.refill_us === null ? null : Number(row.refill_us) / 1000,
    }));
  }

  return {
    leaseRates: (leases) => inOrder(leases, leaseSortedRates),
    leaseCredits: (leases) => inOrder(leases, leaseSortedCredits),
  };
}

/** Asks in the order of the ids, so that batches of several replicas wait for each other in one order and never lock up. */
async function inOrder<L extends { readonly id: string }, G>(
  leases: readonly L[],
  ask: (sorted: readonly L[]) => Promise<readonly G[]>,
): Promise<readonly G[]> {
  if (leases.length === 0) return [];
  const sorted = [...leases.entries()].toSorted(([, one], [, other]) => (one.id < other.id ? -1 : 1));
  const grants = await ask(sorted.map(([, lease]) => lease));
  if (grants.length !== leases.length) throw new Error('the ledger did not answer every lease');
  const answers = grants.map((grant, index) => [sorted[index]?.[0] ?? 0, grant] as const);
  return answers.toSorted(([one], [other]) => one - other).map(([, grant]) => grant);
}
