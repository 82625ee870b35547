import type { RuleSource as Source, EffectiveRules as Effective } from '../../../core/effective-rules.ts';
import {
  androidPackageFault,
  bundleIdFault,
  certSha1Fault,
  normalizeCertSha1,
} from '../../../core/patterns/mobile-app.ts';
import type { OwnerRecord } from '../../../core/owner.ts';
import { ipRangeFault } from '../../../core/patterns/ip.ts';
import { PATH_PATTERN_LENGTH_MAX, pathPatternFault } from '../../../core/patterns/path.ts';
import { referrerPatternFault } from '../../../core/patterns/referrer.ts';
import { GRANTED_SCOPE_PATTERN, SCOPE_LENGTH_MAX } from '../../../core/patterns/scopes.ts';
import {
  NO_RESTRICTIONS,
  type ApiTarget,
  type ResourceAccess,
  type Restrictions,
  type Rules,
} from '../../../core/rules.ts';
import type {
  ApiTarget as ApiTargetMessage,
  Limit as LimitMessage,
  ResourceAccess as ResourceAccessMessage,
  Restrictions as RestrictionsMessage,
} from '../../../proto/gen/latchkey/v1/key.ts';
import type { EffectiveRules as EffectiveRulesMessage } from '../../../proto/gen/latchkey/v1/key_service.ts';
import type { Fields } from './fields.ts';
import { readLimits, toLimit } from './limit.ts';

export const RESOURCE_ID_MAX = 256;
export const TAG_MAX = 64;
export const API_NAME_MAX = 128;
export const GROUP_NAME_MAX = 64;
export const VERB_MAX = 16;
const PATHS_MAX = 512;
const METADATA_BYTES_MAX = 4096;
const METADATA_NAME_MAX = 64;

/** The part of a message of a key or a policy that holds its rules. */
export interface RulesMessage {
  readonly scopes: readonly string[];
  readonly resourceAccess: ResourceAccessMessage | undefined;
  readonly restrictions: RestrictionsMessage | undefined;
  readonly limits: readonly LimitMessage[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly tags: readonly string[];
}

/** How each rule is read from a message. `of` is the field that holds them, `key` or `policy`. */
export const readRule: {
  readonly [R in keyof Rules]: (fields: Fields, of: string, message: RulesMessage) => Rules[R];
} = {
  scopes: (fields, of, { scopes }) =>
    fields.texts(`${of}.scopes`, scopes, {
      countMax: 256,
      max: SCOPE_LENGTH_MAX,
      pattern: GRANTED_SCOPE_PATTERN,
      shape: 'made of A-Z a-z 0-9 _ - . / : with a wildcard `*` only as the last character',
    }),
  resourceAccess: (fields, of, { resourceAccess }) => {
    if (resourceAccess === undefined) return null;
    const field = `${of}.resource_access`;
    const { access } = resourceAccess;
    if (access === undefined) fields.refuse(field, 'must be one of all and listed');
    if (access?.$case !== 'listed') return { type: 'ALL' };
    const ids = fields.texts(`${field}.listed.ids`, access.value.ids, {
      countMax: 1000,
      max: RESOURCE_ID_MAX,
    });
    if (ids.length === 0) fields.refuse(`${field}.listed.ids`, 'must have at least one entry');
    return { type: 'LISTED', ids };
  },
  restrictions: (fields, of, { restrictions }) =>
    restrictions === undefined
      ? NO_RESTRICTIONS
      : readRestrictions(fields, `${of}.restrictions`, restrictions),
  limits: (fields, of, { limits }) => readLimits(fields, `${of}.limits`, limits),
  metadata: (fields, of, { metadata }) => readMetadata(fields, `${of}.metadata`, metadata),
  tags: (fields, of, { tags }) => fields.texts(`${of}.tags`, tags, { countMax: 32, max: TAG_MAX }),
};

/** Metadata of a key, a policy or an owner. */
export function readMetadata(
  fields: Fields,
  field: string,
  metadata: ReadonlyMap<string, string>,
): Readonly<Record<string, string>> {
  if (metadata.size > 64) fields.refuse(field, `must have at most 64 entries, has ${metadata.size}`);
  let bytes = 0;
  for (const [name, value] of metadata) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    if (bytes > METADATA_BYTES_MAX) break;
    fields.text(field, name, { max: METADATA_NAME_MAX, required: true });
    fields.text(field, value, { max: METADATA_BYTES_MAX, multiline: true });
  }
  if (bytes > METADATA_BYTES_MAX) {
    fields.refuse(field, `must have at most ${METADATA_BYTES_MAX} bytes of names and values`);
  }
  return Object.fromEntries(metadata);
}

function readRestrictions(fields: Fields, field: string, message: RestrictionsMessage): Restrictions {
  const { androidApps, apiTargets } = message;
  if (androidApps.length > 64)
    fields.refuse(`${field}.android_apps`, `must have at most 64 entries, has ${androidApps.length}`);
  if (apiTargets.length > 64)
    fields.refuse(`${field}.api_targets`, `must have at most 64 entries, has ${apiTargets.length}`);
  const paths = apiTargets.reduce((sum, target) => sum + target.paths.length, 0);
  if (paths > PATHS_MAX)
    fields.refuse(`${field}.api_targets`, `must have at most ${PATHS_MAX} paths in all, has ${paths}`);
  return {
    allowedIps: fields.texts(`${field}.allowed_ips`, message.allowedIps, {
      countMax: 256,
      max: 64,
      fault: ipRangeFault,
    }),
    allowedReferrers: fields.texts(`${field}.allowed_referrers`, message.allowedReferrers, {
      countMax: 256,
      max: 512,
      fault: referrerPatternFault,
    }),
    androidApps: androidApps.slice(0, 64).map((app, index) => {
      const at = `${field}.android_apps[${index}]`;
      return {
        packageName: fields.text(`${at}.package`, app.package, {
          max: 256,
          required: true,
          fault: androidPackageFault,
        }),
        certSha1:
          normalizeCertSha1(
            fields.text(`${at}.cert_sha1`, app.certSha1, { max: 64, required: true, fault: certSha1Fault }),
          ) ?? '',
      };
    }),
    iosBundleIds: fields.texts(`${field}.ios_bundle_ids`, message.iosBundleIds, {
      countMax: 64,
      max: 256,
      fault: bundleIdFault,
    }),
    apiTargets: apiTargets
      .slice(0, 64)
      .map((target, index) => readTarget(fields, `${field}.api_targets[${index}]`, target)),
  };
}

function readTarget(
  fields: Fields,
  field: string,
  { api, verbs, paths, groups }: ApiTargetMessage,
): ApiTarget {
  return {
    api: fields.text(`${field}.api`, api, { max: API_NAME_MAX, required: true }),
    verbs: [
      ...new Set(
        fields.texts(`${field}.verbs`, verbs, { countMax: 16, max: VERB_MAX, ...VERB }).map(upperCase),
      ),
    ],
    paths: fields.texts(`${field}.paths`, paths, {
      countMax: 256,
      max: PATH_PATTERN_LENGTH_MAX,
      fault: pathPatternFault,
    }),
    groups: fields.texts(`${field}.groups`, groups, { countMax: 64, max: GROUP_NAME_MAX }),
  };
}

/** What a verb looks like: a token of RFC 9110, of letters and hyphens. */
export const VERB = { pattern: /^[A-Za-z-]+$/, shape: 'an HTTP verb, made of letters' } as const;
export const upperCase = (text: string): string => text.toUpperCase();

export function toResourceAccess(access: ResourceAccess | null): ResourceAccessMessage | undefined {
  if (access === null) return undefined;
  return access.type === 'ALL'
    ? { access: { $case: 'all', value: {} } }
    : { access: { $case: 'listed', value: { ids: [...access.ids] } } };
}

/** Absent where nothing is restricted. */
export function toRestrictions(restrictions: Restrictions): RestrictionsMessage | undefined {
  const { allowedIps, allowedReferrers, androidApps, iosBundleIds, apiTargets } = restrictions;
  const isEmpty = Object.values<readonly unknown[]>({ ...restrictions }).every((list) => list.length === 0);
  if (isEmpty) return undefined;
  return {
    allowedIps: [...allowedIps],
    allowedReferrers: [...allowedReferrers],
    androidApps: androidApps.map(({ packageName, certSha1 }) => ({ package: packageName, certSha1 })),
    iosBundleIds: [...iosBundleIds],
    apiTargets: apiTargets.map(({ api, verbs, paths, groups }) => ({
      api,
      verbs: [...verbs],
      paths: [...paths],
      groups: [...groups],
    })),
  };
}

/** The rules as a key or a policy shows them. */
export function toRules(rules: Rules): {
  scopes: string[];
  resourceAccess: ResourceAccessMessage | undefined;
  restrictions: RestrictionsMessage | undefined;
  limits: LimitMessage[];
  metadata: Map<string, string>;
  tags: string[];
} {
  return {
    scopes: [...rules.scopes],
    resourceAccess: toResourceAccess(rules.resourceAccess),
    restrictions: toRestrictions(rules.restrictions),
    limits: rules.limits.map(toLimit),
    metadata: new Map(Object.entries(rules.metadata)),
    tags: [...rules.tags],
  };
}

/** The rules in effect. Access to all is said here even where nobody set it. */
export function toEffectiveRules(
  { rules, sources }: Effective,
  owner: OwnerRecord | undefined,
): EffectiveRulesMessage {
  return {
    ...toRules({ ...rules, resourceAccess: rules.resourceAccess ?? { type: 'ALL' } }),
    ownerSuspended: owner !== undefined && owner.suspendTimeMs !== null,
    ownerLimits: (owner?.limits ?? []).map(toLimit),
    sources: sources.map(({ field, policyIds }: Source) => ({ field, policyIds: [...policyIds] })),
  };
}
