import { SLUG_PATTERN, type KeyspaceAttributes, type KeyspaceRecord } from '../../../core/key.ts';
import { TOKEN_PREFIX_PATTERN } from '../../../core/token.ts';
import type { Keyspace } from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import { formatEtag } from '../../lifecycle/key-rules.ts';
import type { Fields } from './fields.ts';
import { readMask } from './key.ts';
import { toDuration, toTimestamp } from './times.ts';

export function toKeyspace(keyspace: KeyspaceRecord): Keyspace {
  return {
    id: keyspace.id,
    slug: keyspace.slug,
    tokenPrefix: keyspace.tokenPrefix,
    displayName: keyspace.displayName,
    defaultTtl: toDuration(keyspace.defaultTtlMs),
    maxTtl: toDuration(keyspace.maxTtlMs),
    requireExpiry: keyspace.requireExpiry,
    apis: [],
    createTime: toTimestamp(keyspace.createTimeMs),
    updateTime: toTimestamp(keyspace.updateTimeMs),
    etag: formatEtag(keyspace.version),
  };
}

/** The slug of a new keyspace. */
export function readSlug(fields: Fields, keyspace: Keyspace): string {
  return fields.text('keyspace.slug', keyspace.slug, {
    max: 63,
    required: true,
    pattern: SLUG_PATTERN,
    shape: 'lower-case letters, digits and hyphens, a letter first',
  });
}

/** The attributes of a new keyspace. */
export function readKeyspaceAttributes(fields: Fields, keyspace: Keyspace): KeyspaceAttributes {
  if (keyspace.apis.length > 0) fields.unsupported('keyspace.apis');
  return {
    tokenPrefix: readAttribute.tokenPrefix(fields, keyspace),
    displayName: readAttribute.displayName(fields, keyspace),
    defaultTtlMs: readAttribute.defaultTtlMs(fields, keyspace),
    maxTtlMs: readAttribute.maxTtlMs(fields, keyspace),
    requireExpiry: readAttribute.requireExpiry(fields, keyspace),
  };
}

const UPDATABLE = {
  token_prefix: 'tokenPrefix',
  display_name: 'displayName',
  default_ttl: 'defaultTtlMs',
  max_ttl: 'maxTtlMs',
  require_expiry: 'requireExpiry',
} as const satisfies Record<string, keyof KeyspaceAttributes>;

/** The new values of the fields that an update mask names. */
export function readKeyspaceChange(
  fields: Fields,
  keyspace: Keyspace,
  mask: readonly string[] | undefined,
): Partial<KeyspaceAttributes> {
  const paths = readMask(fields, mask, Object.keys(UPDATABLE), ['apis']);
  const attributes = paths.map((path) => UPDATABLE[path as keyof typeof UPDATABLE]);
  return Object.fromEntries(
    attributes.map((attribute) => [attribute, readAttribute[attribute](fields, keyspace)]),
  );
}

const readAttribute: {
  readonly [A in keyof KeyspaceAttributes]: (fields: Fields, keyspace: Keyspace) => KeyspaceAttributes[A];
} = {
  tokenPrefix: (fields, keyspace) =>
    fields.text('keyspace.token_prefix', keyspace.tokenPrefix, {
      max: 24,
      required: true,
      pattern: TOKEN_PREFIX_PATTERN,
      shape: 'lower-case letters, digits and underscores, a letter first and no underscore last',
    }),
  displayName: (fields, keyspace) => fields.text('keyspace.display_name', keyspace.displayName, { max: 128 }),
  defaultTtlMs: (fields, keyspace) => fields.ttl('keyspace.default_ttl', keyspace.defaultTtl) ?? null,
  maxTtlMs: (fields, keyspace) => fields.ttl('keyspace.max_ttl', keyspace.maxTtl) ?? null,
  requireExpiry: (_fields, keyspace) => keyspace.requireExpiry,
};
