import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseToken } from '../../core/token.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import {
  CreateKeyResponse,
  LookupKeyResponse,
  RotateKeyResponse,
} from '../../proto/gen/latchkey/v1/key_service.ts';
import { CreatePolicyResponse } from '../../proto/gen/latchkey/v1/policy_service.ts';
import { VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { captureLogger } from '../support/capture-logger.ts';
import { openEmbeddedEngine } from '../support/open-engine.ts';
import { startServer, type TestServer } from '../support/start-server.ts';
import { createDataDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';
import { encodeRequest, rpcOf, RPCS, textPlaces, withField, type Fields } from './support/contract.ts';
import { connectRaw, type RawAnswer, type RawConnection } from './support/raw-connection.ts';
import { readMetrics } from './support/read-metrics.ts';

/** A text that may be anywhere: that it is found shows that the search works. */
const MARKER = 'harmless-marker-4711';

const log = captureLogger({ level: 'trace' });
/** What was answered to whom, on the wire: headers, trailers, details, bodies. */
const answers: { readonly to: string; readonly text: string }[] = [];

let directory: TemporaryDirectory;
let server: TestServer;
let wire: RawConnection;
let keyspaceId: string;
/** A key whose token is the canary, and one that changes are made to. */
let token: string;
let keyId: string;
let victimId: string;
/** A key with limits. */
let limitedId: string;
/** The tokens that one key had, one after the other. */
const rotatedTokens: string[] = [];
/** A second root token, and its key. */
let rootToken: string;
let rootKeyId: string;
let policyId: string;
/** Of a key that was issued elsewhere. Only its digest was ever given to Latchkey, until it is verified. */
const foreignToken = `legacy-${randomUUID()}-${randomUUID()}`;
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

async function start(): Promise<void> {
  server = await startServer({
    dataDir: directory.path,
    logger: log.logger,
    env: { LATCHKEY_LOG_LEVEL: 'trace' },
  });
  wire = connectRaw(server.address, server.rootToken);
}

async function stop(): Promise<void> {
  wire.close();
  await server.stop();
}

/** Makes a call and keeps all that came back. */
async function call(name: string, fields: Fields, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const rpc = rpcOf(name);
  const answer = await wire.call({ path: rpc.path, message: encodeRequest(rpc, fields), headers });
  const status = Status.encode(answer.status ?? Status.fromPartial({})).finish();
  const parts = [
    ...Object.entries(answer.headers).flat(),
    answer.message,
    Buffer.from(status),
    ...answer.messages,
  ];
  const text = parts.map((part) => (typeof part === 'string' ? part : part.toString('latin1'))).join('\n');
  answers.push({ to: `${name} (${answer.code})`, text });
  return answer;
}

const bodyOf = (answer: RawAnswer): Buffer => answer.messages[0] ?? Buffer.alloc(0);

/** Creates a key. Its answer is the one that holds the token, and is not kept. */
async function issue(fields: Fields): Promise<{ id: string; token: string }> {
  const created = CreateKeyResponse.decode(bodyOf(await call('KeyService/CreateKey', fields)));
  expect(answers.pop()?.text).toContain(created.token);
  return { id: created.key?.id ?? '', token: created.token };
}

/** Gives a key a new secret. Its answer is the one that holds the token, and is not kept. */
async function rotate(fields: Fields): Promise<string> {
  const rotated = RotateKeyResponse.decode(bodyOf(await call('KeyService/RotateKey', fields)));
  expect(answers.pop()?.text).toContain(rotated.token);
  return rotated.token;
}

/** What must not be found: the tokens, what is secret in them, and both as the database would print bytes. */
function canaries(): readonly string[] {
  const ours = [token, rootToken, server.rootToken, ...rotatedTokens];
  const secrets = ours.map((canary) => canary.slice(-38, -6));
  return [...ours, ...secrets, foreignToken].flatMap((text) => [text, Buffer.from(text).toString('hex')]);
}

/** The canaries and any other live-looking token in a text. */
function tokensIn(text: string): readonly string[] {
  const others = text.match(/[a-z][a-z0-9_]{0,23}_[0-9A-Za-z]{54}/g) ?? [];
  return [
    ...canaries().filter((canary) => text.includes(canary)),
    ...others.filter((candidate) => parseToken(candidate) !== undefined),
  ];
}

/** A request of every RPC that goes through, so far as it can. */
function goodRequest(name: string): Fields {
  const mask = (...paths: string[]): Fields => ({ paths });
  const subject = { subject: { case: 'keyId', value: limitedId } };
  const credits = { subject, limit: 'credits', note: MARKER };
  const calls = { subject, limit: 'calls', note: MARKER };
  const requests: Record<string, Fields> = {
    'VerifyService/Verify': { token },
    'VerifyService/BatchVerify': { requests: [{ token }] },
    'KeyService/CreateKey': { key: { keyspaceId, displayName: MARKER } },
    'KeyService/UpdateKey': {
      key: { id: victimId },
      updateMask: mask(
        'display_name',
        'owner_id',
        'scopes',
        'resource_access',
        'restrictions',
        'policy_ids',
        'limits',
        'metadata',
        'tags',
      ),
    },
    'KeyService/ListKeys': {},
    'ReplicaService/ListReplicas': {},
    'KeyService/BatchRevokeKeys': { keyspaceId, tag: 'nobody' },
    'KeyService/ImportKeys': {
      keyspaceId,
      keys: [{ key: { displayName: MARKER }, sha256: digestOf(randomUUID()) }],
    },
    'KeyService/ReportLeakedKey': { token: `x${foreignToken}` },
    'KeyService/LookupKey': { by: { case: 'token', value: token } },
    'KeyspaceService/CreateKeyspace': { keyspace: { slug: `canary-${randomUUID()}`, tokenPrefix: 'acme' } },
    'KeyspaceService/GetKeyspace': { id: keyspaceId },
    'KeyspaceService/ListKeyspaces': {},
    'KeyspaceService/UpdateKeyspace': {
      keyspace: { id: keyspaceId, tokenPrefix: 'acme' },
      updateMask: mask('display_name', 'token_prefix'),
    },
    'KeyspaceService/DeleteKeyspace': { id: keyspaceId },
    'PolicyService/CreatePolicy': { policy: { keyspaceId, displayName: `canary ${randomUUID()}` } },
    'PolicyService/GetPolicy': { id: policyId },
    'PolicyService/ListPolicies': { keyspaceId },
    'PolicyService/UpdatePolicy': {
      policy: { id: policyId, displayName: `canary ${randomUUID()}` },
      updateMask: mask(
        'display_name',
        'scopes',
        'resource_access',
        'restrictions',
        'limits',
        'metadata',
        'tags',
      ),
    },
    'PolicyService/DeletePolicy': { id: policyId },
    'OwnerService/CreateOwner': { owner: { keyspaceId, id: `canary ${randomUUID()}` } },
    'OwnerService/UpdateOwner': {
      owner: { keyspaceId, id: MARKER, displayName: randomUUID() },
      updateMask: mask('display_name', 'metadata', 'limits'),
    },
    'OwnerService/ListOwners': { keyspaceId },
    ...Object.fromEntries(
      ['GetOwner', 'SuspendOwner', 'ResumeOwner'].map((rpc) => [
        `OwnerService/${rpc}`,
        { keyspaceId, id: MARKER },
      ]),
    ),
    'OwnerService/DeleteOwner': { keyspaceId, id: MARKER },
    'LimitService/GetLimitStatus': { subject: { subject: { case: 'keyId', value: victimId } } },
    'LimitService/AdjustCredits': { ...credits, change: { case: 'add', value: 1n } },
    'LimitService/SetLimitOverride': { ...calls, until: { case: 'ttl', value: { seconds: 60n, nanos: 0 } } },
    'LimitService/ClearLimitOverride': calls,
  };
  return requests[name] ?? { id: victimId };
}

/** A canary in every text of every request, one at a time. */
async function driveThroughEveryText(texts: readonly string[]): Promise<number> {
  let calls = 0;
  for (const { name, input } of RPCS) {
    for (const { path, value } of textPlaces(input)) {
      // Reported as leaked, a key would be revoked before the others were asked about it; that comes last.
      const harmless =
        name === 'KeyService/ReportLeakedKey' ? texts.filter((text) => text.includes(' ')) : texts;
      for (const text of harmless) {
        const fields = withField(input, goodRequest(name), path, value(text));
        const { requests } = fields as { readonly requests?: readonly Fields[] };
        const entries = requests?.map((entry): Fields => Object.assign({ token }, entry));
        const answer = await call(name, entries === undefined ? fields : { requests: entries });
        // What is created on the way has a token of its own, which belongs there.
        if (name === 'KeyService/CreateKey' && answer.code === 0) {
          const { token: own } = CreateKeyResponse.decode(bodyOf(answer));
          const kept = answers.pop();
          answers.push({ to: kept?.to ?? '', text: (kept?.text ?? '').replaceAll(own, '') });
        }
        calls += 1;
      }
    }
  }
  return calls;
}

beforeAll(async () => {
  directory = await createDataDirectory();
  await start();
  const made = await call('KeyspaceService/CreateKeyspace', {
    keyspace: { slug: 'canary', tokenPrefix: 'acme', displayName: MARKER },
  });
  keyspaceId = /ks_[0-9A-Za-z]{16}/.exec(bodyOf(made).toString('latin1'))?.[0] ?? '';
  // With request ids: then their answers are kept, for repetitions.
  const policy = await call('PolicyService/CreatePolicy', {
    policy: { keyspaceId, displayName: MARKER },
    requestId: randomUUID(),
  });
  policyId = CreatePolicyResponse.decode(bodyOf(policy)).policy?.id ?? '';
  await call('KeyService/ImportKeys', {
    keyspaceId,
    keys: [{ key: { displayName: MARKER, ownerId: MARKER }, sha256: digestOf(foreignToken) }],
    requestId: randomUUID(),
  });
  const key = { keyspaceId, displayName: MARKER, policyIds: [policyId], metadata: { a: MARKER } };
  ({ id: keyId, token } = await issue({ key, requestId: randomUUID() }));
  ({ id: victimId } = await issue({ key: { keyspaceId } }));
  const limits = [
    { name: 'calls', kind: { case: 'rate', value: { limit: 5n, window: { seconds: 60n, nanos: 0 } } } },
    { name: 'credits', kind: { case: 'credits', value: { initial: 5n } } },
  ];
  ({ id: limitedId } = await issue({ key: { keyspaceId, limits } }));
  for (const name of ['GetLimitStatus', 'AdjustCredits', 'SetLimitOverride', 'ClearLimitOverride'])
    expect((await call(`LimitService/${name}`, goodRequest(`LimitService/${name}`))).code).toBe(0);
  const rotated = await issue({ key: { keyspaceId, displayName: MARKER } });
  rotatedTokens.push(rotated.token);
  for (const way of ['CompleteRotation', 'CancelRotation', undefined]) {
    const fields = { id: rotated.id, overlap: { seconds: 60n, nanos: 0 }, requestId: randomUUID() };
    rotatedTokens.push(await rotate(fields));
    if (way !== undefined)
      expect((await call(`KeyService/${way}`, { id: rotated.id, requestId: randomUUID() })).code).toBe(0);
  }
  const rootKey = { keyspaceId: 'ks_latchkey', scopes: ['admin'] };
  ({ id: rootKeyId, token: rootToken } = await issue({ key: rootKey, requestId: randomUUID() }));
});

afterAll(async () => {
  await stop();
  await directory.remove();
});

describe('a token that was issued', () => {
  test('is accepted where it belongs: as what is verified or looked up, and not told back', async () => {
    const verified = await call('VerifyService/Verify', { token });
    expect(VerifyResponse.decode(bodyOf(verified)).valid).toBe(true);
    const found = await call('KeyService/LookupKey', { by: { case: 'token', value: token } });
    expect(LookupKeyResponse.decode(bodyOf(found)).key?.id).toBe(keyId);
    const byPrefix = await call('KeyService/LookupKey', { by: { case: 'prefix', value: token } });
    expect(LookupKeyResponse.decode(bodyOf(byPrefix)).key?.id).toBe(keyId);
    for (const { to, text } of answers) expect(tokensIn(text), to).toEqual([]);
  });

  test('comes again only to its own caller’s repetition of the call that made it', async () => {
    const requestId = randomUUID();
    const fields = { key: { keyspaceId, displayName: 'replayed' }, requestId };
    const first = await issue(fields);
    expect(await issue(fields)).toEqual(first);
    const other = await call('KeyService/CreateKey', { ...fields, key: { keyspaceId } });
    expect(other.code).toBe(3);
  });

  test('is in no answer, whatever text it stands in and whoever sends it', async () => {
    expect(await driveThroughEveryText([`see ${token}, please`, rootToken])).toBeGreaterThan(250);
    const wrong = [
      `Bearer ${token}`,
      `Bearer ${rootToken}x`,
      `Basic ${rootToken}`,
      rootToken,
      `Bearer x ${token}`,
    ];
    for (const authorization of wrong) {
      for (const { name } of RPCS) {
        expect((await call(name, goodRequest(name), { authorization })).code).toBe(16);
      }
    }
    for (const { name } of RPCS)
      await call(name, {}, { 'x-api-key': token, 'user-agent': rootToken, 'x-bin': token });
    for (const name of ['DisableKey', 'EnableKey', 'RevokeKey', 'DeleteKey', 'GetKey', 'UndeleteKey']) {
      for (const id of [keyId, rootKeyId]) {
        expect((await call(`KeyService/${name}`, { id })).code).toBe(0);
        await call('VerifyService/Verify', { token });
        await call('VerifyService/Verify', { token: rootToken });
        await call('VerifyService/Verify', { token: `${token}x` });
      }
    }
    await call('KeyService/ListKeys', { pageSize: 1000, filter: { showDeleted: true } });
    for (const leaked of [foreignToken, token, rootToken, ...rotatedTokens]) {
      await call('VerifyService/Verify', { token: leaked });
      await call('VerifyService/BatchVerify', { requests: [{ token: leaked }, { token: `${leaked} ` }] });
      await call('KeyService/LookupKey', { by: { case: 'token', value: leaked } });
      const fields = { token: leaked, note: MARKER, requestId: randomUUID() };
      expect((await call('KeyService/ReportLeakedKey', fields)).code).toBe(0);
      expect((await call('KeyService/ReportLeakedKey', { ...fields, token: `${leaked}x` })).code).toBe(3);
      await call('KeyService/ReportLeakedKey', { token: `${leaked}x` });
    }

    const leaks = answers.filter(({ text }) => tokensIn(text).length > 0).map(({ to }) => to);
    expect([...new Set(leaks)]).toEqual([]);
    expect(answers.some(({ text }) => text.includes(MARKER))).toBe(true);
  });

  test('is in no metric, probe or address', async () => {
    const pages = [`/metrics?token=${token}`, `/${token}`, `/readyz#${token}`];
    for (const page of pages) {
      const response = await fetch(`${server.httpAddress}${page}`);
      expect(tokensIn(await response.text())).toEqual([]);
    }
    const { text } = await readMetrics(server.httpAddress);
    expect(text).toContain('latchkey.v1.KeyService/LookupKey');
    expect(tokensIn(text)).toEqual([]);
  });

  test('is in no table and in no file of the database', async () => {
    await stop();
    const engine = await openEmbeddedEngine(directory.path);
    const { rows: tables } = await engine.knex.raw<{ rows: { table_name: string }[] }>(
      `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`,
    );
    const dump: string[] = [];
    for (const { table_name: table } of tables) {
      const { rows } = await engine.knex.raw<{ rows: { row: string }[] }>(
        `SELECT t::text AS row FROM ?? AS t`,
        [table],
      );
      dump.push(table, ...rows.map(({ row }) => row));
    }
    await engine.close();
    const text = dump.join('\n');
    for (const table of ['keys', 'key_secrets', 'audit_events', 'idempotency_records'])
      expect(dump).toContain(table);
    expect(text).toContain(MARKER);
    expect(tokensIn(text)).toEqual([]);

    const files = await readdir(join(directory.path, 'db'), { recursive: true, withFileTypes: true });
    let marked = 0;
    for (const file of files.filter((entry) => entry.isFile())) {
      const bytes = await readFile(join(file.parentPath, file.name));
      if (bytes.includes(MARKER)) marked += 1;
      const found = canaries().filter((canary) => bytes.includes(canary));
      expect(found, join(file.parentPath, file.name)).toEqual([]);
    }
    // In its table, and in the log that the database writes ahead.
    expect(marked).toBeGreaterThan(1);
    // The first root token has a file of its own, beside the database.
    expect((await readFile(join(directory.path, 'root-token'), 'utf8')).trim()).toBe(server.rootToken);
    await start();
  });

  test('is in no error and no log when the database refuses everything', async () => {
    await stop();
    const engine = await openEmbeddedEngine(directory.path);
    // What fails prints the row that it fails on.
    for (const table of [
      'audit_events',
      'key_secrets',
      'idempotency_records',
      'keyspaces',
      'policies',
      'owners',
    ]) {
      await engine.knex.raw('ALTER TABLE ?? ADD CONSTRAINT broken CHECK (false) NOT VALID', [table]);
    }
    await engine.close();
    await start();
    await call('KeyService/UndeleteKey', { id: victimId });
    answers.length = 0;
    const failed: (number | undefined)[] = [];
    const writes = RPCS.filter(({ name }) =>
      /\/(Create|Update|Enable|Disable|Rotate|Revoke|Delete|Suspend|Import)(Key|Keys|Keyspace|Policy|Owner)$/.test(
        name,
      ),
    );
    for (const { name } of writes) {
      for (const requestId of ['', randomUUID()]) {
        failed.push((await call(name, { ...goodRequest(name), requestId }, { 'x-api-key': token })).code);
      }
    }
    await driveThroughEveryText([token]);
    expect(failed.filter((code) => code === 13).length).toBeGreaterThan(writes.length);
    // What went wrong inside is for the log alone.
    expect(answers.filter(({ text }) => /constraint|audit_events|insert into|broken/i.test(text))).toEqual(
      [],
    );
    const leaks = answers.filter(({ text }) => tokensIn(text).length > 0).map(({ to }) => to);
    expect([...new Set(leaks)]).toEqual([]);
  });

  test('is in no line of the log, not even behind a mark that it was cut out', () => {
    expect(log.has('mutation.committed')).toBe(true);
    expect(log.has('call.failed')).toBe(true);
    expect(log.lines.join('')).toContain(keyId);
    expect(log.lines.filter((line) => tokensIn(line).length > 0)).toEqual([]);
    expect(log.lines.filter((line) => /\[token\]|\[redacted\]/.test(line))).toEqual([]);
  });
});
