import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyFilter } from '../../sdk/src/index.ts';
import { startServer } from '../support/start-server.ts';
import { createDataDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';
import { createTestClock } from '../support/test-clock.ts';
import { openServed, type IssuedKey, type Served } from './support/serve-latchkey.ts';

const clock = createTestClock();
const CREATED_MS = clock.nowMs();
const MINUTE_MS = 60_000;
const USED_MS = CREATED_MS + MINUTE_MS;
let directory: TemporaryDirectory;
let served: Served & { close(): Promise<void> };
let keyspaceId: string;
const keys = new Map<string, IssuedKey>();

// Uses are written every ten seconds, and when the server stops: it is started twice.
beforeAll(async () => {
  directory = await createDataDirectory();
  const first = await openServed(await startServer({ dataDir: directory.path, clock }));
  ({ keyspaceId } = first);
  for (const name of ['verified', 'in a batch', 'looked at', 'disabled', 'not presented'])
    keys.set(name, await first.issue({ displayName: name }));
  const token = (name: string): string => keys.get(name)?.token ?? '';
  await first.latchkey.keys.disable(keys.get('disabled')?.id ?? '');
  keys.set('confined caller', await first.issueRoot(['verify'], [keyspaceId]));

  clock.advance(MINUTE_MS);
  await first.latchkey.verify({ token: token('verified') });
  clock.advance(1);
  await first.latchkey.verify({ token: token('verified') });
  await first.latchkey.verify({ token: token('looked at'), checkOnly: true });
  await first.latchkey.verify({ token: token('disabled') });
  await first.sdk(token('confined caller')).verifyBatch([{ token: token('in a batch'), keyspaceId }]);
  await first.close();
  served = await openServed(await startServer({ dataDir: directory.path, clock }));
});

afterAll(async () => {
  await served.close();
  await directory.remove();
});

const lastUsed = async (name: string): Promise<readonly (Date | null)[]> => {
  const key = await served.latchkey.keys.get(keys.get(name)?.id ?? '');
  return [key.lastUsedTime, ...key.secrets.map(({ lastUsedTime }) => lastUsedTime)];
};

describe('the last use of a key', () => {
  test.each([
    ['verified', USED_MS],
    ['in a batch', USED_MS + 1],
    ['confined caller', USED_MS + 1],
  ])('is told of one that was %s, to the minute', async (name, timeMs) => {
    expect(await lastUsed(name)).toEqual([new Date(timeMs), new Date(timeMs)]);
  });

  test.each(['looked at', 'disabled', 'not presented'])('is none of one that was %s', async (name) => {
    expect(await lastUsed(name)).toEqual([null, null]);
  });

  test('is told in lists and by changes too', async () => {
    const { latchkey } = served;
    const { keys: listed } = await latchkey.keys.list({ filter: { keyspaceId, search: 'verified' } });
    expect(listed.map(({ lastUsedTime }) => lastUsedTime)).toEqual([new Date(USED_MS)]);
    const { key } = await latchkey.keys.update(keys.get('verified')?.id ?? '', { tags: ['seen'] });
    expect(key.lastUsedTime).toEqual(new Date(USED_MS));
  });
});

test('keys are found by how long they were not used', async () => {
  const found = async (filter: KeyFilter): Promise<readonly string[]> => {
    const { keys: listed } = await served.latchkey.keys.list({ filter: { keyspaceId, ...filter } });
    return listed.map(({ displayName }) => displayName).toSorted();
  };
  const unused = ['disabled', 'looked at', 'not presented'];
  expect(await found({ lastUsedBefore: new Date(CREATED_MS) })).toEqual([]);
  expect(await found({ lastUsedBefore: new Date(USED_MS) })).toEqual(unused);
  expect(await found({ lastUsedBefore: new Date(USED_MS + 1) })).toEqual([...unused, 'verified']);
  expect(await found({ lastUsedBefore: new Date(USED_MS), states: ['ACTIVE'] })).toEqual([
    'looked at',
    'not presented',
  ]);
});
