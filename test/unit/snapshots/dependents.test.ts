import { describe, expect, test } from 'vitest';
import type { Change } from '../../../core/change.ts';
import type { KeyRecord } from '../../../core/key.ts';
import { NO_RESTRICTIONS, type Api, type Restrictions } from '../../../core/rules.ts';
import type { KeyContext } from '../../../core/snapshot.ts';
import { digestRef } from '../../../core/token.ts';
import { cacheUnderTest, fill, type CacheUnderTest } from '../support/cache-under-test.ts';
import { issueKey, KEYSPACE_ID } from '../support/issue-key.ts';
import { policyOf } from '../support/policy-of.ts';

const OTHER_KEYSPACE_ID = 'ks_1111111111111111';
const ORDERS: Restrictions = {
  ...NO_RESTRICTIONS,
  apiTargets: [{ api: 'shop', verbs: [], paths: [], groups: ['orders'] }],
};
const PATHS: Restrictions = {
  ...NO_RESTRICTIONS,
  apiTargets: [{ api: 'shop', verbs: [], paths: ['/x'], groups: [] }],
};
const APIS: readonly Api[] = [{ name: 'shop', groups: [{ name: 'orders', methods: [] }] }];
const LISTED = { type: 'LISTED', ids: ['shop-1'] } as const;

const gold = policyOf();
const silver = policyOf();
const grouping = policyOf({ restrictions: ORDERS });
const confining = policyOf({ resourceAccess: LISTED });
const DIGEST_REF = digestRef('ab'.repeat(32));

interface Entry {
  readonly key: KeyRecord;
  readonly ref?: string;
  readonly context?: Partial<KeyContext>;
}

const entry = (change: Partial<KeyRecord>, ...policies: (typeof gold)[]): Entry => ({
  key: issueKey({ resourceAccess: null, policyIds: policies.map(({ id }) => id), ...change }).key,
  context: { policies, apis: APIS },
});

/** Keys of every kind, by what they depend on. */
const ENTRIES = {
  plain: entry({}),
  gold: entry({}, gold),
  goldAndSilver: entry({}, gold, silver),
  silver: entry({}, silver),
  ann: entry({ ownerId: 'ann' }),
  goldOfAnn: entry({ ownerId: 'ann' }, gold),
  bob: entry({ ownerId: 'bob' }),
  annElsewhere: entry({ ownerId: 'ann', keyspaceId: OTHER_KEYSPACE_ID }),
  // Whose owner is named like something else.
  ownerLikeAPolicy: entry({ ownerId: gold.id }),
  ownerLikeAKeyspace: entry({ ownerId: KEYSPACE_ID }),
  confined: entry({ resourceAccess: LISTED }),
  confinedElsewhere: entry({ resourceAccess: LISTED, keyspaceId: OTHER_KEYSPACE_ID }),
  confinedByPolicy: entry({}, confining),
  everywhere: entry({ resourceAccess: { type: 'ALL' } }),
  grouped: entry({ restrictions: ORDERS }),
  groupedByPolicy: entry({}, grouping),
  pathsOnly: entry({ restrictions: PATHS }),
  imported: { ...entry({ ownerId: 'ann' }, gold), ref: DIGEST_REF },
} satisfies Record<string, Entry>;
type Name = keyof typeof ENTRIES;
const NAMES = Object.keys(ENTRIES) as Name[];

const refOf = (name: Name): string => {
  const { key, ref }: Entry = ENTRIES[name];
  return ref ?? key.id;
};

async function filled(): Promise<CacheUnderTest> {
  const world = cacheUnderTest();
  for (const name of NAMES) {
    const { key, context }: Entry = ENTRIES[name];
    await fill(world, refOf(name), key, context);
  }
  await fill(world, 'key_unknown', undefined);
  return world;
}

/** What each kind of change must reach. */
const REACHES: readonly (readonly [string, Change, readonly Name[]])[] = [
  ['a key', { kind: 'key', id: ENTRIES.gold.key.id }, ['gold']],
  [
    'an imported key, which memory finds by its digest',
    { kind: 'key', id: ENTRIES.imported.key.id },
    ['imported'],
  ],
  ['a policy', { kind: 'policy', id: gold.id }, ['gold', 'goldAndSilver', 'goldOfAnn', 'imported']],
  ['another policy', { kind: 'policy', id: silver.id }, ['goldAndSilver', 'silver']],
  ['a policy that no key refers to', { kind: 'policy', id: policyOf().id }, []],
  ['an owner', { kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'ann' }, ['ann', 'goldOfAnn', 'imported']],
  [
    'an owner of the same name elsewhere',
    { kind: 'owner', keyspaceId: OTHER_KEYSPACE_ID, id: 'ann' },
    ['annElsewhere'],
  ],
  [
    'an owner that is named like a policy',
    { kind: 'owner', keyspaceId: KEYSPACE_ID, id: gold.id },
    ['ownerLikeAPolicy'],
  ],
  [
    'an owner that is named like a keyspace',
    { kind: 'owner', keyspaceId: KEYSPACE_ID, id: KEYSPACE_ID },
    ['ownerLikeAKeyspace'],
  ],
  ['an owner without keys', { kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'nobody' }, []],
  [
    'a keyspace, whose catalogue has a part in confined keys and in those with blocks',
    { kind: 'keyspace', id: KEYSPACE_ID },
    ['confined', 'confinedByPolicy', 'grouped', 'groupedByPolicy'],
  ],
  ['another keyspace', { kind: 'keyspace', id: OTHER_KEYSPACE_ID }, ['confinedElsewhere']],
  ['imports', { kind: 'imports' }, []],
  // Of whatever is counted, keys hold nothing.
  ['what was counted', { kind: 'limit', id: ENTRIES.gold.key.id }, []],
];

describe('a change of', () => {
  test.each(REACHES)('%s forgets the keys that it reaches, and no other', async (_what, change, reached) => {
    const world = await filled();
    world.cache.forget(change);
    const gone = NAMES.filter((name) => world.cache.recall(refOf(name), undefined) === undefined);
    expect(gone).toEqual(NAMES.filter((name) => reached.includes(name)));
    expect(world.cache.stats().keys).toBe(NAMES.length - reached.length);
  });

  test.each(REACHES)('%s reaches a key that was forgotten and read again', async (_what, change, reached) => {
    const world = await filled();
    for (let round = 0; round < 3; round += 1) {
      world.cache.forget(change);
      for (const name of reached) {
        expect(world.cache.recall(refOf(name), undefined)).toBeUndefined();
        const { key, context }: Entry = ENTRIES[name];
        await fill(world, refOf(name), key, context);
        expect(world.cache.recall(refOf(name), undefined)?.key).toBe(key);
      }
    }
  });

  test.each(REACHES)('%s reaches nothing any more after everything was cleared', async (_what, change) => {
    const world = await filled();
    world.cache.clear();
    await fill(world, ENTRIES.plain.key.id, ENTRIES.plain.key);
    world.cache.forget(change);
    expect(world.cache.recall(ENTRIES.plain.key.id, undefined)?.key).toBe(ENTRIES.plain.key);
  });
});

describe('a key that came to depend on other things', () => {
  test('is reached by them, and no longer by the old ones', async () => {
    const world = cacheUnderTest();
    const { key } = issueKey({ ownerId: 'ann', policyIds: [gold.id] });
    const later: KeyRecord = { ...key, ownerId: 'bob', policyIds: [silver.id], version: 2 };
    await fill(world, key.id, key, { policies: [gold] });
    // Read anew without having been forgotten.
    await fill(world, key.id, later, { policies: [silver] });
    world.cache.forget({ kind: 'policy', id: gold.id });
    world.cache.forget({ kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'ann' });
    expect(world.cache.recall(key.id, undefined)?.key).toBe(later);
    world.cache.forget({ kind: 'policy', id: silver.id });
    expect(world.cache.recall(key.id, undefined)).toBeUndefined();
  });

  test('is not forgotten for what it was when it was pushed out of memory', async () => {
    const { key } = issueKey({ ownerId: 'ann' });
    const world = cacheUnderTest({ maxBytes: 8000 });
    await fill(world, key.id, key);
    while (world.cache.recall(key.id, undefined) !== undefined) {
      const { key: other } = issueKey();
      await fill(world, other.id, other);
      await fill(world, issueKey().key.id, issueKey().key);
    }
    const later = { ...key, ownerId: '' };
    await fill(world, key.id, later);
    world.cache.forget({ kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'ann' });
    expect(world.cache.recall(key.id, undefined)?.key).toBe(later);
  });
});

describe('a load under way', () => {
  const { key } = issueKey();

  test.each<[string, Change]>([
    ['a policy', { kind: 'policy', id: gold.id }],
    ['an owner', { kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'ann' }],
    ['a keyspace', { kind: 'keyspace', id: KEYSPACE_ID }],
    ['imports', { kind: 'imports' }],
  ])('that a change of %s overtakes is not remembered and not joined', async (_what, change) => {
    // What it will turn out to depend on is not known before it answers.
    for (const record of [key, undefined]) {
      const { cache, reads } = cacheUnderTest();
      const before = cache.load(key.id, undefined);
      cache.forget(change);
      const after = cache.load(key.id, undefined);
      expect(reads).toHaveLength(2);
      reads[0]?.answer(record);
      expect((await before)?.key).toBe(record);
      expect(cache.recall(key.id, undefined)).toBeUndefined();
      reads[1]?.answer({ ...key, version: 2 });
      expect((await after)?.key.version).toBe(2);
      expect(cache.recall(key.id, undefined)?.key.version).toBe(2);
    }
  });

  test('of a foreign token, whose key is not known yet, is overtaken by a change of any key', async () => {
    const { cache, reads } = cacheUnderTest();
    const foreign = cache.load(DIGEST_REF, undefined);
    const other = cache.load(issueKey().key.id, undefined);
    cache.forget({ kind: 'key', id: key.id });
    reads[0]?.answer(key);
    reads[1]?.answer(undefined);
    expect((await foreign)?.key).toBe(key);
    await other;
    expect(cache.recall(DIGEST_REF, undefined)).toBeUndefined();
    // The other is found by its id, which is not the one that changed.
    expect(cache.stats()).toMatchObject({ keys: 0, absences: 1 });
  });
});

test('imports end every absence, and no key', async () => {
  const world = cacheUnderTest();
  const { key } = issueKey();
  await fill(world, key.id, key);
  await fill(world, DIGEST_REF, undefined);
  expect(world.cache.recall(DIGEST_REF, undefined)).toBeNull();
  world.cache.forget({ kind: 'imports' });
  expect(world.cache.recall(DIGEST_REF, undefined)).toBeUndefined();
  expect(world.cache.recall(key.id, undefined)?.key).toBe(key);
});

test('a change of a policy, an owner or a keyspace ends no absence: none of them makes a key', async () => {
  const world = cacheUnderTest();
  await fill(world, 'key_unknown', undefined);
  world.cache.forget({ kind: 'policy', id: gold.id });
  world.cache.forget({ kind: 'owner', keyspaceId: KEYSPACE_ID, id: 'ann' });
  world.cache.forget({ kind: 'keyspace', id: KEYSPACE_ID });
  expect(world.cache.recall('key_unknown', undefined)).toBeNull();
});
