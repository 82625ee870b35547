import { needs, type Access } from '../callers/access.ts';
import { HealthDefinition } from 'nice-grpc-server-health';
import { KeyServiceDefinition } from '../../proto/gen/latchkey/v1/key_service.ts';
import { KeyspaceServiceDefinition } from '../../proto/gen/latchkey/v1/keyspace_service.ts';
import { LimitServiceDefinition } from '../../proto/gen/latchkey/v1/limit_service.ts';
import { OwnerServiceDefinition } from '../../proto/gen/latchkey/v1/owner_service.ts';
import { PolicyServiceDefinition } from '../../proto/gen/latchkey/v1/policy_service.ts';
import { ReplicaServiceDefinition } from '../../proto/gen/latchkey/v1/replica_service.ts';
import { VerifyServiceDefinition } from '../../proto/gen/latchkey/v1/verify_service.ts';

type AccessOf<Service extends { readonly methods: object }> = {
  readonly [M in keyof Service['methods']]: Access;
};

const VERIFY: AccessOf<typeof VerifyServiceDefinition> = {
  verify: needs('verify'),
  batchVerify: needs('verify'),
};

const KEYS: AccessOf<typeof KeyServiceDefinition> = {
  createKey: needs('keys:write'),
  getKey: needs('keys:read'),
  listKeys: needs('keys:read'),
  updateKey: needs('keys:write'),
  enableKey: needs('keys:write'),
  disableKey: needs('keys:write', 'keys:revoke'),
  rotateKey: needs('keys:write'),
  completeRotation: needs('keys:write'),
  cancelRotation: needs('keys:write'),
  revokeKey: needs('keys:revoke'),
  batchRevokeKeys: needs('keys:revoke'),
  deleteKey: needs('keys:write'),
  undeleteKey: needs('keys:write'),
  lookupKey: needs('keys:read'),
  importKeys: needs('keys:write'),
  reportLeakedKey: needs('keys:revoke'),
};

const KEYSPACES: AccessOf<typeof KeyspaceServiceDefinition> = {
  createKeyspace: needs('config:write'),
  getKeyspace: needs('config:read'),
  listKeyspaces: needs('config:read'),
  updateKeyspace: needs('config:write'),
  deleteKeyspace: needs('config:write'),
};

const POLICIES: AccessOf<typeof PolicyServiceDefinition> = {
  createPolicy: needs('config:write'),
  getPolicy: needs('config:read'),
  listPolicies: needs('config:read'),
  updatePolicy: needs('config:write'),
  deletePolicy: needs('config:write'),
};

const OWNERS: AccessOf<typeof OwnerServiceDefinition> = {
  createOwner: needs('keys:write'),
  getOwner: needs('keys:read'),
  listOwners: needs('keys:read'),
  updateOwner: needs('keys:write'),
  suspendOwner: needs('keys:write', 'keys:revoke'),
  resumeOwner: needs('keys:write'),
  deleteOwner: needs('keys:write'),
};

const LIMITS: AccessOf<typeof LimitServiceDefinition> = {
  getLimitStatus: needs('keys:read'),
  adjustCredits: needs('keys:write'),
  setLimitOverride: needs('keys:write'),
  clearLimitOverride: needs('keys:write'),
};

const REPLICAS: AccessOf<typeof ReplicaServiceDefinition> = { listReplicas: needs('config:read') };

const HEALTH: AccessOf<typeof HealthDefinition> = { check: 'open', watch: 'open' };

/** Who may call what, by the full path of the method. A method that is not here is served to nobody. */
export const RPC_ACCESS: ReadonlyMap<string, Access> = new Map([
  ...paths(VerifyServiceDefinition, VERIFY),
  ...paths(KeyServiceDefinition, KEYS),
  ...paths(KeyspaceServiceDefinition, KEYSPACES),
  ...paths(PolicyServiceDefinition, POLICIES),
  ...paths(OwnerServiceDefinition, OWNERS),
  ...paths(LimitServiceDefinition, LIMITS),
  ...paths(ReplicaServiceDefinition, REPLICAS),
  ...paths(HealthDefinition, HEALTH),
  ['/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', 'open'],
  ['/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', 'open'],
]);

/** A service's methods by their full paths. */
export interface ServiceMethods {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, { readonly name: string }>>;
}

function paths(service: ServiceMethods, access: Readonly<Record<string, Access>>): [string, Access][] {
  return Object.entries(service.methods).flatMap(([key, method]) => {
    const rule = access[key];
    return rule === undefined
      ? []
      : [[`/${service.fullName}/${method.name}`, rule] satisfies [string, Access]];
  });
}

/**
 * Stops the start of a server that has a method without an access rule.
 * @throws Error that names the methods
 */
export function requireAccessRules(service: ServiceMethods, rules: ReadonlyMap<string, Access>): void {
  const served = Object.values(service.methods).map(({ name }) => `/${service.fullName}/${name}`);
  const missing = served.filter((path) => !rules.has(path));
  if (missing.length > 0) throw new Error(`no access rule in rpc-access.ts for ${missing.join(', ')}`);
}
