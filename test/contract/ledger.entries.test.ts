import { beforeEach, describe, expect, it } from 'vitest';
import { keySubject, ownerSubject } from '../../core/limit.ts';
import { purge } from '../../server/lifecycle/purge.ts';
import type { CreditBalance } from '../../server/lifecycle/ports.ts';
import { createLedgerRepository } from '../../server/store/ledger-entries.ts';
import { createLedger } from '../../server/store/ledger.ts';
import { onEachEngine } from './each-engine.ts';
import { newKey, newKeyspace, newOwner } from './records.ts';

let made = 0;
const newBalance = (initial = 100): CreditBalance => ({
  id: `key_${(made += 1)} credits`,
  initial,
  refill: null,
});

onEachEngine((subject) => {
  const credits = () => createLedgerRepository(subject().engine.knex);
  const idsIn = async (table: 'rate_ledger' | 'credit_balances'): Promise<string[]> =>
    (await subject().sql<{ id: string }>(`SELECT id FROM ${table} ORDER BY id`)).map(({ id }) => id);
  const enterRates = (entries: readonly string[], expiry = 'infinity') =>
    subject().engine.knex.raw(
      `INSERT INTO rate_ledger (id, idx, counts, expire_time)
         SELECT id, 1, '{}', ?::timestamptz FROM unnest(?::text[]) AS id`,
      [expiry, [...entries]],
    );
  const enterBalances = (entries: readonly string[]) =>
    subject().engine.knex.raw(
      `INSERT INTO credit_balances (id, balance, generation, refill_time)
         SELECT id, 5, 1, 'infinity' FROM unnest(?::text[]) AS id`,
      [[...entries]],
    );
  beforeEach(async () => {
    await subject().sql('DELETE FROM rate_ledger');
    await subject().sql('DELETE FROM credit_balances');
  });

  describe('a change of a balance', () => {
    it('adds, takes and sets, from the initial balance on if there is none yet', async () => {
      const [one, other] = [newBalance(), newBalance(7)];
      expect(await credits().adjust(one, { kind: 'ADD', amount: 5 })).toEqual({ done: true, balance: 105 });
      expect(await credits().adjust(one, { kind: 'TAKE', amount: 105 })).toEqual({ done: true, balance: 0 });
      expect(await credits().adjust(one, { kind: 'SET', amount: 9 })).toEqual({ done: true, balance: 9 });
      expect(await credits().adjust(other, { kind: 'TAKE', amount: 7 })).toEqual({ done: true, balance: 0 });
    });

    it('that would make it less than nothing or more than the bound is not done, and tells what is there', async () => {
      const balance = newBalance();
      expect(await credits().adjust(balance, { kind: 'TAKE', amount: 101 })).toEqual({
        done: false,
        balance: 100,
      });
      await subject().sql('UPDATE credit_balances SET balance = 999999999999999 WHERE id = ?', [balance.id]);
      expect(await credits().adjust(balance, { kind: 'ADD', amount: 2 })).toEqual({
        done: false,
        balance: 999_999_999_999_999,
      });
      expect(await credits().adjust(balance, { kind: 'ADD', amount: 1 })).toEqual({
        done: true,
        balance: 1e15,
      });
    });

    it('makes void what replicas hold only if it sets', async () => {
      const balance = newBalance();
      const ledger = createLedger(subject().engine.ledger);
      const generation = async () => {
        const look = { need: 0, demand: 0, want: 0, returned: 0, generation: 0 };
        return (await ledger.leaseCredits([{ ...balance, ...look }]))[0]?.generation ?? NaN;
      };
      const before = await generation();
      await credits().adjust(balance, { kind: 'ADD', amount: 1 });
      await credits().adjust(balance, { kind: 'TAKE', amount: 1 });
      await credits().adjust(balance, { kind: 'TAKE', amount: 1000 });
      expect(await generation()).toBe(before);
      await credits().adjust(balance, { kind: 'SET', amount: 100 });
      expect(await generation()).toBe(before + 1);
    });

    it('is undone with the transaction that it is part of', async () => {
      const balance = newBalance();
      await credits().adjust(balance, { kind: 'ADD', amount: 1 });
      await subject()
        .store.transaction(async (tx) => {
          await tx.ledger.adjust(balance, { kind: 'TAKE', amount: 50 });
          throw new Error('no');
        })
        .catch(() => {});
      expect(await credits().adjust(balance, { kind: 'ADD', amount: 1 })).toEqual({
        done: true,
        balance: 102,
      });
    });

    it('waits for another that has not ended, and a lease for it', async () => {
      const balance = newBalance();
      await credits().adjust(balance, { kind: 'ADD', amount: 1 });
      const ledger = createLedger(subject().engine.ledger);
      const lease = { ...balance, need: 60, demand: 0, want: 60, returned: 0, generation: 0 };
      let waiting: Promise<readonly unknown[]> | undefined;
      await subject().store.transaction(async (tx) => {
        await tx.ledger.adjust(balance, { kind: 'TAKE', amount: 51 });
        waiting = Promise.all([
          credits().adjust(balance, { kind: 'TAKE', amount: 51 }),
          ledger.leaseCredits([lease]),
        ]);
        await subject().someoneWaits();
      });
      expect(await waiting).toMatchObject([{ done: false, balance: 50 }, [{ granted: 0, balance: 50 }]]);
    });
  });

  it('forgets what was counted for a key or an owner, and of nobody whose name begins alike', async () => {
    const [key, owner] = [keySubject('key_1'), ownerSubject('ks_1', 'ann')];
    const kept = ['key_11 a', 'ks_1 ann b a', 'ks_1 anna a', 'ks_1 ann  a', 'ks_11 ann a', 'ks_1 Ann a'];
    const keptRates = kept.map((id) => `${id} 1000`);
    await enterBalances([...kept, 'key_1 a', 'key_1 b_2', 'ks_1 ann a', 'ks_1 ann a-b']);
    await enterRates([...keptRates, 'key_1 a 1000', 'key_1 a 2000', 'ks_1 ann a 1000', 'ks_1 ann b-c 1000']);
    await credits().deleteOf(key);
    await credits().deleteOf(owner);
    expect((await idsIn('credit_balances')).toSorted()).toEqual(kept.toSorted());
    expect((await idsIn('rate_ledger')).toSorted()).toEqual(keptRates.toSorted());
  });

  it('forgets what was counted for an owner whose name is of any characters', async () => {
    const [key, ...names] = ['🍎 a\nb', '%_\\', `'x'`].map((name) => ownerSubject('ks_1', name));
    for (const name of [key, ...names]) {
      if (name === undefined) continue;
      await enterBalances([`${name} a`]);
      await credits().deleteOf(name);
    }
    expect(await idsIn('credit_balances')).toEqual([]);
  });

  describe('a purge', () => {
    it('removes rates of which nothing counts any more, however many, and no others', async () => {
      const old = Array.from({ length: 2100 }, (_, index) => `key_${index} a 1000`);
      await enterRates(old, '-infinity');
      const ledger = createLedger(subject().engine.ledger);
      const lease = {
        limit: 10,
        windowMs: 60_000,
        override: undefined,
        need: 5,
        demand: 0,
        want: 5,
        lifeMs: 0,
        returns: [],
      };
      await ledger.leaseRates([{ ...lease, id: 'key_10 b 60000' }]);
      expect(await purge(subject().store, 0)).toMatchObject({ rates: 2100 });
      expect(await idsIn('rate_ledger')).toEqual(['key_10 b 60000']);
    });

    it('keeps what is counted until the last of it has left', async () => {
      const ledger = createLedger({ ...subject().engine.ledger, nowMs: () => Date.now() - 62_900 });
      const old = {
        limit: 9,
        windowMs: 60_000,
        override: undefined,
        need: 1,
        demand: 0,
        want: 1,
        returns: [],
      };
      await ledger.leaseRates([
        { ...old, id: 'key_1 a 60000', lifeMs: 57_000 },
        { ...old, id: 'key_2 a 1000', windowMs: 1000, lifeMs: 450 },
      ]);
      expect(await purge(subject().store, 0)).toMatchObject({ rates: 1 });
      expect(await idsIn('rate_ledger')).toEqual(['key_1 a 60000']);
    });

    it('removes the balances of keys and owners that are gone, and no others', async () => {
      const { keys, keyspaces, owners } = subject().store;
      const keyspace = newKeyspace();
      const key = newKey(keyspace.id);
      const owner = newOwner(keyspace.id, 'ann of b');
      await keyspaces.insert(keyspace);
      await keys.insert(key);
      await owners.insert(owner);
      const kept = [`${keySubject(key.id)} a`, `${ownerSubject(keyspace.id, owner.id)} a`];
      const gone = ['key_gone a', `${keyspace.id} ann a`, `ks_gone ${owner.id} a`, `${keyspace.id} ann of a`];
      await enterBalances([...kept, ...gone]);
      expect(await purge(subject().store, 0)).toMatchObject({ balances: gone.length });
      expect((await idsIn('credit_balances')).toSorted()).toEqual(kept.toSorted());
    });
  });
});
