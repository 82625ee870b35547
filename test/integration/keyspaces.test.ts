import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import type { KeyspaceChange } from '../../sdk/src/index.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const BUILT_IN = 'ks_latchkey';
let slugs = 0;
const newSlug = (): string => `slug-${(slugs += 1)}`;

describe('a keyspace', () => {
  test('has what it was given, in every answer that shows it', async () => {
    const { latchkey } = served();
    const given = {
      slug: newSlug(),
      tokenPrefix: 'acme_live9',
      displayName: 'Läden ☂',
      defaultTtlMs: 1000,
      maxTtlMs: 100 * 365 * 86_400_000,
      requireExpiry: true,
      apis: [
        {
          name: 'orders',
          groups: [
            {
              name: 'read',
              methods: [
                { verb: 'GET', path: '/orders/*' },
                { path: '/acme.Orders/List', noResource: true },
              ],
            },
            { name: 'write', methods: [] },
          ],
        },
        { name: 'stores', groups: [] },
      ],
    };
    const { keyspace, revision } = await latchkey.keyspaces.create(given);
    const time = new Date(clock.nowMs());
    expect(keyspace).toEqual({
      ...given,
      id: expect.stringMatching(/^ks_[0-9A-Za-z]{16}$/),
      createTime: time,
      updateTime: time,
      etag: expect.stringMatching(/^.{1,64}$/),
    });
    expect(revision).toMatch(/^0\.\d+$/);
    expect(await latchkey.keyspaces.get(keyspace.id)).toEqual(keyspace);
    expect((await latchkey.keyspaces.list({ pageSize: 1000 })).keyspaces).toContainEqual(keyspace);
  });

  test('has no rules that it was not given', async () => {
    const { latchkey } = served();
    const { keyspace } = await latchkey.keyspaces.create({ slug: newSlug(), tokenPrefix: 'a' });
    expect(keyspace).toMatchObject({
      displayName: '',
      defaultTtlMs: null,
      maxTtlMs: null,
      requireExpiry: false,
      apis: [],
    });
  });

  test('has a slug of its own: one that is taken is refused, the built-in one’s too', async () => {
    const { latchkey } = served();
    const slug = newSlug();
    const { keyspace } = await latchkey.keyspaces.create({ slug, tokenPrefix: 'acme' });
    const taken = { code: 'ALREADY_EXISTS', reason: 'SLUG_TAKEN' };
    await expect(latchkey.keyspaces.create({ slug, tokenPrefix: 'other' })).rejects.toMatchObject(taken);
    await expect(latchkey.keyspaces.create({ slug: 'latchkey', tokenPrefix: 'other' })).rejects.toMatchObject(
      taken,
    );
    // Free again once it is gone.
    await latchkey.keyspaces.delete(keyspace.id);
    await latchkey.keyspaces.create({ slug, tokenPrefix: 'other' });
  });

  test.each<[string, KeyspaceChange, object]>([
    ['token_prefix', { tokenPrefix: 'new' }, { tokenPrefix: 'new' }],
    ['display_name', { displayName: 'after' }, { displayName: 'after' }],
    ['display_name, cleared', { displayName: '' }, { displayName: '' }],
    ['default_ttl', { defaultTtlMs: 2500 }, { defaultTtlMs: 2500 }],
    ['default_ttl, cleared', { defaultTtlMs: null }, { defaultTtlMs: null }],
    ['max_ttl', { maxTtlMs: 10_000 }, { maxTtlMs: 10_000 }],
    ['max_ttl, cleared', { maxTtlMs: null }, { maxTtlMs: null }],
    ['require_expiry', { requireExpiry: false }, { requireExpiry: false }],
    ['apis, whole', { apis: [{ name: 'stores', groups: [] }] }, { apis: [{ name: 'stores', groups: [] }] }],
    ['apis, cleared', { apis: [] }, { apis: [] }],
  ])('is updated in %s, and in nothing else', async (_name, change, changed) => {
    const { latchkey } = served();
    const { keyspace: before } = await latchkey.keyspaces.create({
      slug: newSlug(),
      tokenPrefix: 'acme',
      displayName: 'before',
      defaultTtlMs: 2000,
      maxTtlMs: 5000,
      requireExpiry: true,
      apis: [{ name: 'orders', groups: [{ name: 'read', methods: [{ path: '/orders' }] }] }],
    });
    clock.advance(10);
    const { keyspace, revision, effectiveTime, propagation } = await latchkey.keyspaces.update(
      before.id,
      change,
    );
    expect(effectiveTime).toEqual(new Date(clock.nowMs()));
    expect(keyspace).toEqual({
      ...before,
      ...changed,
      updateTime: new Date(clock.nowMs()),
      etag: keyspace.etag,
    });
    expect(keyspace.etag).not.toBe(before.etag);
    expect(await latchkey.keyspaces.get(before.id)).toEqual(keyspace);

    clock.advance(10);
    const again = await latchkey.keyspaces.update(before.id, change);
    expect(again).toEqual({ keyspace, revision, effectiveTime: new Date(clock.nowMs()), propagation });
  });

  test.each([
    [['slug'], ['update_mask.paths[0]']],
    [['id'], ['update_mask.paths[0]']],
    [['display_name', 'create_time'], ['update_mask.paths[1]']],
    [[], ['update_mask']],
  ])('is not updated with a mask of %j', async (updateMask, fields) => {
    const { root, newKeyspace } = served();
    const { id, slug } = await newKeyspace();
    const failure = await failureOf((options) =>
      root.keyspaces.updateKeyspace({ keyspace: { id, slug: 'other' }, updateMask }, options),
    );
    expect(failure).toMatchObject({ code: 3, reason: 'INVALID_FIELD', fields });
    expect((await root.keyspaces.getKeyspace({ id })).keyspace?.slug).toBe(slug);
  });

  test('never has a default lifetime over its longest', async () => {
    const { latchkey } = served();
    const refused = { violations: [{ field: 'keyspace.default_ttl' }] };
    const rules = { defaultTtlMs: 5001, maxTtlMs: 5000 };
    await expect(
      latchkey.keyspaces.create({ slug: newSlug(), tokenPrefix: 'acme', ...rules }),
    ).rejects.toMatchObject(refused);
    const { keyspace } = await latchkey.keyspaces.create({
      slug: newSlug(),
      tokenPrefix: 'acme',
      defaultTtlMs: 5000,
      maxTtlMs: 5000,
    });
    await expect(latchkey.keyspaces.update(keyspace.id, { maxTtlMs: 4999 })).rejects.toMatchObject(refused);
    await expect(latchkey.keyspaces.update(keyspace.id, { defaultTtlMs: 5001 })).rejects.toMatchObject(
      refused,
    );
    await latchkey.keyspaces.update(keyspace.id, rules.maxTtlMs === 5000 ? { maxTtlMs: 6000 } : {});
  });

  test('goes by its etag', async () => {
    const { latchkey, newKeyspace } = served();
    const { id, etag } = await newKeyspace();
    const { keyspace } = await latchkey.keyspaces.update(id, { displayName: 'b' }, { etag });
    const stale = { code: 'ABORTED', reason: 'ETAG_MISMATCH', metadata: { etag: keyspace.etag } };
    await expect(latchkey.keyspaces.update(id, { displayName: 'c' }, { etag })).rejects.toMatchObject(stale);
    await expect(latchkey.keyspaces.delete(id, { etag })).rejects.toMatchObject(stale);
    await latchkey.keyspaces.delete(id, { etag: keyspace.etag });
  });

  test('is deleted only without keys, and says how many there are', async () => {
    const { latchkey, newKeyspace, issue } = served();
    const { id } = await newKeyspace();
    const keys = [];
    for (let index = 0; index < 3; index += 1) keys.push(await issue({ keyspaceId: id }));
    await latchkey.keys.disable(keys[0]?.id ?? '');
    await latchkey.keys.revoke(keys[1]?.id ?? '');
    const inUse = (count: string) => ({
      code: 'FAILED_PRECONDITION',
      reason: 'KEYSPACE_IN_USE',
      metadata: { keyspace_id: id, keys: count },
    });
    await expect(latchkey.keyspaces.delete(id)).rejects.toMatchObject(inUse('3'));
    await latchkey.keys.delete(keys[0]?.id ?? '');
    await expect(latchkey.keyspaces.delete(id)).rejects.toMatchObject(inUse('2'));
    for (const key of keys) await latchkey.keys.delete(key.id);
    const { revision } = await latchkey.keyspaces.delete(id);
    expect(revision).toMatch(/^0\.\d+$/);
    await expect(latchkey.keyspaces.get(id)).rejects.toMatchObject({ reason: 'KEYSPACE_NOT_FOUND' });
  });

  test('takes its deleted keys with it for good', async () => {
    const { latchkey, newKeyspace, issue } = served();
    const { id: keyspaceId } = await newKeyspace();
    const { id, token } = await issue({ keyspaceId });
    await latchkey.keys.delete(id);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'NOT_FOUND' });
    await latchkey.keyspaces.delete(keyspaceId);
    const unknown = { code: 'NOT_FOUND', reason: 'KEY_NOT_FOUND' };
    await expect(latchkey.keys.get(id)).rejects.toMatchObject(unknown);
    await expect(latchkey.keys.undelete(id)).rejects.toMatchObject(unknown);
    await expect(latchkey.keys.lookup({ token })).rejects.toMatchObject(unknown);
    const { keys } = await latchkey.keys.list({ filter: { search: id, showDeleted: true } });
    expect(keys).toEqual([]);
    expect(await latchkey.verify({ token })).toMatchObject({ verdict: 'NOT_FOUND' });
  });

  test('that is not there is NOT_FOUND', async () => {
    const { latchkey } = served();
    const id = newId('keyspace');
    const unknown = { code: 'NOT_FOUND', reason: 'KEYSPACE_NOT_FOUND', metadata: { keyspace_id: id } };
    await expect(latchkey.keyspaces.get(id)).rejects.toMatchObject(unknown);
    await expect(latchkey.keyspaces.update(id, { displayName: 'x' })).rejects.toMatchObject(unknown);
    await expect(latchkey.keyspaces.delete(id)).rejects.toMatchObject(unknown);
  });
});

describe('the built-in keyspace', () => {
  test('can be seen, and neither changed nor deleted', async () => {
    const { latchkey } = served();
    const before = await latchkey.keyspaces.get(BUILT_IN);
    expect(before).toMatchObject({ id: BUILT_IN, slug: 'latchkey', tokenPrefix: 'latchkey' });
    const refused = { code: 'FAILED_PRECONDITION', reason: 'KEYSPACE_BUILT_IN' };
    await expect(latchkey.keyspaces.update(BUILT_IN, { displayName: 'x' })).rejects.toMatchObject(refused);
    await expect(latchkey.keyspaces.delete(BUILT_IN)).rejects.toMatchObject(refused);
    expect(await latchkey.keyspaces.get(BUILT_IN)).toEqual(before);
  });
});

describe('the list of keyspaces', () => {
  test('comes in pages by slug that neither skip nor repeat while others are created and deleted', async () => {
    const { latchkey } = served();
    const before = (await latchkey.keyspaces.list({ pageSize: 1000 })).keyspaces.map(({ slug }) => slug);
    const make = async (slug: string) =>
      (await latchkey.keyspaces.create({ slug, tokenPrefix: 'p' })).keyspace;
    for (const slug of ['m-1', 'm-2', 'm-3', 'm-4', 'm-5', 'm-6', 'm-7']) await make(slug);
    const victim = await make('m-8');
    const expected = [...before, 'm-1', 'm-2', 'm-3', 'm-4', 'm-5', 'm-6', 'm-7'].toSorted();

    const seen: string[] = [];
    let pages = 0;
    for (let pageToken: string | undefined = ''; pageToken !== undefined; pages += 1) {
      const page = await latchkey.keyspaces.list({ pageSize: 2 }, pageToken === '' ? {} : { pageToken });
      seen.push(...page.keyspaces.map(({ slug }) => slug));
      pageToken = page.nextPageToken;
      if (pages === 0) await latchkey.keyspaces.delete(victim.id);
      if (pages === 2) {
        await make('a-early');
        await make('z-late');
      }
    }
    expect(seen.filter((slug) => slug !== 'z-late')).toEqual(expected);
    expect(seen).toContain('z-late');

    const all: string[] = [];
    for await (const { slug } of latchkey.keyspaces.listAll({ pageSize: 3 })) all.push(slug);
    expect(all).toEqual([...expected, 'a-early', 'z-late'].toSorted());
  });
});
