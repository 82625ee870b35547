import type { KeyRecord, KeySwitch, KeyspaceRecord, SecretRecord } from '../../core/key.ts';
import type { Limit, LimitOverride } from '../../core/limit.ts';
import type { OwnerRecord } from '../../core/owner.ts';
import type { PolicyRecord } from '../../core/policy.ts';
import { NO_RESTRICTIONS, type Api, type Restrictions, type Rules } from '../../core/rules.ts';
import { searchTextOf } from './search-text.ts';

/** A row of `keyspaces`, as pg reads it: bigint as text, timestamptz as Date. */
export interface KeyspaceRow {
  readonly id: string;
  readonly slug: string;
  readonly token_prefix: string;
  readonly display_name: string;
  readonly default_ttl_ms: string | null;
  readonly max_ttl_ms: string | null;
  readonly require_expiry: boolean;
  readonly apis: readonly Api[];
  readonly create_time: Date;
  readonly update_time: Date;
  readonly version: string;
}

/** The columns of what both a key and a policy can set. */
interface RulesColumns {
  readonly scopes: readonly string[];
  /** Null: it says nothing. */
  readonly access_type: 'ALL' | 'LISTED' | null;
  readonly resources: readonly string[];
  /** The lists that are not empty. */
  readonly restrictions: Partial<Restrictions>;
  readonly limits: readonly Limit[];
  /** The names of the APIs in the restrictions, to filter by. */
  readonly apis: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
}

/** A row of `policies`. */
export interface PolicyRow extends RulesColumns {
  readonly id: string;
  readonly keyspace_id: string;
  readonly display_name: string;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly version: string;
}

/** A row of `owners`. */
export interface OwnerRow {
  readonly keyspace_id: string;
  readonly id: string;
  readonly display_name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly suspend_time: Date | null;
  readonly suspend_reason: string;
  readonly limits: readonly Limit[];
  readonly limit_overrides: readonly LimitOverride[];
  readonly create_time: Date;
  readonly update_time: Date;
  readonly version: string;
}

/** A row of `keys`. */
export interface KeyRow extends RulesColumns {
  readonly id: string;
  readonly keyspace_id: string;
  readonly token_prefix: string;
  readonly display_name: string;
  readonly switch: KeySwitch;
  readonly owner_id: string;
  readonly policy_ids: readonly string[];
  readonly limit_overrides: readonly LimitOverride[];
  readonly expire_time: Date | null;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly revoke_time: Date | null;
  readonly revoke_reason: string;
  readonly delete_time: Date | null;
  readonly purge_time: Date | null;
  readonly version: string;
  readonly created_by: string;
  /** See search-text.ts. */
  readonly search_text: string;
}

/** The columns that a KeyRecord is made of. Named one by one, a statement that is prepared outlives new columns. */
export const KEY_COLUMNS = [
  'id',
  'keyspace_id',
  'token_prefix',
  'display_name',
  'switch',
  'owner_id',
  'policy_ids',
  'scopes',
  'access_type',
  'resources',
  'restrictions',
  'apis',
  'limits',
  'limit_overrides',
  'metadata',
  'tags',
  'expire_time',
  'create_time',
  'update_time',
  'revoke_time',
  'revoke_reason',
  'delete_time',
  'purge_time',
  'version',
  'created_by',
] as const satisfies readonly (keyof KeyRow)[];

/** A row of `key_secrets`. */
export interface SecretRow {
  readonly id: string;
  readonly key_id: string;
  readonly digest: Buffer;
  readonly hint: string;
  readonly imported: boolean;
  readonly create_time: Date;
  readonly expire_time: Date | null;
}

/** A row of `key_secrets` with what is known of its use. */
export interface UsedSecretRow extends SecretRow {
  readonly last_used_time: Date | null;
  /** Of any secret of the key. */
  readonly key_last_used_time: Date | null;
}

export function readKeyspace(row: KeyspaceRow): KeyspaceRecord {
  return {
    id: row.id,
    slug: row.slug,
    tokenPrefix: row.token_prefix,
    displayName: row.display_name,
    defaultTtlMs: row.default_ttl_ms === null ? null : Number(row.default_ttl_ms),
    maxTtlMs: row.max_ttl_ms === null ? null : Number(row.max_ttl_ms),
    requireExpiry: row.require_expiry,
    apis: row.apis,
    createTimeMs: row.create_time.getTime(),
    updateTimeMs: row.update_time.getTime(),
    version: Number(row.version),
  };
}

export function writeKeyspace(keyspace: KeyspaceRecord): object {
  return {
    id: keyspace.id,
    slug: keyspace.slug,
    token_prefix: keyspace.tokenPrefix,
    display_name: keyspace.displayName,
    default_ttl_ms: keyspace.defaultTtlMs,
    max_ttl_ms: keyspace.maxTtlMs,
    require_expiry: keyspace.requireExpiry,
    apis: JSON.stringify(keyspace.apis),
    create_time: new Date(keyspace.createTimeMs),
    update_time: new Date(keyspace.updateTimeMs),
    version: keyspace.version,
  };
}

function readRules(row: RulesColumns): Rules {
  return {
    scopes: row.scopes,
    resourceAccess:
      row.access_type === 'LISTED'
        ? { type: 'LISTED', ids: row.resources }
        : row.access_type && { type: row.access_type },
    restrictions: { ...NO_RESTRICTIONS, ...row.restrictions },
    limits: row.limits,
    metadata: row.metadata,
    tags: row.tags,
  };
}

function writeRules({ scopes, resourceAccess, restrictions, limits, metadata, tags }: Rules): object {
  const lists = Object.entries(restrictions).filter(([, list]) => (list as readonly unknown[]).length > 0);
  return {
    scopes,
    access_type: resourceAccess?.type ?? null,
    resources: resourceAccess?.type === 'LISTED' ? resourceAccess.ids : [],
    restrictions: JSON.stringify(Object.fromEntries(lists)),
    apis: [...new Set(restrictions.apiTargets.map(({ api }) => api))],
    limits: JSON.stringify(limits),
    metadata: JSON.stringify(metadata),
    tags,
  };
}

export function readPolicy(row: PolicyRow): PolicyRecord {
  return {
    ...readRules(row),
    id: row.id,
    keyspaceId: row.keyspace_id,
    displayName: row.display_name,
    createTimeMs: row.create_time.getTime(),
    updateTimeMs: row.update_time.getTime(),
    version: Number(row.version),
  };
}

export function writePolicy(policy: PolicyRecord): object {
  return {
    ...writeRules(policy),
    id: policy.id,
    keyspace_id: policy.keyspaceId,
    display_name: policy.displayName,
    create_time: new Date(policy.createTimeMs),
    update_time: new Date(policy.updateTimeMs),
    version: policy.version,
  };
}

export function readOwner(row: OwnerRow): OwnerRecord {
  return {
    keyspaceId: row.keyspace_id,
    id: row.id,
    displayName: row.display_name,
    metadata: row.metadata,
    limits: row.limits,
    suspendTimeMs: readTime(row.suspend_time),
    suspendReason: row.suspend_reason,
    limitOverrides: row.limit_overrides,
    createTimeMs: row.create_time.getTime(),
    updateTimeMs: row.update_time.getTime(),
    version: Number(row.version),
  };
}

export function writeOwner(owner: OwnerRecord): object {
  return {
    keyspace_id: owner.keyspaceId,
    id: owner.id,
    display_name: owner.displayName,
    metadata: JSON.stringify(owner.metadata),
    suspend_time: writeTime(owner.suspendTimeMs),
    suspend_reason: owner.suspendReason,
    limits: JSON.stringify(owner.limits),
    limit_overrides: JSON.stringify(owner.limitOverrides),
    create_time: new Date(owner.createTimeMs),
    update_time: new Date(owner.updateTimeMs),
    version: owner.version,
  };
}

export function readKey(
  row: Pick<KeyRow, (typeof KEY_COLUMNS)[number]>,
  secrets: readonly SecretRow[],
): KeyRecord {
  return {
    ...readRules(row),
    id: row.id,
    keyspaceId: row.keyspace_id,
    tokenPrefix: row.token_prefix,
    displayName: row.display_name,
    switch: row.switch,
    ownerId: row.owner_id,
    policyIds: row.policy_ids,
    limitOverrides: row.limit_overrides,
    expireTimeMs: readTime(row.expire_time),
    createTimeMs: row.create_time.getTime(),
    updateTimeMs: row.update_time.getTime(),
    revokeTimeMs: readTime(row.revoke_time),
    revokeReason: row.revoke_reason,
    deleteTimeMs: readTime(row.delete_time),
    purgeTimeMs: readTime(row.purge_time),
    lastUsedTimeMs: null,
    secrets: secrets.map(readSecret),
    version: Number(row.version),
    createdBy: row.created_by,
  };
}

/** A key with what is known of its use. */
export function readUsedKey(row: KeyRow, secrets: readonly UsedSecretRow[]): KeyRecord {
  return {
    ...readKey(row, []),
    lastUsedTimeMs: readTime(secrets[0]?.key_last_used_time ?? null),
    secrets: secrets.map((secret) => ({
      ...readSecret(secret),
      lastUsedTimeMs: readTime(secret.last_used_time),
    })),
  };
}

export function writeKey(key: KeyRecord): object {
  return {
    ...writeRules(key),
    id: key.id,
    keyspace_id: key.keyspaceId,
    token_prefix: key.tokenPrefix,
    display_name: key.displayName,
    switch: key.switch,
    owner_id: key.ownerId,
    policy_ids: key.policyIds,
    limit_overrides: JSON.stringify(key.limitOverrides),
    expire_time: writeTime(key.expireTimeMs),
    create_time: new Date(key.createTimeMs),
    update_time: new Date(key.updateTimeMs),
    revoke_time: writeTime(key.revokeTimeMs),
    revoke_reason: key.revokeReason,
    delete_time: writeTime(key.deleteTimeMs),
    purge_time: writeTime(key.purgeTimeMs),
    version: key.version,
    created_by: key.createdBy,
    search_text: searchTextOf(key),
  };
}

export function writeSecret(keyId: string, secret: SecretRecord): object {
  return {
    id: secret.id,
    key_id: keyId,
    digest: Buffer.from(secret.digestHex, 'hex'),
    hint: secret.hint,
    imported: secret.imported,
    create_time: new Date(secret.createTimeMs),
    expire_time: writeTime(secret.expireTimeMs),
  };
}

function readSecret(row: SecretRow): SecretRecord {
  return {
    id: row.id,
    digestHex: row.digest.toString('hex'),
    hint: row.hint,
    imported: row.imported,
    createTimeMs: row.create_time.getTime(),
    expireTimeMs: readTime(row.expire_time),
    lastUsedTimeMs: null,
  };
}

function readTime(time: Date | null): number | null {
  return time === null ? null : time.getTime();
}

function writeTime(timeMs: number | null): Date | null {
  return timeMs === null ? null : new Date(timeMs);
}
