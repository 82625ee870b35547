import { SLUG_PATTERN, type KeyspaceAttributes, type KeyspaceRecord } from '../../../core/key.ts';
import { PATH_PATTERN_LENGTH_MAX, pathPatternFault } from '../../../core/patterns/path.ts';
import type { Api } from '../../../core/rules.ts';
import { TOKEN_PREFIX_PATTERN } from '../../../core/token.ts';
import type { Api as ApiMessage, Keyspace } from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import { formatEtag } from '../../lifecycle/key-rules.ts';
import type { Fields } from './fields.ts';
import { readMasked, type AttributeReaders } from './mask.ts';
import { API_NAME_MAX, GROUP_NAME_MAX, VERB, VERB_MAX } from './rules.ts';
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
    apis: keyspace.apis.map(({ name, groups }) => ({
      name,
      groups: groups.map((group) => ({
        name: group.name,
        methods: group.methods.map((one) => ({ ...one })),
      })),
    })),
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
  return {
    tokenPrefix: readAttribute.tokenPrefix(fields, keyspace),
    displayName: readAttribute.displayName(fields, keyspace),
    defaultTtlMs: readAttribute.defaultTtlMs(fields, keyspace),
    maxTtlMs: readAttribute.maxTtlMs(fields, keyspace),
    requireExpiry: readAttribute.requireExpiry(fields, keyspace),
    apis: readAttribute.apis(fields, keyspace),
  };
}

const UPDATABLE = {
  token_prefix: 'tokenPrefix',
  display_name: 'displayName',
  default_ttl: 'defaultTtlMs',
  max_ttl: 'maxTtlMs',
  require_expiry: 'requireExpiry',
  apis: 'apis',
} as const satisfies Record<string, keyof KeyspaceAttributes>;

/** The new values of the fields that an update mask names. */
export function readKeyspaceChange(
  fields: Fields,
  keyspace: Keyspace,
  mask: readonly string[] | undefined,
): Partial<KeyspaceAttributes> {
  return readMasked(fields, keyspace, mask, { updatable: UPDATABLE, read: readAttribute });
}

const readAttribute: AttributeReaders<Keyspace, KeyspaceAttributes> = {
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
  apis: (fields, keyspace) => readApis(fields, keyspace.apis),
};

const APIS_MAX = 64;
const GROUPS_MAX = 64;
const METHODS_MAX = 256;
/** In a whole catalogue. */
const ALL_METHODS_MAX = 1024;

function readApis(fields: Fields, apis: readonly ApiMessage[]): readonly Api[] {
  const field = 'keyspace.apis';
  const methods = apis.flatMap(({ groups }) => groups.map((group) => group.methods.length));
  const methodCount = methods.reduce((sum, count) => sum + count, 0);
  if (methodCount > ALL_METHODS_MAX)
    fields.refuse(field, `must have at most ${ALL_METHODS_MAX} methods in all, has ${methodCount}`);
  return readEntries(fields, field, apis, APIS_MAX, (api, at) => ({
    name: fields.text(`${at}.name`, api.name, { max: API_NAME_MAX, required: true }),
    groups: readEntries(fields, `${at}.groups`, api.groups, GROUPS_MAX, (group, atGroup) => ({
      name: fields.text(`${atGroup}.name`, group.name, { max: GROUP_NAME_MAX, required: true }),
      methods: readEntries(
        fields,
        `${atGroup}.methods`,
        group.methods.map((method) => ({ ...method, name: undefined })),
        METHODS_MAX,
        ({ verb, path, noResource }, atMethod) => ({
          verb: fields.text(`${atMethod}.verb`, verb, { max: VERB_MAX, ...VERB }).toUpperCase(),
          path: fields.text(`${atMethod}.path`, path, {
            max: PATH_PATTERN_LENGTH_MAX,
            required: true,
            fault: pathPatternFault,
          }),
          noResource,
        }),
      ),
    })),
  }));
}

/** Entries of a list, whose names must differ. */
function readEntries<Message extends { readonly name: string | undefined }, Entry>(
  fields: Fields,
  field: string,
  messages: readonly Message[],
  countMax: number,
  read: (message: Message, at: string) => Entry,
): readonly Entry[] {
  if (messages.length > countMax) {
    fields.refuse(field, `must have at most ${countMax} entries, has ${messages.length}`);
    return [];
  }
  const names = new Set<string>();
  return messages.map((message, index) => {
    const at = `${field}[${index}]`;
    const { name } = message;
    if (name !== undefined && names.has(name)) fields.refuse(`${at}.name`, 'must be unique in its list');
    else if (name !== undefined) names.add(name);
    return read(message, at);
  });
}
