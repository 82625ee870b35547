import type { KeyRecord, KeySwitch, KeyspaceRecord, SecretRecord } from '../../core/key.ts';

/** A row of `keyspaces`, as pg reads it: bigint as text, timestamptz as Date. */
export interface KeyspaceRow {
  readonly id: string;
  readonly slug: string;
  readonly token_prefix: string;
  readonly display_name: string;
  readonly default_ttl_ms: string | null;
  readonly max_ttl_ms: string | null;
  readonly require_expiry: boolean;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly version: string;
}

/** A row of `keys`. */
export interface KeyRow {
  readonly id: string;
  readonly keyspace_id: string;
  readonly token_prefix: string;
  readonly display_name: string;
  readonly switch: KeySwitch;
  readonly owner_id: string;
  readonly scopes: readonly string[];
  readonly access_type: 'ALL' | 'LISTED';
  readonly resources: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly expire_time: Date | null;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly revoke_time: Date | null;
  readonly revoke_reason: string;
  readonly delete_time: Date | null;
  readonly purge_time: Date | null;
  readonly version: string;
  readonly created_by: string;
}

/** A row of `key_secrets`. */
export interface SecretRow {
  readonly id: string;
  readonly key_id: string;
  readonly digest: Buffer;
  readonly hint: string;
  readonly create_time: Date;
  readonly expire_time: Date | null;
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
    create_time: new Date(keyspace.createTimeMs),
    update_time: new Date(keyspace.updateTimeMs),
    version: keyspace.version,
  };
}

export function readKey(row: KeyRow, secrets: readonly SecretRow[]): KeyRecord {
  return {
    id: row.id,
    keyspaceId: row.keyspace_id,
    tokenPrefix: row.token_prefix,
    displayName: row.display_name,
    switch: row.switch,
    ownerId: row.owner_id,
    scopes: row.scopes,
    resourceAccess: row.access_type === 'ALL' ? { type: 'ALL' } : { type: 'LISTED', ids: row.resources },
    metadata: row.metadata,
    tags: row.tags,
    expireTimeMs: readTime(row.expire_time),
    createTimeMs: row.create_time.getTime(),
    updateTimeMs: row.update_time.getTime(),
    revokeTimeMs: readTime(row.revoke_time),
    revokeReason: row.revoke_reason,
    deleteTimeMs: readTime(row.delete_time),
    purgeTimeMs: readTime(row.purge_time),
    secrets: secrets.map(readSecret),
    version: Number(row.version),
    createdBy: row.created_by,
  };
}

export function writeKey(key: KeyRecord): object {
  return {
    id: key.id,
    keyspace_id: key.keyspaceId,
    token_prefix: key.tokenPrefix,
    display_name: key.displayName,
    switch: key.switch,
    owner_id: key.ownerId,
    scopes: key.scopes,
    access_type: key.resourceAccess.type,
    resources: key.resourceAccess.type === 'ALL' ? [] : key.resourceAccess.ids,
    metadata: JSON.stringify(key.metadata),
    tags: key.tags,
    expire_time: writeTime(key.expireTimeMs),
    create_time: new Date(key.createTimeMs),
    update_time: new Date(key.updateTimeMs),
    revoke_time: writeTime(key.revokeTimeMs),
    revoke_reason: key.revokeReason,
    delete_time: writeTime(key.deleteTimeMs),
    purge_time: writeTime(key.purgeTimeMs),
    version: key.version,
    created_by: key.createdBy,
  };
}

export function writeSecret(keyId: string, secret: SecretRecord): object {
  return {
    id: secret.id,
    key_id: keyId,
    digest: Buffer.from(secret.digestHex, 'hex'),
    hint: secret.hint,
    create_time: new Date(secret.createTimeMs),
    expire_time: writeTime(secret.expireTimeMs),
  };
}

function readSecret(row: SecretRow): SecretRecord {
  return {
    id: row.id,
    digestHex: row.digest.toString('hex'),
    hint: row.hint,
    createTimeMs: row.create_time.getTime(),
    expireTimeMs: readTime(row.expire_time),
  };
}

function readTime(time: Date | null): number | null {
  return time === null ? null : time.getTime();
}

function writeTime(timeMs: number | null): Date | null {
  return timeMs === null ? null : new Date(timeMs);
}
