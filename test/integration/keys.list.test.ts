import { beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyFilter, KeyQuery, NewKey, NewPolicy } from '../../sdk/src/index.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const HOUR_MS = 3_600_000;
const START_MS = clock.nowMs();

describe('a filter', () => {
  let keyspaceId: string;
  /** Ids by display name, in the order of creation, which is a second apart. */
  const ids = new Map<string, string>();

  beforeAll(async () => {
    const { latchkey, newKeyspace } = served();
    keyspaceId = (await newKeyspace()).id;
    const make = async (displayName: string, attributes: Partial<NewKey> = {}): Promise<string> => {
      clock.advance(1000);
      const { key } = await latchkey.keys.create({ keyspaceId, displayName, ...attributes });
      ids.set(displayName, key.id);
      return key.id;
    };
    await make('alpha', { ownerId: 'team-7', scopes: ['orders:read'], tags: ['eu'] });
    await make('Beta', { ownerId: 'TEAM-77', scopes: ['orders:*'], tags: ['eu', 'vip'] });
    await make('gamma', { resourceAccess: { ids: ['store-1', 'store-2'] }, tags: ['us'] });
    await make('delta', { resourceAccess: { ids: ['store-2'] } });
    await latchkey.keys.disable(await make('off'));
    await latchkey.keys.revoke(await make('gone', { tags: ['eu'] }));
    await latchkey.keys.delete(await make('bin', { ownerId: 'team-7' }));
    await make('soon', { ttlMs: HOUR_MS });
    await make('over', { ttlMs: 1000 });
    await latchkey.keys.disable(await make('off and over', { ttlMs: 1000 }));
    await make('100%_sure\\');
    clock.advance(1000);
  });

  const namesOf = async (filter: KeyFilter): Promise<string[]> => {
    const { keys } = await served().latchkey.keys.list({
      filter: { keyspaceId, ...filter },
      order: 'OLDEST_FIRST',
    });
    return keys.map(({ displayName }) => displayName);
  };
  const ALL = [
    'alpha',
    'Beta',
    'gamma',
    'delta',
    'off',
    'gone',
    'soon',
    'over',
    'off and over',
    '100%_sure\\',
  ];
  const createdAt = (name: string): Date => new Date(START_MS + ([...ids.keys()].indexOf(name) + 1) * 1000);

  test.each<[string, KeyFilter, readonly string[]]>([
    ['nothing', {}, ALL],
    ['an owner', { ownerId: 'team-7' }, ['alpha']],
    ['a tag', { tag: 'eu' }, ['alpha', 'Beta', 'gone']],
    ['a tag that no key has', { tag: 'e' }, []],
    ['a scope, as it was granted', { scope: 'orders:read' }, ['alpha']],
    ['a wildcard, as it was granted', { scope: 'orders:*' }, ['Beta']],
    ['access to all', { accessType: 'ALL' }, ALL.filter((name) => name !== 'gamma' && name !== 'delta')],
    ['access to listed resources', { accessType: 'LISTED' }, ['gamma', 'delta']],
    ['a resource', { resource: 'store-1' }, ALL.filter((name) => name !== 'delta')],
    ['a resource among listed ones', { resource: 'store-2', accessType: 'LISTED' }, ['gamma', 'delta']],
    ['active', { states: ['ACTIVE'] }, ['alpha', 'Beta', 'gamma', 'delta', 'soon', '100%_sure\\']],
    ['disabled', { states: ['DISABLED'] }, ['off', 'off and over']],
    ['revoked', { states: ['REVOKED'] }, ['gone']],
    ['expired', { states: ['EXPIRED'] }, ['over']],
    ['one of several states', { states: ['REVOKED', 'EXPIRED', 'REVOKED'] }, ['gone', 'over']],
    ['a text in the name, in any case', { search: 'ALPH' }, ['alpha']],
    ['a text in the owner, in any case', { search: 'team-7' }, ['alpha', 'Beta']],
    ['a percent sign, which is no wildcard', { search: '%' }, ['100%_sure\\']],
    ['an underscore in the name or the id', { search: '%_s' }, ['100%_sure\\']],
    ['a backslash', { search: '\\' }, ['100%_sure\\']],
    ['a quote', { search: "'" }, []],
    ['the deleted ones too', { ownerId: 'team-7', showDeleted: true }, ['alpha', 'bin']],
    ['several things at once', { tag: 'eu', states: ['ACTIVE'], search: 'beta' }, ['Beta']],
    ['a contradiction', { accessType: 'ALL', search: 'gamma' }, []],
  ])('by %s (%j) finds %j', async (_name, filter, expected) => {
    expect(await namesOf(filter)).toEqual(expected);
  });

  test('by a part of the id, in any case, finds the key', async () => {
    const id = ids.get('gamma') ?? '';
    for (const search of [id, id.slice(6, 18), id.toUpperCase()]) {
      expect(await namesOf({ search })).toEqual(['gamma']);
    }
  });

  test('by times leaves out the very instant', async () => {
    expect(await namesOf({ createdAfter: createdAt('over') })).toEqual(['off and over', '100%_sure\\']);
    expect(await namesOf({ createdAfter: new Date(createdAt('over').getTime() - 1) })).toEqual([
      'over',
      'off and over',
      '100%_sure\\',
    ]);
    const end = createdAt('soon').getTime() + HOUR_MS;
    expect(await namesOf({ expiresBefore: new Date(end) })).toEqual(['over', 'off and over']);
    expect(await namesOf({ expiresBefore: new Date(end + 1) })).toEqual(['soon', 'over', 'off and over']);
  });

  test('by a keyspace that is not there finds nothing', async () => {
    expect(await namesOf({ keyspaceId: newId('keyspace') })).toEqual([]);
  });

  test('by no keyspace finds the keys of all', async () => {
    const { latchkey, keyspaceId: other } = served();
    const { key } = await latchkey.keys.create({ keyspaceId: other, tags: ['everywhere'] });
    await latchkey.keys.update(ids.get('alpha') ?? '', { tags: ['eu', 'everywhere'] });
    const { keys } = await latchkey.keys.list({ filter: { tag: 'everywhere' } });
    expect(keys.map(({ id }) => id)).toEqual([key.id, ids.get('alpha')]);
  });

  test('shows each key as it is read alone', async () => {
    const { latchkey } = served();
    const { keys } = await latchkey.keys.list({ filter: { keyspaceId, showDeleted: true } });
    expect(keys).toHaveLength(ids.size);
    for (const key of keys) expect(key).toEqual(await latchkey.keys.get(key.id));
  });
});

describe('a filter for what policies say', () => {
  let keyspaceId: string;
  const policyIds = new Map<string, string>();

  beforeAll(async () => {
    const { latchkey, newKeyspace } = served();
    keyspaceId = (await newKeyspace()).id;
    const define = async (displayName: string, rules: Partial<NewPolicy>): Promise<void> => {
      const { policy } = await latchkey.policies.create({ keyspaceId, displayName, ...rules });
      policyIds.set(displayName, policy.id);
    };
    await define('store 17', { resourceAccess: { ids: ['store-17'] } });
    await define('all stores', { resourceAccess: 'ALL' });
    await define('reports', { scopes: ['reports:read'] });
    await define('ledger', { restrictions: { apiTargets: [{ api: 'ledger' }] } });
    const make = async (
      displayName: string,
      policies: readonly string[],
      own: Partial<NewKey> = {},
    ): Promise<void> => {
      clock.advance(1000);
      const referredTo = policies.map((name) => policyIds.get(name) ?? '');
      await latchkey.keys.create({ keyspaceId, displayName, policyIds: referredTo, ...own });
    };
    await make('says nothing', []);
    await make('by store', ['store 17']);
    await make('by both', ['store 17', 'all stores']);
    await make('untold', ['reports', 'ledger']);
    await make('own', ['all stores', 'reports', 'ledger'], {
      scopes: ['orders:read'],
      resourceAccess: { ids: ['store-18'] },
      restrictions: { apiTargets: [{ api: 'maps' }] },
    });
  });

  test.each<[string, KeyFilter, readonly string[]]>([
    ['a resource', { resource: 'store-17' }, ['says nothing', 'by store', 'by both', 'untold']],
    ['a resource of a key', { resource: 'store-18' }, ['says nothing', 'by both', 'untold', 'own']],
    ['access to all', { accessType: 'ALL' }, ['says nothing', 'by both', 'untold']],
    ['access to listed resources', { accessType: 'LISTED' }, ['by store', 'own']],
    ['a scope', { scope: 'reports:read' }, ['untold']],
    ['an api', { api: 'ledger' }, ['untold']],
    ['an api of a key', { api: 'maps' }, ['own']],
    ['a scope and a resource', { scope: 'orders:read', resource: 'store-17' }, []],
  ])('by %s (%j) finds %j', async (_name, filter, expected) => {
    const { keys } = await served().latchkey.keys.list({
      filter: { keyspaceId, ...filter },
      order: 'OLDEST_FIRST',
    });
    expect(keys.map(({ displayName }) => displayName)).toEqual(expected);
  });

  test('by a policy finds the keys that refer to it, whatever they set themselves', async () => {
    const { keys } = await served().latchkey.keys.list({
      filter: { keyspaceId, policyId: policyIds.get('reports') ?? '' },
      order: 'OLDEST_FIRST',
    });
    expect(keys.map(({ displayName }) => displayName)).toEqual(['untold', 'own']);
  });

  test('finds a key as soon as its policy has changed', async () => {
    const { latchkey } = served();
    const found = async (): Promise<readonly string[]> => {
      const { keys } = await latchkey.keys.list({ filter: { keyspaceId, scope: 'payouts:read' } });
      return keys.map(({ displayName }) => displayName);
    };
    expect(await found()).toEqual([]);
    await latchkey.policies.update(policyIds.get('store 17') ?? '', { scopes: ['payouts:read'] });
    expect(await found()).toEqual(['by both', 'by store']);
  });
});

describe('pages', () => {
  /** A keyspace with keys of which several were made in the same millisecond; their ids, oldest first. */
  async function filled(count: number): Promise<{ keyspaceId: string; make: () => Promise<string> }> {
    const { latchkey, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    let made = 0;
    const make = async (): Promise<string> => {
      made += 1;
      if (made % 3 === 0) clock.advance(1);
      return (await latchkey.keys.create({ keyspaceId })).key.id;
    };
    for (let index = 0; index < count; index += 1) await make();
    return { keyspaceId, make };
  }

  test.each(['NEWEST_FIRST', 'OLDEST_FIRST'] as const)(
    'neither skip nor repeat a key while others are created and deleted, %s',
    async (order) => {
      const { latchkey } = served();
      const { keyspaceId, make } = await filled(20);
      const query: KeyQuery = { filter: { keyspaceId }, order, pageSize: 3 };
      const before = (await latchkey.keys.list({ ...query, pageSize: 1000 })).keys.map(({ id }) => id);
      expect(before).toHaveLength(20);
      // The last but one: still to come in either order when it is deleted.
      const victim = before.at(-2) ?? '';

      const seen: string[] = [];
      let pages = 0;
      for (let pageToken: string | undefined = ''; pageToken !== undefined; pages += 1) {
        const page = await latchkey.keys.list(query, pageToken === '' ? {} : { pageToken });
        seen.push(...page.keys.map(({ id }) => id));
        pageToken = page.nextPageToken;
        if (pages < 5) await make();
        if (pages === 1) await latchkey.keys.delete(victim);
      }
      expect(seen.filter((id) => before.includes(id))).toEqual(before.filter((id) => id !== victim));
      expect(new Set(seen).size).toBe(seen.length);
      expect(pages).toBeGreaterThanOrEqual(7);
    },
  );

  test('end with the last key, also where it ends a page', async () => {
    const { latchkey } = served();
    const { keyspaceId } = await filled(6);
    const first = await latchkey.keys.list({ filter: { keyspaceId }, pageSize: 3 });
    const second = await latchkey.keys.list(
      { filter: { keyspaceId }, pageSize: 3 },
      { pageToken: first.nextPageToken },
    );
    expect([first.keys.length, second.keys.length]).toEqual([3, 3]);
    expect(second.nextPageToken).toBeUndefined();
    expect(await latchkey.keys.list({ filter: { keyspaceId }, pageSize: 6 })).not.toHaveProperty(
      'nextPageToken',
    );
  });

  test('may change their size on the way, and nothing else', async () => {
    const { latchkey, root } = served();
    const { keyspaceId } = await filled(8);
    const filter = { keyspaceId };
    const { keys, nextPageToken = '' } = await latchkey.keys.list({ filter, pageSize: 2 });
    const rest = await latchkey.keys.list({ filter, pageSize: 100 }, { pageToken: nextPageToken });
    expect([...keys, ...rest.keys]).toHaveLength(8);

    const refused = async (request: Parameters<typeof root.keys.listKeys>[0]): Promise<void> => {
      const failure = await failureOf((options) => root.keys.listKeys(request, options));
      expect(failure).toMatchObject({ code: 3, reason: 'INVALID_FIELD', fields: ['page_token'] });
    };
    await refused({ filter, pageToken: nextPageToken, orderBy: 'create_time' });
    await refused({ pageToken: nextPageToken });
    await refused({ filter: { ...filter, tag: 'x' }, pageToken: nextPageToken });
    await refused({ filter: { ...filter, showDeleted: true }, pageToken: nextPageToken });
    await refused({ filter: { keyspaceId: newId('keyspace') }, pageToken: nextPageToken });
    const failure = await failureOf((options) =>
      root.keyspaces.listKeyspaces({ pageToken: nextPageToken }, options),
    );
    expect(failure).toMatchObject({ code: 3, fields: ['page_token'] });
    // Only the spelling differs.
    const same = await root.keys.listKeys({ filter, pageToken: nextPageToken, orderBy: 'create_time desc' });
    expect(same.keys).toHaveLength(6);
  });

  test('do not go on with a token that was tampered with', async () => {
    const { root } = served();
    const { keyspaceId } = await filled(3);
    const filter = { keyspaceId };
    const { nextPageToken } = await root.keys.listKeys({ filter, pageSize: 1 });
    const decoded = JSON.parse(Buffer.from(nextPageToken, 'base64url').toString()) as { p: object };
    const { p: position } = decoded;
    const times = [9_007_199_254_740_991, -9_007_199_254_740_991, 8.64e15, -1, 0.5, 1e300, null, '0', {}, []];
    const ids = ['', 'x', '\0', `key_${'\0'.repeat(16)}`, '\ud800', "' OR 1=1", 7, null, []];
    const positions: unknown[] = [null, 7, 'x', [], {}];
    for (const createTimeMs of times) positions.push({ ...position, createTimeMs });
    for (const id of ids) positions.push({ ...position, id });
    for (const forged of positions) {
      const pageToken = Buffer.from(JSON.stringify({ ...decoded, p: forged })).toString('base64url');
      const failure = await failureOf((options) => root.keys.listKeys({ filter, pageToken }, options));
      expect(failure, JSON.stringify(forged)).toMatchObject({
        code: 3,
        reason: 'INVALID_FIELD',
        fields: ['page_token'],
      });
    }
    const list = await root.keyspaces.listKeyspaces({ pageSize: 1 });
    const next = JSON.parse(Buffer.from(list.nextPageToken, 'base64url').toString()) as object;
    for (const slug of ['', 'A', '\0', '\ud800', 'x'.repeat(64), 7, null]) {
      const pageToken = Buffer.from(JSON.stringify({ ...next, p: { slug } })).toString('base64url');
      const failure = await failureOf((options) => root.keyspaces.listKeyspaces({ pageToken }, options));
      expect(failure, JSON.stringify(slug)).toMatchObject({ code: 3, fields: ['page_token'] });
    }
  });

  test('have 50 keys by default, and are all there by listAll', async () => {
    const { latchkey, root } = served();
    const { keyspaceId } = await filled(52);
    expect((await root.keys.listKeys({ filter: { keyspaceId } })).keys).toHaveLength(50);
    expect((await root.keys.listKeys({ filter: { keyspaceId }, pageSize: 2_147_483_647 })).keys).toHaveLength(
      52,
    );
    const all: string[] = [];
    for await (const { id } of latchkey.keys.listAll({ filter: { keyspaceId }, pageSize: 20 })) all.push(id);
    expect(new Set(all).size).toBe(52);
  });

  test('of large keys hold fewer, so that every client can take them, and lose none', async () => {
    const { latchkey, newKeyspace, root } = served();
    const { id: keyspaceId } = await newKeyspace();
    const ids = Array.from({ length: 1000 }, (_, index) => `${'☂'.repeat(250)}${index}`);
    for (let index = 0; index < 4; index += 1) {
      await latchkey.keys.create({ keyspaceId, resourceAccess: { ids } });
    }
    // These clients take 4 MiB, as those of other languages do.
    const first = await root.keys.listKeys({ filter: { keyspaceId } });
    expect(first.keys.length).toBeLessThan(4);
    expect(first.nextPageToken).not.toBe('');
    const seen: string[] = [];
    for await (const { id } of latchkey.keys.listAll({ filter: { keyspaceId } })) seen.push(id);
    expect(new Set(seen).size).toBe(4);
  });
});
