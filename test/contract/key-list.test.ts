import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { keyState, ROOT_KEYSPACE_ID, type KeyRecord } from '../../core/key.ts';
import type { KeyFilter, KeyPosition } from '../../server/lifecycle/ports.ts';
import type { KnexStore } from '../../server/store/store.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, everyKeyOf, newKey, newKeyspace } from './records.ts';

const NOW_MS = CREATED_MS + 10_000;
const FIRST = newKeyspace();
const SECOND = newKeyspace();
const EMPTY = newKeyspace();
const IDS = [FIRST.id, SECOND.id];

/** Two of each kind in each keyspace; many made in the same millisecond, some in the next. */
const KEYS: readonly KeyRecord[] = IDS.flatMap((keyspaceId) =>
  [0, 0, 0, 1, 1, 7].flatMap((laterMs, round) => {
    const createTimeMs = CREATED_MS + laterMs;
    const make = (change: Partial<KeyRecord>): KeyRecord => newKey(keyspaceId, { createTimeMs, ...change });
    return [
      make({ displayName: `Plain ${round}` }),
      make({ ownerId: 'tenant-1', scopes: ['orders:read', 'orders:write'] }),
      make({ ownerId: 'Tenant-2', switch: 'DISABLED', tags: ['blue', 'round'] }),
      make({ switch: 'REVOKED', expireTimeMs: NOW_MS - 5, tags: ['blue'] }),
      make({ expireTimeMs: NOW_MS - 1, displayName: '100% of_it' }),
      make({ expireTimeMs: NOW_MS, displayName: String.raw`back\slash` }),
      make({ expireTimeMs: NOW_MS + 1, scopes: ['orders:*'] }),
      make({ resourceAccess: { type: 'LISTED', ids: ['store-1', 'store-2'] } }),
      make({
        resourceAccess: { type: 'LISTED', ids: [] },
        deleteTimeMs: NOW_MS - 1,
        purgeTimeMs: NOW_MS + 1,
      }),
    ];
  }),
);

const filters: fc.Arbitrary<KeyFilter> = fc.record({
  keyspaceIds: fc.constantFrom(undefined, IDS, [FIRST.id], [SECOND.id], [EMPTY.id], []),
  exceptKeyspaceIds: fc.constantFrom([ROOT_KEYSPACE_ID], [ROOT_KEYSPACE_ID, FIRST.id], [...IDS]),
  states: fc.subarray(['ACTIVE', 'DISABLED', 'REVOKED', 'EXPIRED'] as const),
  accessType: fc.constantFrom(undefined, undefined, 'ALL' as const, 'LISTED' as const),
  resource: fc.constantFrom(undefined, undefined, 'store-1', 'store-3', 'STORE-1'),
  ownerId: fc.constantFrom(undefined, undefined, 'tenant-1', 'Tenant-2', 'tenant-2', ''),
  tag: fc.constantFrom(undefined, undefined, 'blue', 'round', 'green', 'blu'),
  scope: fc.constantFrom(undefined, undefined, 'orders:read', 'orders:*', 'orders'),
  search: fc.constantFrom(
    undefined,
    undefined,
    'PLAIN',
    'ant-',
    '%',
    '_',
    String.raw`\s`,
    'key_',
    KEYS[0]!.id.slice(4),
  ),
  expiresBeforeMs: fc.constantFrom(undefined, undefined, NOW_MS, NOW_MS + 1, NOW_MS + 2),
  createdAfterMs: fc.constantFrom(undefined, undefined, CREATED_MS - 1, CREATED_MS, CREATED_MS + 7),
  showDeleted: fc.boolean(),
});

/** What a filter means, spelled out. */
function passes(filter: KeyFilter, key: KeyRecord): boolean {
  const { resource, search, resourceAccess } = { ...filter, resourceAccess: key.resourceAccess };
  return [
    filter.keyspaceIds === undefined || filter.keyspaceIds.includes(key.keyspaceId),
    !filter.exceptKeyspaceIds.includes(key.keyspaceId),
    filter.states.length === 0 || filter.states.includes(keyState(key, NOW_MS)),
    filter.accessType === undefined || filter.accessType === resourceAccess.type,
    resource === undefined || resourceAccess.type === 'ALL' || resourceAccess.ids.includes(resource),
    filter.ownerId === undefined || (filter.ownerId === key.ownerId && key.ownerId !== ''),
    filter.tag === undefined || key.tags.includes(filter.tag),
    filter.scope === undefined || key.scopes.includes(filter.scope),
    search === undefined ||
      [key.displayName, key.ownerId, key.id].some((text) =>
        text.toLowerCase().includes(search.toLowerCase()),
      ),
    filter.expiresBeforeMs === undefined ||
      (key.expireTimeMs !== null && key.expireTimeMs < filter.expiresBeforeMs),
    filter.createdAfterMs === undefined || key.createTimeMs > filter.createdAfterMs,
    filter.showDeleted || key.deleteTimeMs === null,
  ].every(Boolean);
}

/** All keys that a filter lets pass, read page by page. */
async function readPages(
  { keys }: KnexStore,
  filter: KeyFilter,
  { newestFirst, limit }: { readonly newestFirst: boolean; readonly limit: number },
): Promise<KeyRecord[]> {
  const read: KeyRecord[] = [];
  for (let after: KeyPosition | undefined; ;) {
    const page = await keys.list({ filter, newestFirst, after, limit, nowMs: NOW_MS });
    expect(page.length).toBeLessThanOrEqual(limit);
    read.push(...page);
    if (read.length > 10 * KEYS.length) throw new Error('the pages never end');
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return read;
    after = { createTimeMs: last.createTimeMs, id: last.id };
  }
}

const idsOf = (keys: readonly KeyRecord[]): string[] => keys.map(({ id }) => id);

onEachEngine((subject) => {
  beforeAll(async () => {
    const { store } = subject();
    for (const keyspace of [FIRST, SECOND, EMPTY]) await store.keyspaces.insert(keyspace);
    for (const key of KEYS) await store.keys.insert(key);
  });

  it('lists whole keys, secrets and all', async () => {
    const listed = await readPages(subject().store, everyKeyOf(FIRST.id), {
      newestFirst: false,
      limit: 1000,
    });
    const byId = new Map(KEYS.map((key) => [key.id, key]));
    expect(listed.length).toBe(KEYS.length / 2);
    for (const key of listed) expect(key).toEqual(byId.get(key.id));
  });

  it('lists by the time of creation, with every page size the same keys in the same order, none twice', async () => {
    const filter = { ...everyKeyOf(FIRST.id), keyspaceIds: undefined, exceptKeyspaceIds: [ROOT_KEYSPACE_ID] };
    const whole = await readPages(subject().store, filter, { newestFirst: false, limit: 1000 });
    const times = whole.map(({ createTimeMs }) => createTimeMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(times).size).toBeLessThan(times.length);
    for (const limit of [1, 2, 5, 7, whole.length, whole.length + 1]) {
      for (const newestFirst of [false, true]) {
        const pages = await readPages(subject().store, filter, { newestFirst, limit });
        expect(idsOf(newestFirst ? pages.toReversed() : pages)).toEqual(idsOf(whole));
      }
    }
  });

  it('goes on after a position whose key is gone', async () => {
    const { keys, keyspaces } = subject().store;
    const keyspace = newKeyspace();
    await keyspaces.insert(keyspace);
    const made = [1, 2, 3].map((laterMs) => newKey(keyspace.id, { createTimeMs: CREATED_MS + laterMs }));
    const [first, gone, last] = made as [KeyRecord, KeyRecord, KeyRecord];
    for (const key of [first, last]) await keys.insert(key);
    const page = { filter: everyKeyOf(keyspace.id), limit: 10, nowMs: NOW_MS };
    const after = { createTimeMs: gone.createTimeMs, id: gone.id };
    expect(idsOf(await keys.list({ ...page, newestFirst: false, after }))).toEqual([last.id]);
    expect(idsOf(await keys.list({ ...page, newestFirst: true, after }))).toEqual([first.id]);
  });

  it('lists exactly the keys that match, for any combination of filters', async () => {
    const { store } = subject();
    const known = new Set(idsOf(KEYS));
    await fc.assert(
      fc.asyncProperty(filters, fc.boolean(), async (filter, newestFirst) => {
        const listed = await readPages(store, filter, { newestFirst, limit: 50 });
        const expected = KEYS.filter((key) => passes(filter, key));
        // Keys of other tests of this file are in keyspaces of their own.
        expect(
          idsOf(listed)
            .filter((id) => known.has(id))
            .toSorted(),
        ).toEqual(idsOf(expected).toSorted());
      }),
      { numRuns: 200 },
    );
  });

  it.each<[string, Partial<KeyFilter>]>([
    ['keyspaceIds', { keyspaceIds: [SECOND.id] }],
    ['exceptKeyspaceIds', { exceptKeyspaceIds: [SECOND.id] }],
    ['states ACTIVE', { states: ['ACTIVE'] }],
    ['states DISABLED and REVOKED', { states: ['DISABLED', 'REVOKED'] }],
    ['states EXPIRED', { states: ['EXPIRED'] }],
    ['accessType ALL', { accessType: 'ALL' }],
    ['accessType LISTED', { accessType: 'LISTED' }],
    ['resource', { resource: 'store-2' }],
    ['ownerId', { ownerId: 'tenant-1' }],
    ['tag', { tag: 'round' }],
    ['scope', { scope: 'orders:write' }],
    ['search in the name, in any case', { search: 'pLaIn' }],
    ['search in the owner', { search: 'enant-2' }],
    ['search in the id', { search: KEYS[3]!.id.slice(6, 16) }],
    ['search for a percent sign', { search: '0% o' }],
    ['search for an underscore', { search: 'of_i' }],
    ['search for a backslash', { search: String.raw`k\s` }],
    ['expiresBeforeMs', { expiresBeforeMs: NOW_MS }],
    ['createdAfterMs', { createdAfterMs: CREATED_MS + 1 }],
    ['showDeleted', { showDeleted: false }],
  ])('filters by %s', async (_, change) => {
    const filter = { ...everyKeyOf(FIRST.id), keyspaceIds: IDS, ...change };
    const listed = await readPages(subject().store, filter, { newestFirst: true, limit: 1000 });
    const expected = KEYS.filter((key) => passes(filter, key));
    expect(idsOf(listed).toSorted()).toEqual(idsOf(expected).toSorted());
    // A filter that lets all or nothing pass would prove nothing.
    expect(expected.length).toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(KEYS.length);
  });
});
