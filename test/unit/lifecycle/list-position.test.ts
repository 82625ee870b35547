import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { callerOf } from '../../../server/callers/caller.ts';
import { listKeys, type ListKeysRequest } from '../../../server/lifecycle/list-keys.ts';
import { listKeyspaces } from '../../../server/lifecycle/keyspaces.ts';
import { EVERY_KEY, type KeyPage, type Repositories } from '../../../server/lifecycle/ports.ts';
import { issueKey } from '../support/issue-key.ts';

const NOW_MS = Date.UTC(2025, 5, 1);
const keys = Array.from({ length: 5 }, () => issueKey().key);

/** A store that holds the keys, in this order, and remembers what it was asked. */
function storeOf(pages: KeyPage[]): Repositories {
  const list = async (page: KeyPage) => {
    pages.push(page);
    const start = page.after === undefined ? 0 : keys.findIndex(({ id }) => id === page.after?.id) + 1;
    return keys.slice(start, start + page.limit);
  };
  return { keys: { list } } as unknown as Repositories;
}

function request(change: Partial<ListKeysRequest> = {}): ListKeysRequest {
  return {
    caller: callerOf(compileSnapshot(issueKey({ scopes: ['keys:read'] }).key)),
    pageSize: 2,
    pageToken: '',
    filter: { ...EVERY_KEY, keyspaceId: undefined },
    newestFirst: true,
    nowMs: NOW_MS,
    ...change,
  };
}

/** A page token with another position in it. */
function withPosition(pageToken: string, position: unknown): string {
  const { q } = JSON.parse(Buffer.from(pageToken, 'base64url').toString()) as { readonly q: string };
  return Buffer.from(JSON.stringify({ q, p: position })).toString('base64url');
}

/** A page token of this list with another position in it. */
async function tokenWith(position: unknown): Promise<string> {
  return withPosition((await listKeys(storeOf([]), request())).nextPageToken, position);
}

test('pages hold every key once, and the last one says so', async () => {
  const pages: KeyPage[] = [];
  const listed: string[] = [];
  let pageToken = '';
  do {
    const page = await listKeys(storeOf(pages), request({ pageToken }));
    listed.push(...page.keys.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  expect(listed).toEqual(keys.map(({ id }) => id));
  expect(pages).toHaveLength(3);
});

test('a page that ends with the last key is the last one', async () => {
  const page = await listKeys(storeOf([]), request({ pageSize: 5 }));
  expect(page.keys).toHaveLength(5);
  expect(page.nextPageToken).toBe('');
});

describe('a position that no page ended at', () => {
  const { createTimeMs, id } = keys[1] ?? { createTimeMs: 0, id: '' };

  test('the sample itself is taken', async () => {
    const pages: KeyPage[] = [];
    await listKeys(storeOf(pages), request({ pageToken: await tokenWith({ createTimeMs, id }) }));
    expect(pages[0]?.after).toEqual({ createTimeMs, id });
  });

  // Most would be an error of the database, and so INTERNAL, if they were let through.
  test.each([
    ['with a NUL in its id', { createTimeMs, id: `${id.slice(0, -1)}\0` }],
    ['with an id that is none', { createTimeMs, id: 'x' }],
    ['with a lone surrogate', { createTimeMs, id: `${id.slice(0, -1)}\ud800` }],
    ['with a time after the last', { createTimeMs: Number.MAX_SAFE_INTEGER, id }],
    ['with a time before the first', { createTimeMs: Number.MIN_SAFE_INTEGER, id }],
    ['with a text for a time', { createTimeMs: String(createTimeMs), id }],
    ['without a time', { id }],
    ['without an id', { createTimeMs }],
  ])('%s is refused as a page token', async (_what, position) => {
    const pages: KeyPage[] = [];
    const listing = listKeys(storeOf(pages), request({ pageToken: await tokenWith(position) }));
    await expect(listing).rejects.toThrow(Fault);
    await expect(listing).rejects.toMatchObject({ reason: 'INVALID_FIELD' });
    expect(pages).toEqual([]);
  });
});

describe('a position in the list of keyspaces', () => {
  const caller = callerOf(compileSnapshot(issueKey({ scopes: ['config:read'] }).key));
  const keyspaces = ['a', 'b', 'c'].map((slug) => ({ slug }));

  function keyspaceStore(asked: unknown[]): Repositories {
    const list = async (page: { readonly afterSlug: string | undefined; readonly limit: number }) => {
      asked.push(page.afterSlug);
      return keyspaces.filter(({ slug }) => slug > (page.afterSlug ?? '')).slice(0, page.limit);
    };
    return { keyspaces: { list } } as unknown as Repositories;
  }

  test('leads through all of them', async () => {
    const asked: unknown[] = [];
    const first = await listKeyspaces(keyspaceStore(asked), { caller, pageSize: 2, pageToken: '' });
    const next = { caller, pageSize: 2, pageToken: first.nextPageToken };
    const second = await listKeyspaces(keyspaceStore(asked), next);
    expect([...first.keyspaces, ...second.keyspaces]).toEqual(keyspaces);
    expect(second.nextPageToken).toBe('');
    expect(asked).toEqual([undefined, 'b']);
  });

  test.each([
    ['with a NUL in its slug', { slug: 'a\0' }],
    ['with a number for a slug', { slug: 1 }],
    ['without a slug', {}],
  ])('%s is refused as a page token', async (_what, position) => {
    const asked: unknown[] = [];
    const { nextPageToken } = await listKeyspaces(keyspaceStore([]), { caller, pageSize: 1, pageToken: '' });
    const listing = listKeyspaces(keyspaceStore(asked), {
      caller,
      pageSize: 1,
      pageToken: withPosition(nextPageToken, position),
    });
    await expect(listing).rejects.toMatchObject({ reason: 'INVALID_FIELD' });
    expect(asked).toEqual([]);
  });
});
