import type { Limit } from './limit.ts';
import type { PolicyRecord } from './policy.ts';
import type { AndroidApp, ApiTarget, ResourceAccess, Restrictions, Rules } from './rules.ts';

/** The field of a rule, in the names of the contract. */
export type RuleField =
  | 'scopes'
  | 'resource_access'
  | 'restrictions.allowed_ips'
  | 'restrictions.allowed_referrers'
  | 'restrictions.android_apps'
  | 'restrictions.ios_bundle_ids'
  | 'restrictions.api_targets'
  | 'limits'
  | 'metadata'
  | 'tags';

/** Where a rule comes from: the policies whose values were united; none: the key itself. */
export interface RuleSource {
  readonly field: RuleField;
  readonly policyIds: readonly string[];
}

/** The rules that a key is judged by. */
export interface EffectiveRules {
  readonly rules: Rules;
  /** One for each rule that is set anywhere. */
  readonly sources: readonly RuleSource[];
}

/**
 * Unites the rules of a key and of its policies.
 *
 * A field set on the key wins over its policies'; among policies, lists unite, access to all resources wins over listed
 * ones, and of limits or metadata entries of one name the first is taken. Every list of the restrictions is a field of its own.
 */
export function effectiveRules(key: Rules, policies: readonly PolicyRecord[]): EffectiveRules {
  const sources: RuleSource[] = [];

  /** The key's own value if it is set, else those of the policies that set it, united. */
  function choose<T>(
    field: RuleField,
    read: (rules: Rules) => T,
    isSet: (value: T) => boolean,
    unite: (values: readonly T[]) => T,
  ): T {
    const own = read(key);
    if (isSet(own)) {
      sources.push({ field, policyIds: [] });
      return own;
    }
    const setting = policies.filter((policy) => isSet(read(policy)));
    if (setting.length === 0) return own;
    sources.push({ field, policyIds: setting.map(({ id }) => id) });
    return unite(setting.map(read));
  }

  function list<T>(
    field: RuleField,
    read: (rules: Rules) => readonly T[],
    identity: (value: T) => string,
  ): readonly T[] {
    return choose<readonly T[]>(field, read, isNotEmpty, (values) => uniqueBy(values.flat(), identity));
  }

  const restriction = <T>(
    field: RuleField,
    read: (restrictions: Restrictions) => readonly T[],
    identity: (value: T) => string,
  ): readonly T[] => list(field, ({ restrictions }) => read(restrictions), identity);

  const rules: Rules = {
    scopes: list('scopes', ({ scopes }) => scopes, itself),
    resourceAccess: choose(
      'resource_access',
      ({ resourceAccess }) => resourceAccess,
      (access) => access !== null,
      uniteAccess,
    ),
    restrictions: {
      allowedIps: restriction('restrictions.allowed_ips', ({ allowedIps }) => allowedIps, itself),
      allowedReferrers: restriction(
        'restrictions.allowed_referrers',
        ({ allowedReferrers }) => allowedReferrers,
        itself,
      ),
      androidApps: restriction<AndroidApp>(
        'restrictions.android_apps',
        ({ androidApps }) => androidApps,
        ({ packageName, certSha1 }) => `${packageName} ${certSha1}`,
      ),
      iosBundleIds: restriction('restrictions.ios_bundle_ids', ({ iosBundleIds }) => iosBundleIds, itself),
      apiTargets: restriction<ApiTarget>(
        'restrictions.api_targets',
        ({ apiTargets }) => apiTargets,
        JSON.stringify,
      ),
    },
    limits: list<Limit>(
      'limits',
      ({ limits }) => limits,
      ({ name }) => name,
    ),
    metadata: choose(
      'metadata',
      ({ metadata }) => metadata,
      (metadata) => Object.keys(metadata).length > 0,
      // The last of the arguments wins, and the first of the policies shall.
      (values) => Object.fromEntries(values.toReversed().flatMap((metadata) => Object.entries(metadata))),
    ),
    tags: list('tags', ({ tags }) => tags, itself),
  };
  return { rules, sources };
}

const itself = (text: string): string => text;

const isNotEmpty = (values: readonly unknown[]): boolean => values.length > 0;

/** Of values of one identity the first. */
function uniqueBy<T>(values: readonly T[], identity: (value: T) => string): readonly T[] {
  const byIdentity = new Map<string, T>();
  for (const value of values) if (!byIdentity.has(identity(value))) byIdentity.set(identity(value), value);
  return [...byIdentity.values()];
}

function uniteAccess(accesses: readonly (ResourceAccess | null)[]): ResourceAccess {
  const ids = new Set<string>();
  for (const access of accesses) {
    if (access?.type === 'ALL') return access;
    for (const id of access?.ids ?? []) ids.add(id);
  }
  return { type: 'LISTED', ids: [...ids] };
}
