import { describe, expect, test } from 'vitest';
import { LedgerUnreached } from '../../../server/budgets/ports.ts';
import { createLeaseQueue, type LeaseQueue, type Leasing } from '../../../server/budgets/lease-queue.ts';

interface Ask {
  readonly id: string;
  readonly needed: number;
  readonly wanted: number;
}

interface Call {
  readonly leases: readonly Ask[];
  answer(grants?: readonly string[]): void;
  fail(error: Error): void;
}

class Asker implements Leasing<Ask, string> {
  readonly settled: string[] = [];
  readonly restored: Ask[] = [];
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
  lease(needed: number, wanted: number): Ask {
    return { id: this.id, needed, wanted };
  }
  settle(_lease: Ask, grant: string): void {
    this.settled.push(grant);
  }
  restore(lease: Ask): void {
    this.restored.push(lease);
  }
}

/** A queue whose calls a test answers. */
function queueUnderTest(): { readonly queue: LeaseQueue<Asker>; readonly calls: Call[] } {
  const calls: Call[] = [];
  const queue = createLeaseQueue<Ask, string, Asker>({
    call: (leases) =>
      new Promise((resolve, reject) => {
        calls.push({
          leases,
          answer: (grants = leases.map(({ id }) => `for ${id}`)) => resolve(grants),
          fail: reject,
        });
      }),
    monotonicMs: () => 0,
  });
  return { queue, calls };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('the ledger is asked', () => {
  test('once for all who come in one turn, each allowance once, for the need of the first and what all want', async () => {
    const { queue, calls } = queueUnderTest();
    const [one, other] = [new Asker('a'), new Asker('b')];
    const asked = [queue.ask(one, 3, 3), queue.ask(other, 1, 1), queue.ask(one, 2, 2), queue.ask(one, 9, 0)];
    expect(queue.isAsked(one)).toBe(true);
    await turn();
    expect(calls.map(({ leases }) => leases)).toEqual([
      [
        { id: 'a', needed: 3, wanted: 5 },
        { id: 'b', needed: 1, wanted: 1 },
      ],
    ]);
    expect(queue.isAsked(one)).toBe(true);
    calls[0]?.answer();
    await Promise.all(asked);
    expect([one.settled, other.settled]).toEqual([['for a'], ['for b']]);
    await queue.idle();
    expect(queue.isAsked(one)).toBe(false);
    expect(queue.stats()).toEqual({ calls: 1, leases: 2, failures: 0 });
  });

  test('for what a taker needs, before what one who only looks would', async () => {
    const { queue, calls } = queueUnderTest();
    const asker = new Asker('a');
    const asked = [
      queue.ask(asker, 0, 0),
      queue.ask(asker, 50, 0),
      queue.ask(asker, 2, 2),
      queue.ask(asker, 4, 4),
    ];
    await turn();
    expect(calls[0]?.leases).toEqual([{ id: 'a', needed: 2, wanted: 6 }]);
    calls[0]?.answer();
    await Promise.all(asked);
  });

  test('for what those need who wait, before what is only stocked up on, and for that before who only looks', async () => {
    const { queue, calls } = queueUnderTest();
    const [one, other] = [new Asker('a'), new Asker('b')];
    const asked = [
      queue.ask(one, 0, 1),
      queue.ask(one, 50, 0),
      queue.ask(one, 2, 2),
      queue.ask(one, 4, 4),
      queue.ask(other, 50, 0),
      queue.ask(other, 0, 1),
      queue.ask(other, 50, 0),
    ];
    await turn();
    expect(calls[0]?.leases).toEqual([
      { id: 'a', needed: 2, wanted: 7 },
      { id: 'b', needed: 0, wanted: 1 },
    ]);
    calls[0]?.answer();
    await Promise.all(asked);
  });

  test('again only after it has answered; what came meanwhile goes together', async () => {
    const { queue, calls } = queueUnderTest();
    const first = queue.ask(new Asker('a'), 1, 1);
    await turn();
    const later = [queue.ask(new Asker('b'), 1, 1), queue.ask(new Asker('c'), 1, 1)];
    await turn();
    expect(calls).toHaveLength(1);
    calls[0]?.answer();
    await first;
    await turn();
    expect(calls.map(({ leases }) => leases.length)).toEqual([1, 2]);
    calls[1]?.answer();
    await Promise.all(later);
  });

  test('once for those who came meanwhile for the same: its answer may do for them; if not, they go with all others', async () => {
    const { queue, calls } = queueUnderTest();
    const [one, other] = [new Asker('a'), new Asker('b')];
    const first = queue.ask(one, 1, 1);
    await turn();
    const meanwhile = queue.ask(one, 2, 2);
    const others = queue.ask(other, 1, 1);
    calls[0]?.answer();
    await Promise.all([first, meanwhile]);
    expect(one.settled).toEqual(['for a']);
    const again = queue.ask(one, 2, 2);
    await turn();
    expect(calls.map(({ leases }) => leases.map(({ id }) => id))).toEqual([['a'], ['b', 'a']]);
    calls[1]?.answer();
    await Promise.all([again, others]);
    await queue.idle();
    expect(queue.isAsked(one)).toBe(false);
  });

  test('for a thousand at most at a time', async () => {
    const { queue, calls } = queueUnderTest();
    const asked = Array.from({ length: 1001 }, (_, index) => queue.ask(new Asker(`${index}`), 1, 1));
    await turn();
    calls[0]?.answer();
    await turn();
    calls[1]?.answer();
    await Promise.all(asked);
    expect(calls.map(({ leases }) => leases.length)).toEqual([1000, 1]);
  });
});

describe('a call that fails', () => {
  test('is told to all who waited for it, and to nobody else', async () => {
    const { queue, calls } = queueUnderTest();
    const [one, other] = [new Asker('a'), new Asker('b')];
    const error = new Error('away');
    const failing = [queue.ask(one, 1, 1), queue.ask(one, 2, 2)];
    await turn();
    const later = queue.ask(other, 1, 1);
    calls[0]?.fail(error);
    for (const asked of failing) await expect(asked).rejects.toBe(error);
    await turn();
    calls[1]?.answer();
    await later;
    expect([one.settled, other.settled]).toEqual([[], ['for b']]);
    await queue.idle();
    expect(queue.stats()).toEqual({ calls: 2, leases: 2, failures: 1 });
    // It may have been done.
    expect(one.restored).toEqual([]);
  });

  test('does not answer those who came meanwhile: they are asked for next', async () => {
    const { queue, calls } = queueUnderTest();
    const asker = new Asker('a');
    const failing = queue.ask(asker, 1, 1);
    await turn();
    const meanwhile = queue.ask(asker, 2, 2);
    calls[0]?.fail(new Error('away'));
    await expect(failing).rejects.toThrow('away');
    await turn();
    expect(calls[1]?.leases).toEqual([{ id: 'a', needed: 2, wanted: 2 }]);
    calls[1]?.answer();
    await meanwhile;
  });

  test('and certainly was not done gives back what it would have taken along', async () => {
    const { queue, calls } = queueUnderTest();
    const asker = new Asker('a');
    const error = new LedgerUnreached(new Error('away'));
    const asked = queue.ask(asker, 1, 1);
    await turn();
    calls[0]?.fail(error);
    await expect(asked).rejects.toBe(error);
    expect(asker.restored).toEqual(calls[0]?.leases);
  });

  test('leaves out an answer: only who was not answered is told so', async () => {
    const { queue, calls } = queueUnderTest();
    const [one, other] = [new Asker('a'), new Asker('b')];
    const asked = [queue.ask(one, 1, 1), queue.ask(other, 1, 1)];
    await turn();
    calls[0]?.answer(['only one']);
    await asked[0];
    await expect(asked[1]).rejects.toThrow('1 of 2');
    expect([one.settled, other.settled]).toEqual([['only one'], []]);
  });
});
