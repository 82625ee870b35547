import { describe, expect, test } from 'vitest';
import type { SnapshotCache } from '../../../server/snapshots/snapshot-cache.ts';
import { issueKey } from '../support/issue-key.ts';
import { cacheUnderTest } from '../support/cache-under-test.ts';

/**
 * The race that would let a revoked key live on: a read sees the old state, the revocation commits and is applied to
 * memory, and only then does the read's answer arrive.
 */
const { key } = issueKey();
const revoked = { ...key, switch: 'REVOKED', version: 2 } as const;

const invalidations: readonly (readonly [string, (cache: SnapshotCache) => void])[] = [
  ['a change of its key', (cache) => cache.forget({ kind: 'key', id: key.id })],
  ['the clearing of everything', (cache) => cache.clear()],
];

describe.each(invalidations)('a fill overtaken by %s', (_what, invalidate) => {
  test('is not remembered', async () => {
    const { cache, reads } = cacheUnderTest();
    const load = cache.load(key.id, undefined);
    invalidate(cache);
    reads[0]?.answer(key);
    // Its own caller asked before the change took effect.
    expect((await load)?.key).toBe(key);
    expect(cache.recall(key.id, undefined)).toBeUndefined();
    expect(cache.stats().keys).toBe(0);
  });

  test('is not remembered even if the answer has arrived and only its turn has not come', async () => {
    const { cache, reads } = cacheUnderTest();
    const load = cache.load(key.id, undefined);
    reads[0]?.answer(key);
    invalidate(cache);
    await load;
    expect(cache.recall(key.id, undefined)).toBeUndefined();
  });

  test('is not joined: who asks afterwards gets a read that begins afterwards', async () => {
    const { cache, reads } = cacheUnderTest();
    const before = cache.load(key.id, undefined);
    invalidate(cache);
    const after = cache.load(key.id, undefined);
    expect(reads).toHaveLength(2);
    reads[0]?.answer(key);
    reads[1]?.answer(revoked);
    expect((await before)?.key).toBe(key);
    expect((await after)?.key).toBe(revoked);
    expect(cache.recall(key.id, undefined)?.key).toBe(revoked);
  });

  test.each([
    [0, 1],
    [1, 0],
  ])('does not overwrite what was read after it (answers in the order %i, %i)', async (first, second) => {
    const { cache, reads } = cacheUnderTest();
    const loads = [cache.load(key.id, undefined)];
    invalidate(cache);
    loads.push(cache.load(key.id, undefined));
    const answers = [key, revoked];
    for (const index of [first, second]) {
      reads[index]?.answer(answers[index]);
      await loads[index];
    }
    expect(cache.recall(key.id, undefined)?.key).toBe(revoked);
  });

  test('does not end the flight that follows it', async () => {
    const { cache, reads } = cacheUnderTest();
    const before = cache.load(key.id, undefined);
    invalidate(cache);
    void cache.load(key.id, undefined);
    reads[0]?.answer(key);
    await before;
    void cache.load(key.id, undefined);
    expect(reads).toHaveLength(2);
  });

  test('is not remembered as an absence either: the key was created meanwhile', async () => {
    const { cache, reads } = cacheUnderTest();
    const load = cache.load(key.id, undefined);
    invalidate(cache);
    reads[0]?.answer(undefined);
    expect(await load).toBeNull();
    expect(cache.recall(key.id, undefined)).toBeUndefined();
    expect(cache.stats().absences).toBe(0);
  });

  test('twice, is not remembered twice', async () => {
    const { cache, reads } = cacheUnderTest();
    const first = cache.load(key.id, undefined);
    invalidate(cache);
    const second = cache.load(key.id, undefined);
    invalidate(cache);
    reads[1]?.answer(key);
    reads[0]?.answer(key);
    await Promise.all([first, second]);
    expect(cache.recall(key.id, undefined)).toBeUndefined();
  });
});

test('a change of another key overtakes nothing', async () => {
  const { cache, reads } = cacheUnderTest();
  const load = cache.load(key.id, undefined);
  cache.forget({ kind: 'key', id: issueKey().key.id });
  reads[0]?.answer(key);
  await load;
  expect(cache.recall(key.id, undefined)?.key).toBe(key);
});

test('a fill that ends before the change is forgotten with it', async () => {
  const { cache, reads } = cacheUnderTest();
  const load = cache.load(key.id, undefined);
  reads[0]?.answer(key);
  await load;
  cache.forget({ kind: 'key', id: key.id });
  expect(cache.recall(key.id, undefined)).toBeUndefined();
});
