import { describe, expect, test } from 'vitest';
import { compileSnapshot, snapshotBytes } from '../../../core/snapshot.ts';
import { cacheUnderTest, fill } from '../support/cache-under-test.ts';
import { issueKey } from '../support/issue-key.ts';

const { key } = issueKey();

describe('memory', () => {
  test('knows nothing of a key that was never read', () => {
    expect(cacheUnderTest().cache.recall(key.id, undefined)).toBeUndefined();
  });

  test('recalls without reading', async () => {
    const world = cacheUnderTest();
    await fill(world, key.id, key);
    for (let round = 0; round < 10; round += 1) expect(world.cache.recall(key.id, undefined)?.key).toBe(key);
    expect(world.reads).toHaveLength(1);
  });

  test('says nothing while it is not fresh, and has forgotten nothing when it is again', async () => {
    const world = cacheUnderTest();
    await fill(world, key.id, key);
    await fill(world, 'key_unknown', undefined);
    world.freshness.fresh = false;
    expect(world.cache.recall(key.id, undefined)).toBeUndefined();
    expect(world.cache.recall('key_unknown', undefined)).toBeUndefined();
    world.freshness.fresh = true;
    expect(world.cache.recall(key.id, undefined)?.key).toBe(key);
    expect(world.cache.recall('key_unknown', undefined)).toBeNull();
  });

  test('says nothing if a revision is wanted that it does not cover', async () => {
    const world = cacheUnderTest();
    await fill(world, key.id, key);
    await fill(world, 'key_unknown', undefined);
    world.freshness.coveredSeq = 5;
    for (const id of [key.id, 'key_unknown']) {
      expect(world.cache.recall(id, { shard: 0, seq: 6 })).toBeUndefined();
      expect(world.cache.recall(id, { shard: 0, seq: 5 })).not.toBeUndefined();
    }
  });

  test('forgets one key when it is changed, and everything when it is cleared', async () => {
    const world = cacheUnderTest();
    const other = issueKey().key;
    await fill(world, key.id, key);
    await fill(world, other.id, other);
    await fill(world, 'key_unknown', undefined);
    world.cache.forget({ kind: 'key', id: key.id });
    expect(world.cache.recall(key.id, undefined)).toBeUndefined();
    expect(world.cache.recall(other.id, undefined)?.key).toBe(other);
    expect(world.cache.recall('key_unknown', undefined)).toBeNull();
    world.cache.clear();
    expect(world.cache.recall(other.id, undefined)).toBeUndefined();
    expect(world.cache.recall('key_unknown', undefined)).toBeUndefined();
    expect(world.cache.stats()).toMatchObject({ keys: 0, bytes: 0, absences: 0 });
  });
});

describe('an absence', () => {
  test('is remembered, and is another thing than not knowing', async () => {
    const world = cacheUnderTest();
    await fill(world, key.id, undefined);
    expect(world.cache.recall(key.id, undefined)).toBeNull();
    expect(world.cache.stats()).toMatchObject({ keys: 0, absences: 1 });
  });

  test('ends when the key is created', async () => {
    const world = cacheUnderTest();
    await fill(world, key.id, undefined);
    world.cache.forget({ kind: 'key', id: key.id });
    expect(world.cache.recall(key.id, undefined)).toBeUndefined();
    await fill(world, key.id, key);
    expect(world.cache.recall(key.id, undefined)?.key).toBe(key);
  });

  test('gives way to a key that is read later, and a key to an absence that is read later', async () => {
    const world = cacheUnderTest();
    await fill(world, key.id, undefined);
    await fill(world, key.id, key);
    expect(world.cache.recall(key.id, undefined)?.key).toBe(key);
    expect(world.cache.stats().absences).toBe(0);
    await fill(world, key.id, undefined);
    expect(world.cache.recall(key.id, undefined)).toBeNull();
    expect(world.cache.stats().keys).toBe(0);
  });

  test('a flood of unknown ids is bounded and pushes out no key', async () => {
    const world = cacheUnderTest();
    await fill(world, key.id, key);
    for (let index = 0; index < 10_100; index += 1) await fill(world, `key_${index}`, undefined);
    expect(world.cache.stats()).toMatchObject({ keys: 1, absences: 10_000 });
    expect(world.cache.recall(key.id, undefined)?.key).toBe(key);
    // The oldest went first.
    expect(world.cache.recall('key_0', undefined)).toBeUndefined();
    expect(world.cache.recall('key_10099', undefined)).toBeNull();
  });
});

describe('the bound of bytes', () => {
  const bytes = snapshotBytes(compileSnapshot(issueKey().key));

  test('holds, and the least recently used key goes first', async () => {
    const world = cacheUnderTest({ maxBytes: 5 * bytes });
    const keys = Array.from({ length: 6 }, () => issueKey().key);
    const [first, second, , , , sixth] = keys;
    for (const one of keys.slice(0, 5)) await fill(world, one.id, one);
    expect(world.cache.stats()).toMatchObject({ keys: 5, bytes: 5 * bytes });
    // The first is used, so that the second is the one that goes.
    expect(world.cache.recall(first?.id ?? '', undefined)).not.toBeUndefined();
    await fill(world, sixth?.id ?? '', sixth);
    expect(world.cache.stats()).toMatchObject({ keys: 5, bytes: 5 * bytes });
    expect(world.cache.recall(second?.id ?? '', undefined)).toBeUndefined();
    for (const one of keys.filter((each) => each !== second)) {
      expect(world.cache.recall(one.id, undefined)?.key).toBe(one);
    }
  });

  test('holds for keys of every size, also for one that is larger than all of it', async () => {
    const maxBytes = 20 * bytes;
    const world = cacheUnderTest({ maxBytes });
    for (let size = 0; size < 300; size += 1) {
      const { key: one } = issueKey({ metadata: { note: 'x'.repeat((size * 97) % 4000) } });
      await fill(world, one.id, one);
      expect(world.cache.stats().bytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(world.cache.stats().keys).toBeGreaterThan(1);
    const { key: huge } = issueKey({ scopes: Array.from({ length: 256 }, () => 'x'.repeat(128)) });
    const load = world.cache.load(huge.id, undefined);
    world.reads.at(-1)?.answer(huge);
    // It is answered from the database each time.
    expect((await load)?.key).toBe(huge);
    expect(world.cache.stats().bytes).toBeLessThanOrEqual(maxBytes);
    expect(world.cache.recall(huge.id, undefined)).toBeUndefined();
  });
});
