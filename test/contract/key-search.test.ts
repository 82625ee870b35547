import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { readKeyPage } from '../../server/store/read-key-page.ts';
import { foldText, gramsQuery } from '../../server/store/search-text.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS, everyKeyOf, newKey, newKeyspace } from './records.ts';

/** What a query of the database could take for its own, and what has more than one code unit or byte. */
const CHARACTERS = [
  'a',
  'b',
  'B',
  ' ',
  "'",
  '\\',
  '&',
  '|',
  '!',
  '(',
  ':',
  '*',
  '<',
  '%',
  '_',
  'ß',
  'é',
  '𝄞',
  '鍵',
];
const text = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...CHARACTERS), minLength, maxLength });

const KEYSPACE = newKeyspace();
const NAMES = fc.sample(text(0, 12), { numRuns: 300, seed: 7 });
const KEYS = NAMES.map((displayName, index) =>
  newKey(KEYSPACE.id, { displayName, ownerId: `owner-${index % 7}` }),
);

onEachEngine((subject) => {
  beforeAll(async () => {
    await subject().store.keyspaces.insert(KEYSPACE);
    for (const key of KEYS) await subject().store.keys.insert(key);
  });

  /** What is found along the list; the same must be found by the index, which few keys need not go to. */
  const search = async (sought: string): Promise<string[]> => {
    const filter = { ...everyKeyOf(KEYSPACE.id), search: sought };
    const page = { filter, newestFirst: true, after: undefined, limit: 1000, nowMs: CREATED_MS };
    const found = (await subject().store.keys.list(page)).map(({ id }) => id).toSorted();
    const byIndex = await readKeyPage(subject().engine.knex, page, 1);
    expect(byIndex.map(({ id }) => id).toSorted()).toEqual(found);
    return found;
  };

  it('finds exactly the keys that hold a text, whatever its characters', async () => {
    await fc.assert(
      fc.asyncProperty(text(1, 6), async (sought) => {
        const holding = KEYS.filter(({ displayName, ownerId, id }) =>
          [displayName, ownerId, id].some((one) => one.toLowerCase().includes(sought.toLowerCase())),
        );
        expect(await search(sought)).toEqual(holding.map(({ id }) => id).toSorted());
      }),
      { numRuns: 300 },
    );
  });

  it('finds the grams of a text in the order of the index, and not a text of the same grams in another', async () => {
    const key = newKey(KEYSPACE.id, { displayName: 'xyzyxyz zyx' });
    await subject().store.keys.insert(key);
    expect(await search('XYZYX')).toEqual([key.id]);
    expect(await search('zyxyzy')).toEqual([]);
  });

  it('follows the name, and an owner that is gone', async () => {
    const { keys } = subject().store;
    const key = newKey(KEYSPACE.id, { displayName: 'first name', ownerId: 'passing-owner' });
    await keys.insert(key);
    await keys.update({ ...key, displayName: 'second name' });
    expect([await search('first name'), await search('second name')]).toEqual([[], [key.id]]);
    await keys.detachOwner(KEYSPACE.id, 'passing-owner', CREATED_MS);
    expect(await search('passing-owner')).toEqual([]);
    expect([await search('second name'), await search(key.id)]).toEqual([[key.id], [key.id]]);
  });

  it('is answered by the index where few keys hold the text', async () => {
    const { knex } = subject().engine;
    await knex.transaction(async (trx) => {
      await trx.raw('SET LOCAL enable_seqscan = off');
      const { rows } = (await trx.raw(
        'EXPLAIN SELECT id FROM keys WHERE latchkey_grams(search_text) @@ ?::tsquery',
        [gramsQuery(foldText('second'))],
      )) as unknown as { readonly rows: readonly { readonly 'QUERY PLAN': string }[] };
      expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('keys_by_gram');
    });
  });
});

describe('a folded text', () => {
  it.each([
    ['ORDERS', 'orders'],
    ['ΟΔΟΣ', 'οδοσ'],
    ['οδος', 'οδοσ'],
    ['Ａ１', 'a1'],
    ['e\u0301', 'é'],
  ])('of %s is %s', (before, after) => {
    expect(foldText(before)).toBe(after);
  });
});
