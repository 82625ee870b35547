import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { effectiveRules } from '../../core/effective-rules.ts';
import { newId } from '../../core/ids.ts';
import { keyState, ROOT_KEYSPACE_ID, type KeyRecord } from '../../core/key.ts';
import type { PolicyRecord } from '../../core/policy.ts';
import { NO_RESTRICTIONS, type ResourceAccess, type Restrictions } from '../../core/rules.ts';
import type { KeyFilter, KeyPage, KeyPosition } from '../../server/lifecycle/ports.ts';
import { readKeyPage } from '../../server/store/read-key-page.ts';
import { onEachEngine, type Subject } from './each-engine.ts';
import { CREATED_MS, everyKeyOf, newKey, newKeyspace, newPolicy } from './records.ts';

const NOW_MS = CREATED_MS + 10_000;
const FIRST = newKeyspace();
const SECOND = newKeyspace();
const EMPTY = newKeyspace();
const IDS = [FIRST.id, SECOND.id];

const listed = (...ids: readonly string[]): ResourceAccess => ({ type: 'LISTED', ids });

/** Restricted to all operations of some APIs. */
const only = (...apis: readonly string[]): Restrictions => ({
  ...NO_RESTRICTIONS,
  apiTargets: apis.map((api) => ({ api, verbs: [], paths: [], groups: [] })),
});

/** The policies of a keyspace, by what is special in each. */
function policiesOf(keyspaceId: string) {
  return {
    toAll: newPolicy(keyspaceId, { resourceAccess: { type: 'ALL' } }),
    toStore1: newPolicy(keyspaceId, { resourceAccess: listed('store-1') }),
    toNone: newPolicy(keyspaceId, { resourceAccess: listed(), tags: ['green'] }),
    scoped: newPolicy(keyspaceId, { scopes: ['orders:read', 'reports:read'] }),
    ledger: newPolicy(keyspaceId, { restrictions: only('ledger', 'orders') }),
  };
}

const POLICIES = new Map(IDS.map((keyspaceId) => [keyspaceId, policiesOf(keyspaceId)]));
const POLICY_LIST = [...POLICIES.values()].flatMap((policies) => Object.values(policies));

/** A key whose secret was used at a time. */
function usedAt(lastUsedTimeMs: number, key: KeyRecord): KeyRecord {
  return { ...key, lastUsedTimeMs, secrets: key.secrets.map((secret) => ({ ...secret, lastUsedTimeMs })) };
}

/** One of each kind in each keyspace, six times; many made in the same millisecond, some in the next. */
const KEYS: readonly KeyRecord[] = [...POLICIES].flatMap(([keyspaceId, policies]) =>
  [0, 0, 0, 1, 1, 7].flatMap((laterMs, round) => {
    const createTimeMs = CREATED_MS + laterMs;
    const make = (change: Partial<KeyRecord>): KeyRecord => newKey(keyspaceId, { createTimeMs, ...change });
    const referring = (
      names: readonly (keyof typeof policies)[],
      change: Partial<KeyRecord> = {},
    ): KeyRecord =>
      make({ resourceAccess: null, policyIds: names.map((name) => policies[name].id), ...change });
    return [
      make({ displayName: `Plain ${round}` }),
      usedAt(CREATED_MS + 10, make({ displayName: 'ΟΔΟΣ Ångström' })),
      usedAt(CREATED_MS + 20, make({ ownerId: 'tenant-1' })),
      make({ ownerId: 'tenant-1', scopes: ['orders:read', 'orders:write'] }),
      make({ ownerId: 'Tenant-2', switch: 'DISABLED', tags: ['blue', 'round'] }),
      make({ switch: 'REVOKED', expireTimeMs: NOW_MS - 5, tags: ['blue'] }),
      make({ expireTimeMs: NOW_MS - 1, displayName: '100% of_it' }),
      make({ expireTimeMs: NOW_MS, displayName: String.raw`back\slash` }),
      make({ expireTimeMs: NOW_MS + 1, scopes: ['orders:*'] }),
      make({ resourceAccess: listed('store-1', 'store-2') }),
      make({ resourceAccess: listed(), deleteTimeMs: NOW_MS - 1, purgeTimeMs: NOW_MS + 1 }),
      make({ restrictions: only('orders') }),
      referring([]),
      referring(['scoped', 'ledger']),
      referring(['scoped', 'ledger', 'toStore1'], { scopes: ['orders:*'], restrictions: only('maps') }),
      referring(['toStore1']),
      referring(['toNone', 'toStore1']),
      referring(['toNone']),
      referring(['toNone', 'toAll']),
      referring(['toStore1', 'scoped'], { resourceAccess: { type: 'ALL' } }),
      referring(['toAll'], { resourceAccess: listed('store-2') }),
    ];
  }),
);

const filters: fc.Arbitrary<KeyFilter> = fc.record({
  keyspaceIds: fc.constantFrom(undefined, IDS, [FIRST.id], [SECOND.id], [EMPTY.id], []),
  exceptKeyspaceIds: fc.constantFrom([ROOT_KEYSPACE_ID], [ROOT_KEYSPACE_ID, FIRST.id], [...IDS]),
  ...conditions(
    POLICY_LIST.map(({ id }) => id),
    ['PLAIN', 'ant-', 'οδος ÅN', 'σ', 'P', 'pl', '%', '_', String.raw`\s`, 'key_', KEYS[0]!.id.slice(4)],
  ),
});

/** Every field of a filter but the keyspaces, each unset in most cases. */
function conditions(policyIds: readonly string[], texts: readonly string[]) {
  const maybe = <T>(...values: readonly T[]): fc.Arbitrary<T | undefined> =>
    fc.option(fc.constantFrom(...values), { nil: undefined, freq: 1 });
  const rarely = <T>(...values: readonly T[]): fc.Arbitrary<T | undefined> =>
    fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary: maybe(...values), weight: 2 });
  return {
    states: fc.oneof(fc.constant([]), fc.subarray(['ACTIVE', 'DISABLED', 'REVOKED', 'EXPIRED'] as const)),
    accessType: rarely('ALL' as const, 'LISTED' as const),
    resource: rarely('store-1', 'store-3', 'STORE-1'),
    ownerId: rarely('tenant-1', 'Tenant-2', 'tenant-2', ''),
    policyId: rarely(...policyIds, newId('policy')),
    tag: rarely('blue', 'round', 'green', 'blu'),
    scope: rarely('orders:read', 'orders:*', 'reports:read', 'orders'),
    api: rarely('orders', 'ledger', 'maps', 'Orders'),
    search: rarely(...texts),
    expiresBeforeMs: rarely(NOW_MS, NOW_MS + 1, NOW_MS + 2),
    lastUsedBeforeMs: rarely(CREATED_MS, CREATED_MS + 1, CREATED_MS + 11, CREATED_MS + 21),
    createdAfterMs: rarely(CREATED_MS - 1, CREATED_MS, CREATED_MS + 7),
    showDeleted: fc.boolean(),
  };
}

/** What a filter means, spelled out. */
function passes(filter: KeyFilter, key: KeyRecord, policies: readonly PolicyRecord[] = POLICY_LIST): boolean {
  const { resource, search } = filter;
  const { rules } = effectiveRules(
    key,
    policies.filter(({ id }) => key.policyIds.includes(id)),
  );
  const access = rules.resourceAccess ?? { type: 'ALL' };
  return [
    filter.keyspaceIds === undefined || filter.keyspaceIds.includes(key.keyspaceId),
    !filter.exceptKeyspaceIds.includes(key.keyspaceId),
    filter.states.length === 0 || filter.states.includes(keyState(key, NOW_MS)),
    filter.accessType === undefined || filter.accessType === access.type,
    resource === undefined || access.type === 'ALL' || access.ids.includes(resource),
    filter.ownerId === undefined || (filter.ownerId === key.ownerId && key.ownerId !== ''),
    filter.policyId === undefined || key.policyIds.includes(filter.policyId),
    // Unlike the others, of its own only.
    filter.tag === undefined || key.tags.includes(filter.tag),
    filter.scope === undefined || rules.scopes.includes(filter.scope),
    filter.api === undefined || rules.restrictions.apiTargets.some(({ api }) => api === filter.api),
    search === undefined ||
      [key.displayName, key.ownerId, key.id].some((text) =>
        text.normalize('NFKC').toUpperCase().includes(search.normalize('NFKC').toUpperCase()),
      ),
    filter.expiresBeforeMs === undefined ||
      (key.expireTimeMs !== null && key.expireTimeMs < filter.expiresBeforeMs),
    filter.lastUsedBeforeMs === undefined ||
      (key.lastUsedTimeMs ?? key.createTimeMs) < filter.lastUsedBeforeMs,
    filter.createdAfterMs === undefined || key.createTimeMs > filter.createdAfterMs,
    filter.showDeleted || key.deleteTimeMs === null,
  ].every(Boolean);
}

/** The order of a list, by code points as in the databases of these tests. */
function inOrder(keys: readonly KeyRecord[], newestFirst: boolean): readonly KeyRecord[] {
  const oldestFirst = keys.toSorted(
    (a, b) => a.createTimeMs - b.createTimeMs || (a.id < b.id ? -1 : Number(a.id > b.id)),
  );
  return newestFirst ? oldestFirst.toReversed() : oldestFirst;
}

type PageReader = (page: KeyPage) => Promise<readonly KeyPosition[]>;

/** Pages whose way changes after so many keys, which in the server are thousands. */
function withStretch({ engine }: Subject, stretch: number): PageReader {
  return async (page) => {
    const rows = await readKeyPage(engine.knex, page, stretch);
    return rows.map(({ id, create_time: time }) => ({ id, createTimeMs: time.getTime() }));
  };
}

/** All that a filter lets pass, read page by page. */
async function readPages<T extends KeyPosition>(
  readPage: (page: KeyPage) => Promise<readonly T[]>,
  filter: KeyFilter,
  { newestFirst, limit }: { readonly newestFirst: boolean; readonly limit: number },
): Promise<T[]> {
  const read: T[] = [];
  for (let after: KeyPosition | undefined; ;) {
    const page = await readPage({ filter, newestFirst, after, limit, nowMs: NOW_MS });
    expect(page.length).toBeLessThanOrEqual(limit);
    read.push(...page);
    if (read.length > 10 * KEYS.length) throw new Error('the pages never end');
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return read;
    after = { createTimeMs: last.createTimeMs, id: last.id };
  }
}

const idsOf = (keys: readonly { readonly id: string }[]): string[] => keys.map(({ id }) => id);
const STRETCHES = [1, 2, 7, 30, 5000] as const;

onEachEngine((subject) => {
  beforeAll(async () => {
    const { store } = subject();
    for (const keyspace of [FIRST, SECOND, EMPTY]) await store.keyspaces.insert(keyspace);
    for (const policy of POLICY_LIST) await store.policies.insert(policy);
    for (const key of KEYS) await store.keys.insert(key);
    await store.recordUses(
      KEYS.flatMap(({ id: keyId, secrets }) =>
        secrets.flatMap(({ id: secretId, lastUsedTimeMs: timeMs }) =>
          timeMs === null ? [] : { secretId, keyId, timeMs },
        ),
      ),
    );
  });

  it('lists whole keys, secrets and all', async () => {
    const found = await readPages(subject().store.keys.list, everyKeyOf(FIRST.id), {
      newestFirst: false,
      limit: 1000,
    });
    const byId = new Map(KEYS.map((key) => [key.id, key]));
    expect(found.length).toBe(KEYS.length / 2);
    for (const key of found) expect(key).toEqual(byId.get(key.id));
  });

  it('lists by the time of creation, with every page size the same keys in the same order, none twice', async () => {
    const filter = { ...everyKeyOf(FIRST.id), keyspaceIds: undefined, exceptKeyspaceIds: [ROOT_KEYSPACE_ID] };
    const { list } = subject().store.keys;
    const whole = await readPages(list, filter, { newestFirst: false, limit: 1000 });
    const times = whole.map(({ createTimeMs }) => createTimeMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(times).size).toBeLessThan(times.length);
    for (const limit of [1, 2, 5, 7, whole.length, whole.length + 1]) {
      for (const newestFirst of [false, true]) {
        const pages = await readPages(list, filter, { newestFirst, limit });
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

  it('lists exactly the keys that match in their order, for any combination of filters and each way to them', async () => {
    const known = new Set(idsOf(KEYS));
    await fc.assert(
      fc.asyncProperty(
        filters,
        fc.boolean(),
        fc.constantFrom(...STRETCHES),
        async (filter, newestFirst, stretch) => {
          const found = await readPages(withStretch(subject(), stretch), filter, { newestFirst, limit: 50 });
          const expected = KEYS.filter((key) => passes(filter, key));
          // Keys of other tests of this file are in keyspaces of their own.
          expect(idsOf(found).filter((id) => known.has(id))).toEqual(idsOf(inOrder(expected, newestFirst)));
        },
      ),
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
    ['resource, by a policy', { resource: 'store-1', accessType: 'LISTED' }],
    ['ownerId', { ownerId: 'tenant-1' }],
    ['ownerId in one keyspace', { ownerId: 'tenant-1', keyspaceIds: [FIRST.id] }],
    ['policyId', { policyId: POLICIES.get(FIRST.id)!.scoped.id }],
    ['tag', { tag: 'round' }],
    ['scope', { scope: 'orders:write' }],
    ['scope, by a policy', { scope: 'reports:read' }],
    ['api', { api: 'maps' }],
    ['api, by a policy', { api: 'ledger' }],
    ['search in the name, in any case', { search: 'pLaIn' }],
    ['search in the owner', { search: 'enant-2' }],
    ['search in the id', { search: KEYS[3]!.id.slice(6, 16) }],
    ['search for a percent sign', { search: '0% o' }],
    ['search for an underscore', { search: 'of_i' }],
    ['search for a backslash', { search: String.raw`k\s` }],
    ['expiresBeforeMs', { expiresBeforeMs: NOW_MS }],
    ['search in letters beyond a to z', { search: 'οδοσ å' }],
    ['search for one character', { search: '%' }],
    ['search for two characters', { search: '0%' }],
    ['lastUsedBeforeMs', { lastUsedBeforeMs: CREATED_MS + 11 }],
    ['createdAfterMs', { createdAfterMs: CREATED_MS + 1 }],
    ['showDeleted', { showDeleted: false }],
  ])('filters by %s', async (_, change) => {
    const filter = { ...everyKeyOf(FIRST.id), keyspaceIds: IDS, ...change };
    const expected = KEYS.filter((key) => passes(filter, key));
    for (const stretch of [1, 5000]) {
      const found = await readPages(withStretch(subject(), stretch), filter, {
        newestFirst: true,
        limit: 1000,
      });
      expect(idsOf(found)).toEqual(idsOf(inOrder(expected, true)));
    }
    // A filter that lets all or nothing pass would prove nothing.
    expect(expected.length).toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(KEYS.length);
  });

  it('finds no text across the end of one field and the beginning of the next', async () => {
    const { store } = subject();
    const keyspace = newKeyspace();
    await store.keyspaces.insert(keyspace);
    const key = newKey(keyspace.id, { displayName: 'orders\uE000', ownerId: '\uE001tenant' });
    await store.keys.insert(key);
    const search = async (text: string): Promise<string[]> =>
      idsOf(
        await readPages(
          store.keys.list,
          { ...everyKeyOf(keyspace.id), search: text },
          { newestFirst: true, limit: 9 },
        ),
      );
    for (const across of [
      'orders\uE000\uE001',
      'orders\uE000\uE000',
      '\uE001\uE001',
      'tenantkey_',
      'tenant\uE000',
    ]) {
      expect(await search(across)).toEqual([]);
    }
    for (const within of ['S\uE000', '\uE001T', key.id.toUpperCase()]) {
      expect(await search(within)).toEqual([key.id]);
    }
  });

  it('lists exactly the keys that match, of random keys with random policies', async () => {
    const { store } = subject();
    const rules = {
      scopes: fc.subarray(['orders:read', 'orders:*', 'reports:read']),
      resourceAccess: fc.oneof(
        fc.constantFrom<ResourceAccess | null>(null, null, { type: 'ALL' }),
        fc.subarray(['store-1', 'store-2', 'STORE-1']).map((ids) => listed(...ids)),
      ),
      restrictions: fc.subarray(['orders', 'ledger', 'maps']).map((apis) => only(...apis)),
      tags: fc.subarray(['blue', 'green']),
    };
    const keys = fc.record({
      ...rules,
      references: fc.uniqueArray(fc.nat(5), { maxLength: 4 }),
      switch: fc.constantFrom('ACTIVE' as const, 'ACTIVE' as const, 'DISABLED' as const, 'REVOKED' as const),
      ownerId: fc.constantFrom('', 'tenant-1', 'Tenant-2'),
      expireTimeMs: fc.constantFrom(null, NOW_MS - 1, NOW_MS, NOW_MS + 1),
      deleteTimeMs: fc.constantFrom(null, null, null, NOW_MS - 1),
      laterMs: fc.nat(2),
    });
    const questions = fc.record({
      ...conditions([], ['tenant', 'KEY_']),
      policy: fc.option(fc.nat(5), { nil: undefined }),
      stretch: fc.constantFrom(...STRETCHES),
      newestFirst: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record(rules), { maxLength: 6 }),
        fc.array(keys, { minLength: 5, maxLength: 20 }),
        fc.array(questions, { minLength: 20, maxLength: 30 }),
        async (somePolicies, someKeys, someQuestions) => {
          const keyspace = newKeyspace();
          const policies = somePolicies.map((change) => newPolicy(keyspace.id, change));
          const made = someKeys.map(({ references, laterMs, ...change }) =>
            newKey(keyspace.id, {
              ...change,
              policyIds: references.flatMap((index) => policies[index]?.id ?? []),
              createTimeMs: CREATED_MS + laterMs,
            }),
          );
          await store.transaction(async (tx) => {
            await tx.keyspaces.insert(keyspace);
            for (const policy of policies) await tx.policies.insert(policy);
            for (const key of made) await tx.keys.insert(key);
          });
          for (const { policy, stretch, newestFirst, ...asked } of someQuestions) {
            const policyId = policy === undefined ? undefined : policies[policy]?.id;
            const filter = { ...everyKeyOf(keyspace.id), ...asked, policyId };
            const found = await readPages(withStretch(subject(), stretch), filter, { newestFirst, limit: 4 });
            const expected = made.filter((key) => passes(filter, key, policies));
            expect(idsOf(found)).toEqual(idsOf(inOrder(expected, newestFirst)));
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  describe('while keys change', () => {
    /** What happens before or during the reading of a page; a number chooses a key among those that there are. */
    const act = fc.oneof(
      fc.record({ do: fc.constant('create' as const), laterMs: fc.nat(1), matching: fc.boolean() }),
      fc.record({ do: fc.constantFrom('revoke' as const, 'delete' as const), which: fc.nat(1000) }),
    );
    const narrowings = fc.constantFrom<Partial<KeyFilter>>(
      {},
      { showDeleted: true },
      { states: ['ACTIVE'] },
      { states: ['REVOKED'] },
      { tag: 'blue' },
      { scope: 'reports:read' },
      { scope: 'reports:read', states: ['ACTIVE'], resource: 'store-1' },
    );

    it.each([
      ['between two pages', false],
      ['at the same time', true],
    ])('neither skips nor repeats a key: %s', async (_name, atTheSameTime) => {
      const { store } = subject();
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            narrowing: narrowings,
            newestFirst: fc.boolean(),
            limit: fc.integer({ min: 1, max: 6 }),
            stretch: fc.constantFrom(...STRETCHES),
            start: fc.array(fc.tuple(fc.nat(1), fc.boolean()), { minLength: 5, maxLength: 20 }),
            acts: fc.array(fc.array(act, { maxLength: 3 }), { maxLength: 8 }),
          }),
          async ({ narrowing, newestFirst, limit, stretch, start, acts }) => {
            const keyspace = newKeyspace();
            const policy = newPolicy(keyspace.id, { scopes: ['reports:read'] });
            const filter = { ...everyKeyOf(keyspace.id), showDeleted: false, ...narrowing };
            const keys = new Map<string, KeyRecord>();
            const touched = new Set<string>();
            let timeMs = CREATED_MS;

            const create = async (laterMs: number, matching: boolean): Promise<void> => {
              timeMs += laterMs;
              const rules = matching ? { tags: ['blue'], policyIds: [policy.id] } : {};
              const key = newKey(keyspace.id, { createTimeMs: timeMs, resourceAccess: null, ...rules });
              keys.set(key.id, key);
              await store.keys.insert(key);
            };
            const run = async (next: (typeof acts)[number][number]): Promise<void> => {
              if (next.do === 'create') return create(next.laterMs, next.matching);
              const key = [...keys.values()][next.which % keys.size]!;
              const change: Partial<KeyRecord> =
                next.do === 'revoke'
                  ? { switch: 'REVOKED', revokeTimeMs: NOW_MS }
                  : { deleteTimeMs: NOW_MS, purgeTimeMs: NOW_MS };
              const changed = { ...key, ...change };
              keys.set(key.id, changed);
              touched.add(key.id);
              return store.keys.update(changed);
            };
            const matching = (): readonly KeyRecord[] =>
              inOrder(
                [...keys.values()].filter((key) => passes(filter, key, [policy])),
                newestFirst,
              );

            await store.keyspaces.insert(keyspace);
            await store.policies.insert(policy);
            for (const [laterMs, matches] of start) await create(laterMs, matches);
            const before = matching();

            let page = 0;
            const found = await readPages(
              async (question) => {
                const due = acts[page] ?? [];
                page += 1;
                const readPage = withStretch(subject(), stretch);
                if (atTheSameTime) {
                  const [positions] = await Promise.all([readPage(question), ...due.map(run)]);
                  return positions;
                }
                for (const next of due) await run(next);
                const positions = await readPage(question);
                // What comes after the position now.
                const { after } = question;
                const rest = matching().filter((key) => {
                  if (after === undefined) return true;
                  const isLater =
                    key.createTimeMs === after.createTimeMs
                      ? key.id > after.id
                      : key.createTimeMs > after.createTimeMs;
                  return key.id !== after.id && isLater !== newestFirst;
                });
                expect(idsOf(positions)).toEqual(idsOf(rest.slice(0, limit)));
                return positions;
              },
              filter,
              { newestFirst, limit },
            );
            const ids = idsOf(found);
            expect(new Set(ids).size).toBe(ids.length);
            const untouched = idsOf(before).filter((id) => !touched.has(id));
            expect(ids.filter((id) => untouched.includes(id))).toEqual(untouched);
          },
        ),
        { numRuns: 40 },
      );
    });
  });
});
