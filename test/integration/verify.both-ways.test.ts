import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import { Key } from '../../proto/gen/latchkey/v1/key.ts';
import {
  BatchVerifyRequest,
  BatchVerifyResponse,
  VerifyRequest,
  VerifyResponse,
  type DeepPartial,
} from '../../proto/gen/latchkey/v1/verify_service.ts';
import { createTestClock } from '../support/test-clock.ts';
import type { RawAnswer, RawConnection } from './support/raw-connection.ts';
import { present, serveLatchkey, type IssuedKey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

const VERIFY = '/latchkey.v1.VerifyService/Verify';
const BATCH_VERIFY = '/latchkey.v1.VerifyService/BatchVerify';

/** A token of a key that was issued elsewhere. */
const FOREIGN = 'sk_live_51Hx0000000000000000000000';

/** The keys that the requests below are about, and who asks. */
const keys: Record<string, IssuedKey> = {};
let caller: IssuedKey;
let otherSpaceId: string;
let wire: RawConnection;

beforeAll(async () => {
  const { root, keyspaceId, newKeyspace, issue, issueRoot, raw } = served();
  otherSpaceId = (await newKeyspace()).id;
  keys['plain'] = await issue({
    displayName: 'plain',
    ownerId: 'team-7',
    scopes: ['orders:*'],
    metadata: new Map([['plan', 'gold']]),
    tags: ['eu'],
  });
  keys['listed'] = await issue({
    resourceAccess: { access: { $case: 'listed', value: { ids: ['store-1'] } } },
  });
  keys['disabled'] = await issue();
  keys['revoked'] = await issue();
  keys['deleted'] = await issue();
  keys['expired'] = await issue({ expireTime: new Date(clock.nowMs() + 1000) });
  const policy = await root.policies.createPolicy({
    policy: { keyspaceId, displayName: 'eu', scopes: ['orders:read'], tags: ['eu'] },
  });
  keys['ruled'] = await issue({
    policyIds: [present(policy.policy).id],
    restrictions: {
      allowedIps: ['203.0.113.0/24'],
      allowedReferrers: ['*.example.com'],
      apiTargets: [{ api: 'orders', verbs: ['GET'], paths: ['/orders/**'] }],
    },
  });
  keys['suspended'] = await issue({ ownerId: 'team-8' });
  await root.owners.suspendOwner({ keyspaceId, id: 'team-8' });
  const imported = await root.keys.importKeys({
    keyspaceId,
    keys: [{ key: { scopes: ['orders:read'] }, sha256: createHash('sha256').update(FOREIGN).digest('hex') }],
  });
  const id = imported.results[0]?.id ?? '';
  keys['imported'] = { id, token: FOREIGN, key: Key.fromPartial({ id }), revision: imported.revision };
  keys['elsewhere'] = await issue({ keyspaceId: otherSpaceId });
  await root.keys.disableKey({ id: idOf('disabled') });
  await root.keys.revokeKey({ id: idOf('revoked') });
  await root.keys.deleteKey({ id: idOf('deleted') });
  clock.advance(1000);
  caller = await issueRoot(['verify'], [keyspaceId]);
  wire = raw(caller.token);
});

const idOf = (name: string): string => keys[name]?.id ?? '';
const tokenOf = (name: string): string => keys[name]?.token ?? '';

const OPERATION = { api: 'orders', verb: 'GET', path: '/orders/1' };
const CLIENT = { ip: '203.0.113.9', referrer: 'https://www.example.com/' };

/** Each is about the key of the name that stands before it, if it is about any. */
const requests: readonly [name: string, key: string, request: () => DeepPartial<VerifyRequest>][] = [
  ['a plain key', 'plain', () => ({ token: tokenOf('plain') })],
  ['scopes that it has', 'plain', () => ({ token: tokenOf('plain'), scopes: ['orders:read'] })],
  ['scopes that it lacks', 'plain', () => ({ token: tokenOf('plain'), scopes: ['a', 'orders:x', 'b'] })],
  ['its keyspace', 'plain', () => ({ token: tokenOf('plain'), keyspaceId: served().keyspaceId })],
  ['a listed resource', 'listed', () => ({ token: tokenOf('listed'), resource: 'store-1' })],
  ['another resource', 'listed', () => ({ token: tokenOf('listed'), resource: 'store-2' })],
  ['no resource', 'listed', () => ({ token: tokenOf('listed') })],
  [
    'all that its rules want',
    'ruled',
    () => ({ token: tokenOf('ruled'), operation: OPERATION, client: CLIENT }),
  ],
  [
    'another address',
    'ruled',
    () => ({ token: tokenOf('ruled'), operation: OPERATION, client: { ...CLIENT, ip: '203.0.114.9' } }),
  ],
  ['no address', 'ruled', () => ({ token: tokenOf('ruled'), operation: OPERATION })],
  [
    'another site',
    'ruled',
    () => ({
      token: tokenOf('ruled'),
      operation: OPERATION,
      client: { ...CLIENT, referrer: 'https://a.test/' },
    }),
  ],
  [
    'another operation',
    'ruled',
    () => ({ token: tokenOf('ruled'), operation: { ...OPERATION, verb: 'PUT' }, client: CLIENT }),
  ],
  ['no operation', 'ruled', () => ({ token: tokenOf('ruled'), client: CLIENT })],
  [
    'a scope query that its policy fulfils',
    'ruled',
    () => ({
      token: tokenOf('ruled'),
      operation: OPERATION,
      client: CLIENT,
      scopeQuery: 'orders:read AND (a OR orders:read)',
    }),
  ],
  [
    'a scope query that it does not fulfil',
    'plain',
    () => ({ token: tokenOf('plain'), scopeQuery: 'a OR b AND c' }),
  ],
  ['a scope query that is none', 'plain', () => ({ token: tokenOf('plain'), scopeQuery: 'a AND' })],
  ['a key of a suspended owner', 'suspended', () => ({ token: tokenOf('suspended') })],
  ['an imported token', 'imported', () => ({ token: FOREIGN, scopes: ['orders:read'] })],
  ['a token that was not imported', '', () => ({ token: `${FOREIGN}x` })],
  ['a disabled key', 'disabled', () => ({ token: tokenOf('disabled') })],
  ['a revoked key', 'revoked', () => ({ token: tokenOf('revoked') })],
  ['a deleted key', 'deleted', () => ({ token: tokenOf('deleted') })],
  ['an expired key', 'expired', () => ({ token: tokenOf('expired') })],
  ['a key out of reach', 'elsewhere', () => ({ token: tokenOf('elsewhere') })],
  ['a wrong secret', 'plain', () => ({ token: newToken('acme', idOf('plain')) })],
  ['an unknown id', '', () => ({ token: newToken('acme', newId('key')) })],
  ['the token of a caller', '', () => ({ token: caller.token })],
  ['nothing', '', () => ({})],
  ['no token', '', () => ({ token: 'hunter2' })],
  ['a keyspace out of reach', 'plain', () => ({ token: tokenOf('plain'), keyspaceId: otherSpaceId })],
  ['a keyspace that is none', 'plain', () => ({ token: tokenOf('plain'), keyspaceId: newId('keyspace') })],
  ['the built-in keyspace', 'plain', () => ({ token: tokenOf('plain'), keyspaceId: 'ks_latchkey' })],
  ['an id of no shape', 'plain', () => ({ token: tokenOf('plain'), keyspaceId: 'ks_?' })],
  ['a resource too long', 'plain', () => ({ token: tokenOf('plain'), resource: 'x'.repeat(257) })],
  [
    'several faults',
    'plain',
    () => ({ token: 'x', scopes: ['*', 'ok', ''], tags: ['y'.repeat(65)], minRevision: 'z' }),
  ],
  ['what is not yet supported', 'plain', () => ({ token: tokenOf('plain'), charges: [{}] })],
];

let names = 0;

/** Makes memory forget the caller and the key, by changes that are real and do not matter here. */
async function forget(key: string): Promise<void> {
  const { root } = served();
  names += 1;
  const flip = (id: string): Promise<unknown> =>
    root.keys.updateKey({ key: { id, displayName: `name ${names}` }, updateMask: ['display_name'] });
  await flip(caller.id);
  if (key !== '' && key !== 'revoked' && key !== 'deleted') await flip(idOf(key));
}

const handled = (path = VERIFY): Promise<number> =>
  served().metric('latchkey_call_duration_seconds_count', { method: path.slice(1) });

/** What an answer says, without how it was framed. */
function said(answer: RawAnswer): object {
  const [message] = answer.messages;
  return {
    code: answer.code,
    message: answer.code === 0 ? '' : answer.message,
    response: message === undefined ? undefined : VerifyResponse.decode(message),
    status: answer.status,
  };
}

describe('the express lane, the ordinary handler and a batch say the same of', () => {
  test.each(requests)('%s', async (_name, key, build) => {
    const request = VerifyRequest.fromPartial(build());
    const message = VerifyRequest.encode(request).finish();

    await forget(key);
    const before = await handled();
    const cold = await wire.call({ path: VERIFY, message });
    // That the lane does not know the caller is what sends the call on to the handler.
    expect(await handled()).toBe(before + 1);
    const warm = await wire.call({ path: VERIFY, message });
    expect(await handled()).toBe(before + 1);
    expect(said(warm)).toEqual(said(cold));
    // Not even by its framing can it be told which way a call went.
    expect(warm.headers).toEqual(cold.headers);
    expect(warm.messages).toEqual(cold.messages);

    const alone = {
      path: BATCH_VERIFY,
      message: BatchVerifyRequest.encode({ requests: [request] }).finish(),
    };
    const batch = await wire.call(alone);
    expect(batch.code).toBe(0);
    const [entry] = BatchVerifyResponse.decode(batch.messages[0] ?? Buffer.alloc(0)).responses;
    expect(entry?.result?.value).toEqual(
      cold.code === 0 ? VerifyResponse.decode(cold.messages[0] ?? Buffer.alloc(0)) : cold.status,
    );
    if (cold.code !== 0) expect(cold.status).toMatchObject({ code: cold.code, message: cold.message });

    await forget(key);
    const batchesBefore = await handled(BATCH_VERIFY);
    const coldBatch = await wire.call(alone);
    expect(await handled(BATCH_VERIFY)).toBe(batchesBefore + 1);
    const warmBatch = await wire.call(alone);
    expect(await handled(BATCH_VERIFY)).toBe(batchesBefore + 1);
    expect(warmBatch.messages).toEqual(coldBatch.messages);
    expect(warmBatch.headers).toEqual(coldBatch.headers);
  });

  test.each([
    ['no token', undefined],
    ['a token that is none', 'hunter2'],
    ['the token of a key that is no root key', () => tokenOf('plain')],
    ['an unknown root token', () => newToken('latchkey', newId('key'))],
    ['a root token without the scope', () => lacking.token],
  ])('a caller with %s', async (_name, token) => {
    const { raw } = served();
    const connection = raw(typeof token === 'function' ? token() : (token ?? null));
    const message = VerifyRequest.encode(
      VerifyRequest.fromPartial({ token: tokenOf('plain'), resource: 'x'.repeat(257) }),
    ).finish();
    const first = await connection.call({ path: VERIFY, message });
    const second = await connection.call({ path: VERIFY, message });
    const batch = await connection.call({
      path: BATCH_VERIFY,
      message: BatchVerifyRequest.encode({
        requests: [VerifyRequest.fromPartial({ token: tokenOf('plain') })],
      }).finish(),
    });
    expect(said(second)).toEqual(said(first));
    expect(said(batch)).toEqual(said(first));
    expect([7, 16]).toContain(first.code);
    expect(Status.encode(first.status ?? Status.fromPartial({})).finish()).not.toHaveLength(0);
  });
});

let lacking: IssuedKey;
beforeAll(async () => {
  lacking = await served().issueRoot(['keys:read']);
});

describe('the express lane', () => {
  test('counts its verdicts as the ordinary handler does', async () => {
    const { metric } = served();
    const message = VerifyRequest.encode(
      VerifyRequest.fromPartial({ token: tokenOf('plain'), scopes: ['none'] }),
    ).finish();
    const count = (): Promise<number> => metric('latchkey_verifications_total', { verdict: 'SCOPE_MISSING' });
    await forget('plain');
    const before = await count();
    const calls = await handled();
    for (let call = 0; call < 3; call += 1) await wire.call({ path: VERIFY, message });
    expect(await count()).toBe(before + 3);
    expect(await handled()).toBe(calls + 1);
  });
});
