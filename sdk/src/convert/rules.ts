import type {
  ApiTarget as ApiTargetMessage,
  Limit as LimitMessage,
  ResourceAccess as ResourceAccessMessage,
  Restrictions as RestrictionsMessage,
} from '../../../proto/gen/latchkey/v1/key.ts';
import type { EffectiveRules as EffectiveRulesMessage } from '../../../proto/gen/latchkey/v1/key_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type {
  ApiTarget,
  EffectiveRules,
  NewRules,
  ResourceAccess,
  Restrictions,
  Rules,
} from '../types/rules.ts';
import { defined } from './defined.ts';
import { fromLimit, toLimits } from './limit.ts';
import { fromMap, toMap } from './metadata.ts';
import { requireKnown } from './require-known.ts';

/** The part of a message that holds rules. */
interface RulesMessage {
  readonly scopes: readonly string[];
  readonly resourceAccess: ResourceAccessMessage | undefined;
  readonly restrictions: RestrictionsMessage | undefined;
  readonly limits: readonly LimitMessage[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly tags: readonly string[];
}

/** The rules of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromRules(message: RulesMessage): Rules {
  const { scopes, resourceAccess, restrictions, limits, metadata, tags } = message;
  return {
    scopes,
    resourceAccess: resourceAccess === undefined ? null : fromResourceAccess(resourceAccess),
    restrictions: restrictions === undefined ? {} : fromRestrictions(restrictions),
    limits: limits.map(fromLimit),
    metadata: fromMap(metadata),
    tags,
  };
}

/** The rules in effect of a message. @throws LatchkeyError UNEXPECTED_RESPONSE */
export function fromEffectiveRules(message: EffectiveRulesMessage | undefined): EffectiveRules {
  if (message === undefined) throw unexpectedResponse('no rules in effect');
  return {
    ...fromRules(message),
    resourceAccess: fromResourceAccess(message.resourceAccess),
    ownerLimits: message.ownerLimits.map(fromLimit),
    ownerSuspended: message.ownerSuspended,
    sources: message.sources,
  };
}

/** The rules of a message to send. @throws LatchkeyError INVALID_FIELD */
// In a message, what is cleared and what was never set look the same: empty. The update mask tells them apart.
export function toRules({ scopes, resourceAccess, restrictions, limits, metadata, tags }: NewRules) {
  return defined({
    scopes: scopes?.slice(),
    resourceAccess:
      resourceAccess === undefined || resourceAccess === null ? undefined : toResourceAccess(resourceAccess),
    restrictions: restrictions === undefined ? undefined : toRestrictions(restrictions),
    limits: limits === undefined ? undefined : toLimits(limits),
    metadata: metadata === undefined ? undefined : toMap(metadata),
    tags: tags?.slice(),
  });
}

/** The rules that a change may have, with their paths in the contract. */
export const RULE_PATHS = {
  scopes: 'scopes',
  resourceAccess: 'resource_access',
  restrictions: 'restrictions',
  limits: 'limits',
  metadata: 'metadata',
  tags: 'tags',
} as const satisfies Record<keyof NewRules, string>;

function toResourceAccess(access: ResourceAccess): ResourceAccessMessage {
  return access === 'ALL'
    ? { access: { $case: 'all', value: {} } }
    : { access: { $case: 'listed', value: { ids: [...access.ids] } } };
}

function fromResourceAccess(message: ResourceAccessMessage | undefined): ResourceAccess {
  const access = message?.access;
  if (access?.$case === 'all') return 'ALL';
  if (access?.$case === 'listed') return { ids: access.value.ids };
  // Fails closed: what is not understood must not look like access to all.
  throw unexpectedResponse('an unknown resource access');
}

const RESTRICTIONS = [
  'allowedIps',
  'allowedReferrers',
  'androidApps',
  'iosBundleIds',
  'apiTargets',
] as const satisfies readonly (keyof Restrictions)[];
const TARGET = ['api', 'verbs', 'paths', 'groups'] as const satisfies readonly (keyof ApiTarget)[];

function toRestrictions(restrictions: Restrictions): RestrictionsMessage {
  requireKnown('restrictions', restrictions, RESTRICTIONS);
  const {
    allowedIps = [],
    allowedReferrers = [],
    androidApps = [],
    iosBundleIds = [],
    apiTargets = [],
  } = restrictions;
  return {
    allowedIps: [...allowedIps],
    allowedReferrers: [...allowedReferrers],
    androidApps: androidApps.map((app) => ({ package: app.package, certSha1: app.certSha1 })),
    iosBundleIds: [...iosBundleIds],
    apiTargets: apiTargets.map(toApiTarget),
  };
}

function toApiTarget(target: ApiTarget): ApiTargetMessage {
  requireKnown('restrictions.apiTargets', target, TARGET);
  const { api, verbs = [], paths = [], groups = [] } = target;
  return { api, verbs: [...verbs], paths: [...paths], groups: [...groups] };
}

function fromRestrictions(restrictions: RestrictionsMessage): Restrictions {
  const { allowedIps, allowedReferrers, androidApps, iosBundleIds, apiTargets } = restrictions;
  return withoutEmpty({
    allowedIps,
    allowedReferrers,
    androidApps,
    iosBundleIds,
    apiTargets: apiTargets.map(fromApiTarget),
  });
}

function fromApiTarget({ api, verbs, paths, groups }: ApiTargetMessage): ApiTarget {
  return { api, ...withoutEmpty({ verbs, paths, groups }) };
}

function withoutEmpty<T extends Readonly<Record<string, readonly unknown[]>>>(lists: T): Partial<T> {
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)) as Partial<T>;
}
