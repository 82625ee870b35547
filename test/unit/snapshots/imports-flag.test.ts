import { describe, expect, test, vi } from 'vitest';
import { issueKey } from '../support/issue-key.ts';
import { cacheUnderTest, STUCK_MS, type CacheUnderTest } from '../support/cache-under-test.ts';

async function known(found: boolean): Promise<CacheUnderTest> {
  const world = cacheUnderTest();
  const load = world.cache.loadImports(undefined);
  world.importsReads[0]?.answer(found);
  expect(await load).toBe(found);
  return world;
}

describe('whether there are imported keys', () => {
  test('is not known before it was asked for', () => {
    expect(cacheUnderTest().cache.recallImports(undefined)).toBeUndefined();
  });

  test.each([true, false])('is remembered: %j', async (found) => {
    const { cache, importsReads } = await known(found);
    for (let round = 0; round < 3; round += 1) expect(cache.recallImports(undefined)).toBe(found);
    expect(importsReads).toHaveLength(1);
  });

  test('is not said while memory is not fresh or does not cover what is wanted', async () => {
    const { cache, freshness } = await known(false);
    freshness.coveredSeq = 5;
    expect(cache.recallImports({ shard: 0, seq: 5 })).toBe(false);
    expect(cache.recallImports({ shard: 0, seq: 6 })).toBeUndefined();
    freshness.fresh = false;
    expect(cache.recallImports(undefined)).toBeUndefined();
    freshness.fresh = true;
    expect(cache.recallImports(undefined)).toBe(false);
  });

  test('is forgotten with imports and with everything', async () => {
    const { cache, importsReads } = await known(false);
    cache.forget({ kind: 'imports' });
    expect(cache.recallImports(undefined)).toBeUndefined();
    const load = cache.loadImports(undefined);
    importsReads[1]?.answer(true);
    expect(await load).toBe(true);
    expect(cache.recallImports(undefined)).toBe(true);
    cache.clear();
    expect(cache.recallImports(undefined)).toBeUndefined();
  });

  test('is not forgotten with anything else', async () => {
    const { cache } = await known(false);
    cache.forget({ kind: 'key', id: issueKey().key.id });
    cache.forget({ kind: 'policy', id: 'pol_a' });
    cache.forget({ kind: 'owner', keyspaceId: 'ks_a', id: 'ann' });
    cache.forget({ kind: 'keyspace', id: 'ks_a' });
    expect(cache.recallImports(undefined)).toBe(false);
  });

  test('is not remembered where the database did not answer; the next one asks again', async () => {
    const { cache, importsReads } = cacheUnderTest();
    const load = cache.loadImports(undefined);
    importsReads[0]?.fail(new Error('no connection'));
    await expect(load).rejects.toThrow('no connection');
    expect(cache.recallImports(undefined)).toBeUndefined();
    const again = cache.loadImports(undefined);
    importsReads[1]?.answer(false);
    expect(await again).toBe(false);
  });
});

describe('a question that is under way', () => {
  test('is asked once for all who want to know', async () => {
    const { cache, importsReads } = cacheUnderTest();
    const loads = [cache.loadImports(undefined), cache.loadImports(undefined)];
    expect(importsReads).toHaveLength(1);
    importsReads[0]?.answer(true);
    expect(await Promise.all(loads)).toEqual([true, true]);
  });

  test.each([
    ['imports', (cache: CacheUnderTest['cache']) => cache.forget({ kind: 'imports' })],
    ['the clearing of everything', (cache: CacheUnderTest['cache']) => cache.clear()],
  ])('and overtaken by %s is neither remembered nor joined', async (_what, invalidate) => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { cache, importsReads } = cacheUnderTest();
      const loads = [cache.loadImports(undefined)];
      invalidate(cache);
      loads.push(cache.loadImports(undefined));
      expect(importsReads).toHaveLength(2);
      for (const index of order) {
        importsReads[index]?.answer(index === 1);
        expect(await loads[index]).toBe(index === 1);
      }
      expect(cache.recallImports(undefined)).toBe(true);
    }
  });

  test('and overtaken, though its answer has arrived and only its turn has not come, is not remembered', async () => {
    const { cache, importsReads } = cacheUnderTest();
    const load = cache.loadImports(undefined);
    importsReads[0]?.answer(false);
    cache.forget({ kind: 'imports' });
    await load;
    expect(cache.recallImports(undefined)).toBeUndefined();
  });

  test('for too long is not joined', async () => {
    const { cache, importsReads, passMs } = cacheUnderTest();
    const first = cache.loadImports(undefined);
    passMs(STUCK_MS);
    const second = cache.loadImports(undefined);
    expect(importsReads).toHaveLength(2);
    // The newest question is the one that is remembered, in whatever order they answer.
    importsReads[1]?.answer(true);
    importsReads[0]?.answer(false);
    expect(await Promise.all([first, second])).toEqual([false, true]);
    expect(cache.recallImports(undefined)).toBe(true);
  });

  test('since before the wanted revision is not joined, but followed by one that is', async () => {
    const { cache, importsReads, freshness } = cacheUnderTest();
    const first = cache.loadImports(undefined);
    const wanted = cache.loadImports({ shard: 0, seq: freshness.coveredSeq + 1 });
    importsReads[0]?.answer(false);
    expect(await first).toBe(false);
    await vi.waitFor(() => expect(importsReads).toHaveLength(2));
    importsReads[1]?.answer(true);
    expect(await wanted).toBe(true);
    expect(cache.recallImports(undefined)).toBe(true);
  });
});
