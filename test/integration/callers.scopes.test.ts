import { beforeAll, describe, expect, test } from 'vitest';
import { ErrorInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { RPCS } from './support/contract.ts';
import type { RawAnswer, RawConnection } from './support/raw-connection.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

/** The contract: which scopes let a caller call what. `admin` may call everything. */
const NEEDS: Readonly<Record<string, string>> = {
  'VerifyService/Verify': 'verify',
  'VerifyService/BatchVerify': 'verify',
  'KeyService/CreateKey': 'keys:write',
  'KeyService/GetKey': 'keys:read',
  'KeyService/ListKeys': 'keys:read',
  'KeyService/UpdateKey': 'keys:write',
  'KeyService/EnableKey': 'keys:write',
  'KeyService/DisableKey': 'keys:write keys:revoke',
  'KeyService/RotateKey': 'keys:write',
  'KeyService/CompleteRotation': 'keys:write',
  'KeyService/CancelRotation': 'keys:write',
  'KeyService/RevokeKey': 'keys:revoke',
  'KeyService/BatchRevokeKeys': 'keys:revoke',
  'KeyService/DeleteKey': 'keys:write',
  'KeyService/UndeleteKey': 'keys:write',
  'KeyService/LookupKey': 'keys:read',
  'KeyService/ImportKeys': 'keys:write',
  'KeyService/ReportLeakedKey': 'keys:revoke',
  'KeyspaceService/CreateKeyspace': 'config:write',
  'KeyspaceService/GetKeyspace': 'config:read',
  'KeyspaceService/ListKeyspaces': 'config:read',
  'KeyspaceService/UpdateKeyspace': 'config:write',
  'KeyspaceService/DeleteKeyspace': 'config:write',
  'PolicyService/CreatePolicy': 'config:write',
  'PolicyService/GetPolicy': 'config:read',
  'PolicyService/ListPolicies': 'config:read',
  'PolicyService/UpdatePolicy': 'config:write',
  'PolicyService/DeletePolicy': 'config:write',
  'OwnerService/CreateOwner': 'keys:write',
  'OwnerService/GetOwner': 'keys:read',
  'OwnerService/ListOwners': 'keys:read',
  'OwnerService/UpdateOwner': 'keys:write',
  'OwnerService/SuspendOwner': 'keys:write keys:revoke',
  'OwnerService/ResumeOwner': 'keys:write',
  'OwnerService/DeleteOwner': 'keys:write',
  'LimitService/GetLimitStatus': 'keys:read',
  'LimitService/AdjustCredits': 'keys:write',
  'LimitService/SetLimitOverride': 'keys:write',
  'LimitService/ClearLimitOverride': 'keys:write',
  'ReplicaService/ListReplicas': 'config:read',
};

const SCOPES = [
  'verify',
  'keys:read',
  'keys:write',
  'keys:revoke',
  'config:read',
  'config:write',
  'usage:read',
  'audit:read',
  'admin',
];

const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** A connection for each scope alone, and one for a root key without any. */
const connections = new Map<string, RawConnection>();

beforeAll(async () => {
  const { issueRoot, raw } = served();
  for (const scope of SCOPES) connections.set(scope, raw((await issueRoot([scope])).token));
  connections.set('none', raw((await issueRoot([])).token));
});

function infoOf({ status }: RawAnswer): ErrorInfo {
  const info = status?.details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  return ErrorInfo.decode(info?.value ?? Buffer.alloc(0));
}

test('the table below knows every RPC of the contract', () => {
  expect(Object.keys(NEEDS).toSorted()).toEqual(RPCS.map(({ name }) => name).toSorted());
});

describe.each(Object.entries(NEEDS))('%s needs %s', (rpc, needed) => {
  test.each([...SCOPES, 'none'])('and a root key with %s alone is answered accordingly', async (scope) => {
    const connection = connections.get(scope);
    const allowed = scope === 'admin' || needed.split(' ').includes(scope);
    // Twice: the express lane knows the caller the second time.
    for (let again = 0; again < 2; again += 1) {
      const answer = await connection?.call({ path: `/latchkey.v1.${rpc}`, message: new Uint8Array() });
      if (answer === undefined) throw new Error('there is no such connection');
      if (allowed) {
        // An empty request: it may be refused for what it is, not for who sends it.
        expect([PERMISSION_DENIED, UNAUTHENTICATED]).not.toContain(answer.code);
      } else {
        expect(answer.code).toBe(PERMISSION_DENIED);
        expect(infoOf(answer)).toEqual({
          reason: 'CALLER_SCOPE_MISSING',
          domain: 'latchkey',
          metadata: new Map([['scopes', needed]]),
        });
      }
    }
  });
});

describe('a scope', () => {
  test('that is given to a caller counts from its next call on, and so does one that is taken away', async () => {
    const { latchkey, issueRoot, sdk } = served();
    const { id, token } = await issueRoot(['verify']);
    const client = sdk(token);
    const denied = { code: 'PERMISSION_DENIED', reason: 'CALLER_SCOPE_MISSING' };
    await client.verify({ token: 'x' });
    await expect(client.keys.list()).rejects.toMatchObject(denied);
    await latchkey.keys.update(id, { scopes: ['keys:read'] });
    await client.keys.list();
    await expect(client.verify({ token: 'x' })).rejects.toMatchObject(denied);
  });

  test('of several lets pass what any of them does', async () => {
    const { issueRoot, sdk } = served();
    const client = sdk((await issueRoot(['verify', 'keys:read', 'config:read'])).token);
    await client.verify({ token: 'x' });
    await client.keys.list();
    await client.keyspaces.list();
    await expect(client.keys.create({ keyspaceId: served().keyspaceId })).rejects.toMatchObject({
      reason: 'CALLER_SCOPE_MISSING',
      metadata: { scopes: 'keys:write' },
    });
  });

  test('of a root key is one of the known ones: wildcards and others are refused', async () => {
    const { latchkey, issueRoot } = served();
    const { id } = await issueRoot(['verify']);
    for (const scope of ['*', 'keys:*', 'adm*', 'orders:read', 'ADMIN']) {
      const refused = { code: 'INVALID_ARGUMENT', violations: [{ field: 'key.scopes[1]' }] };
      const scopes = ['verify', scope];
      await expect(latchkey.keys.create({ keyspaceId: 'ks_latchkey', scopes })).rejects.toMatchObject(
        refused,
      );
      await expect(latchkey.keys.update(id, { scopes })).rejects.toMatchObject(refused);
    }
  });
});
