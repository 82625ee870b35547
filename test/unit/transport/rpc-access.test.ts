import { HealthDefinition } from 'nice-grpc-server-health';
import { describe, expect, test } from 'vitest';
import { KeyServiceDefinition } from '../../../proto/gen/latchkey/v1/key_service.ts';
import { KeyspaceServiceDefinition } from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import { LimitServiceDefinition } from '../../../proto/gen/latchkey/v1/limit_service.ts';
import { OwnerServiceDefinition } from '../../../proto/gen/latchkey/v1/owner_service.ts';
import { PolicyServiceDefinition } from '../../../proto/gen/latchkey/v1/policy_service.ts';
import { ReplicaServiceDefinition } from '../../../proto/gen/latchkey/v1/replica_service.ts';
import { VerifyServiceDefinition } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { CALLER_SCOPES } from '../../../server/callers/access.ts';
import { requireAccessRules, RPC_ACCESS, type ServiceMethods } from '../../../server/transport/rpc-access.ts';

const GUARDED: readonly ServiceMethods[] = [
  VerifyServiceDefinition,
  KeyServiceDefinition,
  KeyspaceServiceDefinition,
  PolicyServiceDefinition,
  OwnerServiceDefinition,
  LimitServiceDefinition,
  ReplicaServiceDefinition,
];
const pathsOf = ({ fullName, methods }: ServiceMethods): string[] =>
  Object.values(methods).map(({ name }) => `/${fullName}/${name}`);

describe('every method that is served', () => {
  test.each([...GUARDED, HealthDefinition].map((service) => [service.fullName, service] as const))(
    'of %s has a rule',
    (_name, service) => {
      expect(pathsOf(service).length).toBeGreaterThan(0);
      for (const path of pathsOf(service)) expect(RPC_ACCESS.has(path)).toBe(true);
      expect(() => requireAccessRules(service, RPC_ACCESS)).not.toThrow();
    },
  );

  test.each(GUARDED.flatMap(pathsOf))('%s is for callers with a scope that exists', (path) => {
    const rule = RPC_ACCESS.get(path);
    const scopes = rule === undefined || rule === 'open' ? [] : rule.anyOf;
    expect(scopes.length).toBeGreaterThan(0);
    for (const scope of scopes) expect(CALLER_SCOPES).toContain(scope);
  });

  test('has no rule beside it for a method that does not exist', () => {
    const served = new Set([...GUARDED, HealthDefinition].flatMap(pathsOf));
    const others = [...RPC_ACCESS.keys()].filter((path) => !served.has(path));
    expect(others).toEqual([
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    ]);
  });
});

test('only health and reflection are open', () => {
  const open = [...RPC_ACCESS].filter(([, rule]) => rule === 'open').map(([path]) => path);
  expect(open.toSorted()).toEqual([
    '/grpc.health.v1.Health/Check',
    '/grpc.health.v1.Health/Watch',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
  ]);
});

// The scopes are those of the comments in the proto files.
test.each([
  ['/latchkey.v1.VerifyService/Verify', ['verify']],
  ['/latchkey.v1.VerifyService/BatchVerify', ['verify']],
  ['/latchkey.v1.KeyService/CreateKey', ['keys:write']],
  ['/latchkey.v1.KeyService/GetKey', ['keys:read']],
  ['/latchkey.v1.KeyService/ListKeys', ['keys:read']],
  ['/latchkey.v1.KeyService/UpdateKey', ['keys:write']],
  ['/latchkey.v1.KeyService/EnableKey', ['keys:write']],
  ['/latchkey.v1.KeyService/DisableKey', ['keys:write', 'keys:revoke']],
  ['/latchkey.v1.KeyService/RevokeKey', ['keys:revoke']],
  ['/latchkey.v1.KeyService/DeleteKey', ['keys:write']],
  ['/latchkey.v1.KeyService/UndeleteKey', ['keys:write']],
  ['/latchkey.v1.KeyService/LookupKey', ['keys:read']],
  ['/latchkey.v1.KeyspaceService/CreateKeyspace', ['config:write']],
  ['/latchkey.v1.KeyspaceService/GetKeyspace', ['config:read']],
  ['/latchkey.v1.KeyspaceService/ListKeyspaces', ['config:read']],
  ['/latchkey.v1.KeyspaceService/UpdateKeyspace', ['config:write']],
  ['/latchkey.v1.KeyspaceService/DeleteKeyspace', ['config:write']],
  ['/latchkey.v1.KeyService/BatchRevokeKeys', ['keys:revoke']],
  ['/latchkey.v1.KeyService/ImportKeys', ['keys:write']],
  ['/latchkey.v1.KeyService/ReportLeakedKey', ['keys:revoke']],
  ['/latchkey.v1.PolicyService/CreatePolicy', ['config:write']],
  ['/latchkey.v1.PolicyService/GetPolicy', ['config:read']],
  ['/latchkey.v1.PolicyService/ListPolicies', ['config:read']],
  ['/latchkey.v1.PolicyService/UpdatePolicy', ['config:write']],
  ['/latchkey.v1.PolicyService/DeletePolicy', ['config:write']],
  ['/latchkey.v1.OwnerService/CreateOwner', ['keys:write']],
  ['/latchkey.v1.OwnerService/GetOwner', ['keys:read']],
  ['/latchkey.v1.OwnerService/ListOwners', ['keys:read']],
  ['/latchkey.v1.OwnerService/UpdateOwner', ['keys:write']],
  ['/latchkey.v1.OwnerService/SuspendOwner', ['keys:write', 'keys:revoke']],
  ['/latchkey.v1.OwnerService/ResumeOwner', ['keys:write']],
  ['/latchkey.v1.OwnerService/DeleteOwner', ['keys:write']],
])('%s needs one of %j', (path, anyOf) => {
  expect(RPC_ACCESS.get(path)).toEqual({ anyOf });
});

test('a service with a method more stops the start, and the error names it', () => {
  const grown: ServiceMethods = {
    ...KeyServiceDefinition,
    methods: { ...KeyServiceDefinition.methods, explodeKey: { name: 'ExplodeKey' } },
  };
  expect(() => requireAccessRules(grown, RPC_ACCESS)).toThrow('/latchkey.v1.KeyService/ExplodeKey');
});

test('a service that nobody wrote rules for stops the start', () => {
  const unknown: ServiceMethods = { fullName: 'x.Y', methods: { a: { name: 'A' }, b: { name: 'B' } } };
  expect(() => requireAccessRules(unknown, RPC_ACCESS)).toThrow('/x.Y/A, /x.Y/B');
});
