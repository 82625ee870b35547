import { expect, test } from 'vitest';
import type { KeyRecord } from '../../../core/key.ts';
import type { Caller } from '../../../server/callers/caller.ts';
import { undeleteKey } from '../../../server/lifecycle/delete-key.ts';
import type { Effect, Mutate } from '../../../server/lifecycle/mutation.ts';
import type { Repositories } from '../../../server/lifecycle/ports.ts';
import { issueKey } from '../support/issue-key.ts';

const caller: Caller = {
  keyId: 'key_caller',
  holds: () => true,
  reaches: () => true,
  confinedTo: undefined,
  managesRootKeys: false,
};

/** What memory is told to forget when a key is undeleted. */
async function toldOf(key: KeyRecord): Promise<Effect<object>['changes']> {
  const tx = {
    keys: { get: async () => key, update: async () => {} },
    owners: { ensure: async () => [] },
  } as unknown as Repositories;
  let told: Effect<object>['changes'];
  const mutate = (async (
    _rpc: string,
    _request: object,
    body: (tx: Repositories, nowMs: number) => Promise<Effect<object>>,
  ) => {
    const { answer, changes } = await body(tx, 1000);
    told = changes;
    return answer;
  }) as unknown as Mutate;
  await undeleteKey(mutate, { caller, requestId: '', id: key.id, etag: '' });
  return told;
}

const { key } = issueKey({ deleteTimeMs: 1, purgeTimeMs: 2 });

test('a key that comes back is forgotten by its id', async () => {
  expect(await toldOf(key)).toEqual([{ kind: 'key', id: key.id }]);
});

test('an imported key that comes back ends also what is known of foreign tokens: its own belonged to no key', async () => {
  const imported = { ...key, secrets: key.secrets.map((secret) => ({ ...secret, imported: true })) };
  expect(await toldOf(imported)).toEqual([{ kind: 'key', id: key.id }, { kind: 'imports' }]);
});
