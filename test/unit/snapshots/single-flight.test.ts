import { describe, expect, test, vi } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { issueKey } from '../support/issue-key.ts';
import { cacheUnderTest, STUCK_MS } from '../support/cache-under-test.ts';

const { key } = issueKey();
const newer = { ...key, version: 2 };

describe('loads of one key at one time', () => {
  test('share one read: 100 loads, 1 read, 1 snapshot', async () => {
    const { cache, reads } = cacheUnderTest();
    const loads = Array.from({ length: 100 }, () => cache.load(key.id, undefined));
    expect(reads).toHaveLength(1);
    reads[0]?.answer(key);
    const snapshots = new Set(await Promise.all(loads));
    expect(snapshots.size).toBe(1);
    expect([...snapshots][0]?.key).toBe(key);
    expect(cache.recall(key.id, undefined)).toBe([...snapshots][0]);
    expect(cache.stats()).toMatchObject({ loads: 1, loadFailures: 0, keys: 1 });
  });

  test('share its failure, which is counted once and not remembered', async () => {
    const { cache, reads } = cacheUnderTest();
    const fault = new Fault('DATABASE_UNAVAILABLE', 'the database does not answer');
    const loads = Array.from({ length: 5 }, () => cache.load(key.id, undefined));
    reads[0]?.fail(fault);
    for (const load of loads) await expect(load).rejects.toBe(fault);
    expect(cache.recall(key.id, undefined)).toBeUndefined();
    expect(cache.stats()).toMatchObject({ keys: 0, absences: 0, loads: 1, loadFailures: 1 });

    const again = cache.load(key.id, undefined);
    expect(reads).toHaveLength(2);
    reads[1]?.answer(key);
    expect((await again)?.key).toBe(key);
    expect(cache.recall(key.id, undefined)?.key).toBe(key);
  });

  test('a database that cannot even be asked is a failure like any other', async () => {
    const { cache, reads } = cacheUnderTest();
    const failed = cache.load(key.id, undefined);
    reads[0]?.fail(new Error('no connection'));
    await expect(failed).rejects.toThrow('no connection');
    expect(cache.stats()).toMatchObject({ loads: 1, loadFailures: 1 });
  });
});

test('loads of different keys do not wait for each other', async () => {
  const { cache, reads } = cacheUnderTest();
  const other = issueKey().key;
  const first = cache.load(key.id, undefined);
  const second = cache.load(other.id, undefined);
  expect(reads.map(({ ref }) => ref)).toEqual([key.id, other.id]);
  reads[1]?.answer(other);
  expect((await second)?.key).toBe(other);
  reads[0]?.answer(key);
  expect((await first)?.key).toBe(key);
});

test('a load that has ended is not joined: the next one reads anew', async () => {
  const { cache, reads } = cacheUnderTest();
  const first = cache.load(key.id, undefined);
  reads[0]?.answer(key);
  await first;
  const second = cache.load(key.id, undefined);
  expect(reads).toHaveLength(2);
  reads[1]?.answer(newer);
  expect((await second)?.key).toBe(newer);
  expect(cache.recall(key.id, undefined)?.key).toBe(newer);
});

describe('a load that is older than the join limit', () => {
  test('is joined up to the limit', () => {
    const { cache, reads, passMs } = cacheUnderTest();
    void cache.load(key.id, undefined);
    passMs(STUCK_MS - 1);
    void cache.load(key.id, undefined);
    expect(reads).toHaveLength(1);
  });

  test('is not joined from the limit on', () => {
    const { cache, reads, passMs } = cacheUnderTest();
    void cache.load(key.id, undefined);
    passMs(STUCK_MS);
    void cache.load(key.id, undefined);
    expect(reads).toHaveLength(2);
  });

  test('cannot overwrite what the newer one read, if it ends after it', async () => {
    const { cache, reads, passMs } = cacheUnderTest();
    const stuck = cache.load(key.id, undefined);
    passMs(STUCK_MS);
    const fresh = cache.load(key.id, undefined);
    const joined = cache.load(key.id, undefined);
    expect(reads).toHaveLength(2);
    reads[1]?.answer(newer);
    expect((await fresh)?.key).toBe(newer);
    expect(await joined).toBe(await fresh);
    reads[0]?.answer(key);
    // Who asked first is answered with what was read for him, and nobody else is.
    expect((await stuck)?.key).toBe(key);
    expect(cache.recall(key.id, undefined)?.key).toBe(newer);
  });

  test('is not remembered if it ends before the newer one', async () => {
    const { cache, reads, passMs } = cacheUnderTest();
    const stuck = cache.load(key.id, undefined);
    passMs(STUCK_MS);
    const fresh = cache.load(key.id, undefined);
    reads[0]?.answer(key);
    expect((await stuck)?.key).toBe(key);
    expect(cache.recall(key.id, undefined)).toBeUndefined();
    reads[1]?.answer(newer);
    await fresh;
    expect(cache.recall(key.id, undefined)?.key).toBe(newer);
  });

  test('does not take the newer one with it when it ends', async () => {
    const { cache, reads, passMs } = cacheUnderTest();
    const stuck = cache.load(key.id, undefined);
    passMs(STUCK_MS);
    void cache.load(key.id, undefined);
    reads[0]?.fail(new Error('gave up'));
    await expect(stuck).rejects.toThrow('gave up');
    void cache.load(key.id, undefined);
    expect(reads).toHaveLength(2);
  });
});

describe('a wanted revision that memory does not cover', () => {
  test('is not answered by a read that began before, but by one after it, which is remembered', async () => {
    const { cache, reads } = cacheUnderTest();
    const before = cache.load(key.id, undefined);
    const wanted = cache.load(key.id, { shard: 0, seq: 1 });
    expect(reads).toHaveLength(1);
    reads[0]?.answer(key);
    expect((await before)?.key).toBe(key);
    await vi.waitFor(() => expect(reads).toHaveLength(2));
    reads[1]?.answer(newer);
    expect((await wanted)?.key).toBe(newer);
    expect(cache.recall(key.id, undefined)?.key).toBe(newer);
  });

  test('a covered one joins', () => {
    const { cache, reads, freshness } = cacheUnderTest();
    freshness.coveredSeq = 1;
    void cache.load(key.id, undefined);
    void cache.load(key.id, { shard: 0, seq: 1 });
    expect(reads).toHaveLength(1);
  });
});

describe('while memory may not answer', () => {
  test('no load is answered by a read that began before it came, and all who come meanwhile share the next', async () => {
    const { cache, reads, freshness } = cacheUnderTest();
    freshness.fresh = false;
    const first = cache.load(key.id, undefined);
    const later = Array.from({ length: 50 }, () => cache.load(key.id, undefined));
    expect(reads).toHaveLength(1);
    reads[0]?.answer(key);
    expect((await first)?.key).toBe(key);
    await vi.waitFor(() => expect(reads).toHaveLength(2));
    const latest = cache.load(key.id, undefined);
    reads[1]?.answer(newer);
    for (const snapshot of await Promise.all(later)) expect(snapshot?.key).toBe(newer);
    await vi.waitFor(() => expect(reads).toHaveLength(3));
    reads[2]?.answer(undefined);
    expect(await latest).toBeNull();
  });

  test('a read that fails does not fail those who came after it', async () => {
    const { cache, reads, freshness } = cacheUnderTest();
    freshness.fresh = false;
    const first = cache.load(key.id, undefined);
    const second = cache.load(key.id, undefined);
    reads[0]?.fail(new Error('gave up'));
    await expect(first).rejects.toThrow('gave up');
    await vi.waitFor(() => expect(reads).toHaveLength(2));
    reads[1]?.answer(newer);
    expect((await second)?.key).toBe(newer);
  });

  test('one that is stuck is waited for by nobody new', async () => {
    const { cache, reads, freshness, passMs } = cacheUnderTest();
    freshness.fresh = false;
    const stuck = cache.load(key.id, undefined);
    passMs(STUCK_MS);
    const fresh = cache.load(key.id, undefined);
    expect(reads).toHaveLength(2);
    reads[1]?.answer(newer);
    expect((await fresh)?.key).toBe(newer);
    reads[0]?.fail(new Error('gave up'));
    await expect(stuck).rejects.toThrow('gave up');
  });
});
