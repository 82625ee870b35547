import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  ImportKeysResponse,
  type ImportedKey,
  type ImportKeysResult,
} from '../../proto/gen/latchkey/v1/key_service.ts';
import { KeyState, type DeepPartial } from '../../proto/gen/latchkey/v1/key.ts';
import { failureOf } from '../support/failure-of.ts';
import { createTestClock } from '../support/test-clock.ts';
import { KEY_ATTRIBUTE_ROWS } from './support/bad-input/key-rows.ts';
import { encodeRequest, rpcOf, withField } from './support/contract.ts';
import { judge, verdictOf } from './support/judge.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const digestOf = (token: string, encoding: 'hex' | 'base64' | 'base64url' = 'hex'): string =>
  createHash('sha256').update(token, 'utf8').digest(encoding);
const newToken = (): string => `sk_live_${randomUUID()}`;
/** The position of the newest change. */
const head = async (): Promise<string> => (await served().root.verify.verify({ token: 'x' })).revision;

async function importAll(
  keys: readonly DeepPartial<ImportedKey>[],
  keyspaceId = served().keyspaceId,
): Promise<readonly ImportKeysResult[]> {
  return (await served().root.keys.importKeys({ keyspaceId, keys: [...keys] })).results;
}

/** Imports one key that must be taken in. */
async function importOne(
  token: string,
  key: NonNullable<DeepPartial<ImportedKey>['key']> = {},
): Promise<string> {
  const [result] = await importAll([{ key, sha256: digestOf(token) }]);
  expect(result).toMatchObject({ error: '', errorReason: '', alreadyImported: false });
  return result?.id ?? '';
}

// First, for it is about a server that has never seen an import.
test('a foreign token is MALFORMED before the first import, and judged from then on', async () => {
  const { root, keyspaceId, metric } = served();
  const [token, other] = [newToken(), newToken()];
  const before = await metric('latchkey_key_loads');
  expect(await verdictOf(root, { token })).toBe('MALFORMED');
  expect(await verdictOf(root, { token: other })).toBe('MALFORMED');
  // It costs no look-up.
  expect(await metric('latchkey_key_loads')).toBe(before);

  const id = await importOne(token);
  expect(await verdictOf(root, { token })).toBe('VALID');
  expect(await verdictOf(root, { token, keyspaceId })).toBe('VALID');
  expect((await root.verify.verify({ token })).key).toMatchObject({ id, keyspaceId });
  // What may have been imported and was not is not known; what cannot have been is still no token.
  expect(await verdictOf(root, { token: other })).toBe('NOT_FOUND');
  for (const none of ['', 'x'.repeat(513), `acme_${'0'.repeat(54)}`])
    expect(await verdictOf(root, { token: none })).toBe('MALFORMED');
});

describe('an imported key', () => {
  test('has all attributes that it was given, and no hint of its token', async () => {
    const { root, keyspaceId } = served();
    const { policy } = await root.policies.createPolicy({ policy: { keyspaceId, displayName: 'imports' } });
    const key = {
      displayName: 'Imported',
      ownerId: 'team-import',
      scopes: ['orders:*'],
      resourceAccess: { access: { $case: 'listed' as const, value: { ids: ['store-1'] } } },
      restrictions: {
        allowedIps: ['10.0.0.0/8'],
        allowedReferrers: [],
        androidApps: [],
        iosBundleIds: [],
        apiTargets: [{ api: 'orders', verbs: ['GET'], paths: [], groups: [] }],
      },
      policyIds: [policy?.id ?? ''],
      metadata: new Map([['plan', 'gold']]),
      tags: ['legacy'],
      expireTime: new Date(clock.nowMs() + 60_000),
    };
    const token = newToken();
    const id = await importOne(token, key);
    const { key: imported } = await root.keys.getKey({ id });
    expect(imported).toMatchObject({
      ...key,
      id,
      keyspaceId,
      tokenHint: '',
      state: KeyState.KEY_STATE_ACTIVE,
      createTime: new Date(clock.nowMs()),
    });
    expect(imported?.secrets).toMatchObject([{ hint: '' }]);
    expect((await root.owners.getOwner({ keyspaceId, id: 'team-import' })).keys).toMatchObject({
      active: 1n,
    });
    expect(
      JSON.stringify(imported, (_name, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    ).not.toContain(digestOf(token).slice(0, 16));
  });

  test('is judged by all its rules, as any other', async () => {
    const { root, keyspaceId } = served();
    const token = newToken();
    const id = await importOne(token, {
      ownerId: 'team-rules',
      scopes: ['orders:read'],
      resourceAccess: { access: { $case: 'listed', value: { ids: ['store-1'] } } },
      restrictions: { allowedIps: ['10.0.0.0/8'], apiTargets: [{ api: 'orders', verbs: ['GET'] }] },
      expireTime: new Date(clock.nowMs() + 60_000),
    });
    const good = {
      token,
      client: { ip: '10.0.0.1' },
      operation: { api: 'orders', verb: 'GET', path: '/' },
      resource: 'store-1',
      scopes: ['orders:read'],
    };
    expect(await verdictOf(root, good)).toBe('VALID');
    expect(await judge(root, { ...good, client: {} })).toMatchObject({ refusal: 'IP_MISSING' });
    expect(await verdictOf(root, { ...good, operation: { api: 'stores' } })).toBe('OPERATION_NOT_ALLOWED');
    expect(await verdictOf(root, { ...good, resource: 'store-2' })).toBe('RESOURCE_NOT_ALLOWED');
    expect(await judge(root, { ...good, scopes: ['x'] })).toMatchObject({ missingScopes: ['x'] });
    expect(await verdictOf(root, { ...good, token: `${token} ` })).toBe('NOT_FOUND');
    expect(
      await verdictOf(root, { ...good, keyspaceId: 'ks_0000000000000000' }).catch(() => 'refused'),
    ).not.toBe('VALID');
    await root.owners.suspendOwner({ keyspaceId, id: 'team-rules' });
    expect(await verdictOf(root, good)).toBe('OWNER_SUSPENDED');
    await root.owners.resumeOwner({ keyspaceId, id: 'team-rules' });
    await root.keys.updateKey({ key: { id, scopes: ['x'] }, updateMask: ['scopes'] });
    expect(await verdictOf(root, good)).toBe('SCOPE_MISSING');
    clock.advance(60_000);
    expect(await verdictOf(root, good)).toBe('EXPIRED');
  });

  test('is switched off and on, deleted and brought back, and revoked, each at once', async () => {
    const { root } = served();
    const token = newToken();
    const id = await importOne(token);
    const now = (): Promise<string> => verdictOf(root, { token });
    expect(await now()).toBe('VALID');
    await root.keys.disableKey({ id });
    expect(await now()).toBe('DISABLED');
    await root.keys.enableKey({ id });
    expect(await now()).toBe('VALID');
    await root.keys.deleteKey({ id });
    expect(await now()).toBe('NOT_FOUND');
    await root.keys.undeleteKey({ id });
    expect(await now()).toBe('VALID');
    await root.keys.revokeKey({ id });
    expect(await now()).toBe('REVOKED');
  });

  test('is found by its token, in every state, and by no other text', async () => {
    const { root, clients, issueRoot, newKeyspace } = served();
    const token = newToken();
    const id = await importOne(token);
    const lookUp = (value: string, from = root) =>
      failureOf((options) => from.keys.lookupKey({ by: { $case: 'token', value } }, options));
    const found = async () => (await root.keys.lookupKey({ by: { $case: 'token', value: token } })).key?.id;
    expect(await found()).toBe(id);
    expect((await root.keys.lookupKey({ by: { $case: 'prefix', value: id } })).key?.id).toBe(id);
    for (const text of [`${token}x`, token.slice(1), digestOf(token), `sha256:${digestOf(token)}`, id])
      expect(await lookUp(text)).toMatchObject({ code: 5, reason: 'KEY_NOT_FOUND' });
    // Nor is it a token: what is verified is not its digest.
    for (const text of [digestOf(token), `sha256:${digestOf(token)}`])
      expect(await verdictOf(root, { token: text })).toBe('NOT_FOUND');
    const confined = clients((await issueRoot(['keys:read', 'verify'], [(await newKeyspace()).id])).token);
    expect(await lookUp(token, confined)).toMatchObject({ code: 5, reason: 'KEY_NOT_FOUND' });
    expect(await verdictOf(confined, { token })).toBe('NOT_FOUND');
    await root.keys.revokeKey({ id });
    await root.keys.deleteKey({ id });
    expect(await found()).toBe(id);
  });

  test('may have any token, of up to 512 characters, in any alphabet', async () => {
    const { root } = served();
    const tokens = [
      'x',
      'x'.repeat(512),
      '🔑'.repeat(256),
      ' ',
      'Bearer x',
      'a\nb\0c',
      'ключ',
      'sha256:',
      'key_0000000000000000',
    ];
    const results = await importAll(tokens.map((token) => ({ sha256: digestOf(token) })));
    for (const [index, token] of tokens.entries()) {
      expect(results[index]?.error).toBe('');
      expect((await root.verify.verify({ token })).key?.id, JSON.stringify(token)).toBe(results[index]?.id);
    }
  });
});

describe('a digest', () => {
  test('is taken in hex and in base64, with and without padding, and is the same in each', async () => {
    const { root } = served();
    // So many that all letters of base64 occur.
    for (let round = 0; round < 5; round += 1) {
      const token = newToken();
      const spellings = [
        digestOf(token),
        digestOf(token).toUpperCase(),
        digestOf(token, 'base64'),
        digestOf(token, 'base64').replace('=', ''),
        digestOf(token, 'base64url'),
        `${digestOf(token, 'base64url')}=`,
      ];
      const results = await importAll(spellings.map((sha256) => ({ sha256 })));
      const [first, ...others] = results;
      expect(first).toMatchObject({ error: '', alreadyImported: false });
      for (const other of others) expect(other).toEqual({ ...first, alreadyImported: true });
      expect((await root.verify.verify({ token })).key?.id).toBe(first?.id);
    }
  });

  test('that is none is refused, and not told back', async () => {
    const token = newToken();
    const wrong = [
      '',
      'x',
      token,
      digestOf(token).slice(1),
      `${digestOf(token)}0`,
      ` ${digestOf(token)}`,
      `${digestOf(token)}\n`,
      `sha256:${digestOf(token)}`,
      `0x${digestOf(token)}`,
      digestOf(token).replace(/^./, 'g'),
      `${digestOf(token, 'base64')}=`,
      digestOf(token, 'base64').slice(1),
      createHash('sha1').update(token).digest('hex'),
      createHash('sha512').update(token).digest('hex'),
      '🔑'.repeat(64),
    ];
    const results = await importAll(wrong.map((sha256) => ({ sha256 })));
    for (const [index, result] of results.entries()) {
      expect(result, wrong[index]).toMatchObject({
        id: '',
        errorReason: 'INVALID_FIELD',
        alreadyImported: false,
      });
      expect(result.error).toMatch(/^sha256: /);
      expect(result.error).not.toContain(wrong[index] === '' || wrong[index] === 'x' ? '\0' : wrong[index]);
    }
    expect(await verdictOf(served().root, { token })).toBe('NOT_FOUND');
  });

  test('that a key of the keyspace has is told as imported before, and nothing of that key is changed', async () => {
    const { root } = served();
    const token = newToken();
    const id = await importOne(token, { displayName: 'first' });
    const before = [await root.keys.getKey({ id }), await head()];
    const [again] = await importAll([
      { key: { displayName: 'second', ownerId: 'nobody' }, sha256: digestOf(token) },
    ]);
    expect(again).toEqual({ id, error: '', errorReason: '', alreadyImported: true });
    expect([await root.keys.getKey({ id }), await head()]).toEqual(before);
  });

  test('that a key of another keyspace or a deleted one has is taken; of whom is not told', async () => {
    const { root, newKeyspace } = served();
    const { id: elsewhere } = await newKeyspace();
    const [used, deleted] = [newToken(), newToken()];
    const usedId = await importOne(used);
    const deletedId = await importOne(deleted);
    await root.keys.deleteKey({ id: deletedId });
    const taken = { id: '', errorReason: 'DIGEST_TAKEN', alreadyImported: false };
    const results = [
      ...(await importAll([{ sha256: digestOf(used) }, { sha256: digestOf(deleted) }], elsewhere)),
      ...(await importAll([{ sha256: digestOf(deleted) }])),
    ];
    expect(results).toMatchObject([taken, taken, taken]);
    for (const { error } of results) expect(error).not.toMatch(/key_|ks_/);
    expect((await root.verify.verify({ token: used })).key?.id).toBe(usedId);
    await root.keys.undeleteKey({ id: deletedId });
    const [again] = await importAll([{ sha256: digestOf(deleted) }]);
    expect(again).toMatchObject({ id: deletedId, alreadyImported: true });
  });
});

describe('an entry that cannot be taken in', () => {
  test('keeps no other out, and says what is wrong with it', async () => {
    const { root, keyspaceId, newKeyspace } = served();
    const { id: elsewhere } = await newKeyspace();
    const tokens = Array.from({ length: 10 }, newToken);
    const sha256 = (index: number): string => digestOf(tokens[index] ?? '');
    const results = await importAll([
      { sha256: sha256(0) },
      { key: { id: 'key_0000000000000000' }, sha256: sha256(1) },
      { key: { state: KeyState.KEY_STATE_DISABLED }, sha256: sha256(2) },
      { key: { keyspaceId: elsewhere }, sha256: sha256(3) },
      { key: { policyIds: ['pol_0000000000000000'] }, sha256: sha256(4) },
      { key: { expireTime: new Date(clock.nowMs()) }, sha256: sha256(5) },
      { key: { limits: [{ name: 'calls' }] }, sha256: sha256(6) },
      { key: { restrictions: { apiTargets: [{ api: 'x', groups: ['y'] }] } }, sha256: sha256(7) },
      { key: { keyspaceId }, sha256: sha256(8) },
      { key: { displayName: '\0', tags: [''] }, sha256: 'x' },
    ]);
    expect(results.map(({ id, errorReason }) => [id !== '', errorReason])).toEqual([
      [true, ''],
      [false, 'INVALID_FIELD'],
      [false, 'INVALID_FIELD'],
      [false, 'INVALID_FIELD'],
      [false, 'POLICY_NOT_FOUND'],
      [false, 'INVALID_FIELD'],
      [false, 'INVALID_FIELD'],
      [false, 'INVALID_FIELD'],
      [true, ''],
      [false, 'INVALID_FIELD'],
    ]);
    expect(results.map(({ error }) => error.split(':')[0])).toEqual([
      '',
      'key.id',
      'key.state',
      'key.keyspace_id',
      'there is no policy pol_0000000000000000',
      'key.expire_time',
      'key.limits[0]',
      'key.restrictions.api_targets[0].groups[0]',
      '',
      'sha256',
    ]);
    expect(results[9]?.error).toMatch(/key\.display_name: .*key\.tags\[0\]: /);
    for (const [index, token] of tokens.entries())
      expect(await verdictOf(root, { token })).toBe(index === 0 || index === 8 ? 'VALID' : 'NOT_FOUND');
    // Put right, those that were left out are taken in.
    const [put] = await importAll([{ sha256: sha256(1) }]);
    expect(put).toMatchObject({ error: '', alreadyImported: false });
  });

  test('is refused for every bad value that CreateKey refuses, with the same fields', async () => {
    const { raw, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const rpc = rpcOf('KeyService/ImportKeys');
    const entry = rpcOf('KeyService/CreateKey').input;
    const connection = raw();
    const rows = KEY_ATTRIBUTE_ROWS.filter(({ refused }) => refused.length > 0);
    expect(rows.length).toBeGreaterThan(150);
    for (let start = 0; start < rows.length; start += 20) {
      const some = rows.slice(start, start + 20);
      const keys = some.map(({ set }) => ({
        ...Object.entries(set).reduce((fields, [path, value]) => withField(entry, fields, path, value), {}),
        sha256: digestOf(newToken()),
      }));
      const answer = await connection.call({
        path: rpc.path,
        message: encodeRequest(rpc, { keyspaceId, keys }),
      });
      expect(answer.code).toBe(0);
      const { results } = ImportKeysResponse.decode(answer.messages[0] ?? Buffer.alloc(0));
      for (const [index, row] of some.entries()) {
        expect(results[index], row.what).toMatchObject({ id: '', errorReason: 'INVALID_FIELD' });
        for (const field of row.refused) expect(results[index]?.error, row.what).toContain(`${field}: `);
      }
    }
  });

  test('follows the keyspace’s rules for new keys', async () => {
    const { root, newKeyspace } = served();
    const { id: strict } = await newKeyspace({ requireExpiry: true, maxTtl: { seconds: 3600n, nanos: 0 } });
    const { id: defaulting } = await newKeyspace({ defaultTtl: { seconds: 60n, nanos: 0 } });
    const entry = (ms?: number): DeepPartial<ImportedKey> => ({
      ...(ms === undefined ? {} : { key: { expireTime: new Date(clock.nowMs() + ms) } }),
      sha256: digestOf(newToken()),
    });
    const results = await importAll([entry(), entry(3_600_001), entry(3_600_000)], strict);
    expect(results.map(({ errorReason }) => errorReason)).toEqual(['INVALID_FIELD', 'INVALID_FIELD', '']);
    const [defaulted] = await importAll([entry()], defaulting);
    const { key } = await root.keys.getKey({ id: defaulted?.id ?? '' });
    expect(key?.expireTime).toEqual(new Date(clock.nowMs() + 60_000));
  });
});

describe('an import', () => {
  test('of a thousand keys takes in each of them', async () => {
    const { root, newKeyspace } = served();
    const { id: keyspaceId } = await newKeyspace();
    const tokens = Array.from({ length: 1000 }, newToken);
    const keys = tokens.map((token, index) => ({
      key: { ownerId: `team-${index % 10}`, tags: [`n${index}`] },
      sha256: digestOf(token),
    }));
    const results = await importAll(keys, keyspaceId);
    expect(new Set(results.map(({ id }) => id)).size).toBe(1000);
    for (let start = 0; start < 1000; start += 250) {
      const { responses } = await root.verify.batchVerify({
        requests: tokens.slice(start, start + 250).map((token) => ({ token })),
      });
      for (const [index, { result }] of responses.entries()) {
        const value = result?.$case === 'response' ? result.value : undefined;
        expect(value).toMatchObject({
          valid: true,
          key: { id: results[start + index]?.id, tags: [`n${start + index}`] },
        });
      }
    }
    // All of it again: nothing is new.
    const revision = await head();
    const again = await importAll(keys, keyspaceId);
    expect(again).toEqual(
      results.map(({ id }) => ({ id, error: '', errorReason: '', alreadyImported: true })),
    );
    expect(await head()).toBe(revision);
  });

  test('is made once for each request id', async () => {
    const { root, keyspaceId } = served();
    const request = {
      keyspaceId,
      keys: [{ sha256: digestOf(newToken()) }, { sha256: '' }],
      requestId: randomUUID(),
    };
    const first = await root.keys.importKeys(request);
    // As it was answered: not as imported before.
    expect(await root.keys.importKeys(request)).toEqual(first);
    expect(first.results[0]?.alreadyImported).toBe(false);
    expect(
      await failureOf((options) =>
        root.keys.importKeys({ ...request, keys: [{ sha256: digestOf(newToken()) }] }, options),
      ),
    ).toMatchObject({ code: 3, reason: 'IDEMPOTENCY_MISMATCH' });
  });

  test('in which nothing is taken in changes nothing', async () => {
    const { root, keyspaceId } = served();
    const before = await head();
    const { revision } = await root.keys.importKeys({ keyspaceId, keys: [{ sha256: '' }, {}] });
    expect(revision).toBe(before);
    expect(await head()).toBe(before);
  });

  test('of root keys is refused, and so is one into a keyspace that is not there or out of reach', async () => {
    const { root, clients, issueRoot, keyspaceId, newKeyspace } = served();
    const { id: inside } = await newKeyspace();
    const confined = clients((await issueRoot(['keys:write'], [inside])).token);
    const token = newToken();
    const keys = [{ key: { scopes: ['admin'] }, sha256: digestOf(token) }];
    const failure = (into: string, from = root) =>
      failureOf((options) => from.keys.importKeys({ keyspaceId: into, keys }, options));
    expect(await failure('ks_latchkey')).toMatchObject({ code: 9, reason: 'KEYSPACE_BUILT_IN' });
    expect(await failure('ks_0000000000000000')).toMatchObject({ code: 5, reason: 'KEYSPACE_NOT_FOUND' });
    for (const into of [keyspaceId, 'ks_latchkey', 'ks_0000000000000000'])
      expect(await failure(into, confined)).toMatchObject({ code: 7, reason: 'CALLER_KEYSPACE_NOT_ALLOWED' });
    expect(await verdictOf(root, { token })).toBe('NOT_FOUND');
    const { results } = await confined.keys.importKeys({ keyspaceId: inside, keys });
    expect(results).toMatchObject([{ error: '' }]);
    // A foreign token opens nothing of Latchkey itself.
    expect(await failureOf((options) => clients(token).keys.listKeys({}, options))).toMatchObject({
      code: 16,
      reason: 'CALLER_UNKNOWN',
    });
  });
});
