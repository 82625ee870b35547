import { effectiveRules } from './effective-rules.ts';
import { ROOT_KEYSPACE_ID, type KeyRecord, type KeySwitch } from './key.ts';
import type { Limit, LimitOverride, LiveLimit } from './limit.ts';
import { keyLiveLimits, ownerLiveLimits } from './live-limits.ts';
import { compileAndroidApps, compileBundleIds } from './patterns/mobile-app.ts';
import { compileIps, type IpMatcher } from './patterns/ip.ts';
import {
  compileCatalogue,
  compileOperations,
  type Catalogue,
  type OperationMatcher,
} from './patterns/operation.ts';
import { compileReferrers, type ReferrerMatcher } from './patterns/referrer.ts';
import { compileScopes, type ScopeMatcher } from './patterns/scopes.ts';
import type { PolicyRecord } from './policy.ts';
import type { Api, Restrictions, Rules } from './rules.ts';

/** One secret of a key, ready to be compared. */
export interface SnapshotSecret {
  /** `sec_…` */
  readonly id: string;
  /** SHA-256 of the whole token; 32 bytes. */
  readonly digest: Buffer;
  /** When it retires, ms since 1970; Infinity: never. */
  readonly expireTimeMs: number;
}

/** The application condition: any one that is there suffices. */
export interface SnapshotApplications {
  readonly referrers: ReferrerMatcher | undefined;
  readonly androidApps: ((packageName: string, certSha1: string) => boolean) | undefined;
  readonly bundleIds: ((id: string) => boolean) | undefined;
}

/** A key with its policies and owner, compiled into the form that verification reads. Immutable. */
export interface Snapshot {
  /** The key as it was stored. */
  readonly key: KeyRecord;
  /** Its rules and those of its policies, united; what verification tells of the key is among them. */
  readonly rules: Rules;
  readonly switch: KeySwitch;
  readonly ownerSuspended: boolean;
  /** When the key expires, ms since 1970; Infinity: never. */
  readonly expireTimeMs: number;
  readonly secrets: readonly SnapshotSecret[];
  readonly grants: ScopeMatcher;
  /** The resources it is confined to, or undefined for access to all. */
  readonly resources: ReadonlySet<string> | undefined;
  /** Whether an operation is about no resource. */
  readonly isResourceless: OperationMatcher;
  /** The network condition; undefined: any address. */
  readonly ips: IpMatcher | undefined;
  /** The application condition; undefined: any client. */
  readonly applications: SnapshotApplications | undefined;
  /** The operations it is for; undefined: all. */
  readonly operations: OperationMatcher | undefined;
  /** What it may be charged by: the key's own limits first, then its owner's. One empty list for all keys without. */
  readonly limits: readonly LiveLimit[];
  /** Whether the keyspace's catalogue has a part in it. */
  readonly usesCatalogue: boolean;
}

/** What a key is judged by beside its own record. */
export interface KeyContext {
  /** In the order of the key's `policyIds`. */
  readonly policies: readonly PolicyRecord[];
  readonly ownerSuspended: boolean;
  /** The limits that its owner's keys share. */
  readonly ownerLimits: readonly Limit[];
  readonly ownerLimitOverrides: readonly LimitOverride[];
  /** The catalogue of its keyspace. One object for all keys of it lets the catalogue be compiled once. */
  readonly apis: readonly Api[];
}

/** A key with all that it is judged by. */
export interface LiveKey extends KeyContext {
  readonly key: KeyRecord;
}

const NO_APIS: readonly Api[] = [];
export const NO_CONTEXT: KeyContext = {
  policies: [],
  ownerSuspended: false,
  ownerLimits: [],
  ownerLimitOverrides: [],
  apis: NO_APIS,
};
const NO_LIMITS: readonly LiveLimit[] = Object.freeze([]);

const catalogues = new WeakMap<readonly Api[], Catalogue>();

/** Compiles a stored key. Called once a cache fill, so that a verification parses and allocates nothing. */
export function compileSnapshot(key: KeyRecord, context: KeyContext = NO_CONTEXT): Snapshot {
  const { rules } = effectiveRules(key, context.policies);
  const { resourceAccess, restrictions } = rules;
  let catalogue = catalogues.get(context.apis);
  if (catalogue === undefined) catalogues.set(context.apis, (catalogue = compileCatalogue(context.apis)));
  return {
    key,
    rules,
    switch: key.switch,
    ownerSuspended: context.ownerSuspended,
    expireTimeMs: key.expireTimeMs ?? Infinity,
    secrets: key.secrets.map((secret) => ({
      id: secret.id,
      digest: Buffer.from(secret.digestHex, 'hex'),
      expireTimeMs: secret.expireTimeMs ?? Infinity,
    })),
    grants: compileScopes(rules.scopes),
    resources: resourceAccess?.type === 'LISTED' ? new Set(resourceAccess.ids) : undefined,
    isResourceless: catalogue.isResourceless,
    ips: restrictions.allowedIps.length === 0 ? undefined : compileIps(restrictions.allowedIps),
    applications: compileApplications(restrictions),
    operations:
      restrictions.apiTargets.length === 0
        ? undefined
        : compileOperations(restrictions.apiTargets, catalogue),
    limits: liveLimits(key, rules.limits, context),
    usesCatalogue:
      resourceAccess?.type === 'LISTED' || restrictions.apiTargets.some(({ groups }) => groups.length > 0),
  };
}

/** What a key may be charged by. Root keys have no limits: what is asked of Latchkey itself is not counted. */
function liveLimits(
  key: KeyRecord,
  own: readonly Limit[],
  { ownerLimits, ownerLimitOverrides }: KeyContext,
): readonly LiveLimit[] {
  if (key.keyspaceId === ROOT_KEYSPACE_ID || own.length + ownerLimits.length === 0) return NO_LIMITS;
  const owner = { keyspaceId: key.keyspaceId, id: key.ownerId };
  return [
    ...keyLiveLimits(key, own),
    ...ownerLiveLimits({ ...owner, limits: ownerLimits, limitOverrides: ownerLimitOverrides }),
  ];
}

function compileApplications({
  allowedReferrers,
  androidApps,
  iosBundleIds,
}: Restrictions): SnapshotApplications | undefined {
  if (allowedReferrers.length + androidApps.length + iosBundleIds.length === 0) return undefined;
  return {
    referrers: allowedReferrers.length === 0 ? undefined : compileReferrers(allowedReferrers),
    androidApps: androidApps.length === 0 ? undefined : compileAndroidApps(androidApps),
    bundleIds: iosBundleIds.length === 0 ? undefined : compileBundleIds(iosBundleIds),
  };
}

/** About how much memory a snapshot holds, in bytes: its texts at two bytes a character and a flat sum for objects. */
export function snapshotBytes({ key, rules, limits }: Snapshot): number {
  const { scopes, tags, metadata, resourceAccess, restrictions } = rules;
  let characters = key.displayName.length + key.ownerId.length;
  for (const scope of scopes) characters += 2 * scope.length + 32;
  for (const tag of tags) characters += tag.length + 16;
  for (const [name, value] of Object.entries(metadata)) characters += name.length + value.length + 32;
  if (resourceAccess?.type === 'LISTED') {
    for (const id of resourceAccess.ids) characters += 2 * id.length + 48;
  }
  for (const list of [restrictions.allowedIps, restrictions.allowedReferrers, restrictions.iosBundleIds]) {
    for (const text of list) characters += 2 * text.length + 100;
  }
  characters += 200 * restrictions.androidApps.length;
  for (const { paths, groups, verbs } of restrictions.apiTargets) {
    characters += 200;
    for (const text of [...paths, ...groups, ...verbs]) characters += 2 * text.length + 100;
  }
  for (const { name, ledgerId: id } of limits) characters += name.length + id.length + 200;
  return 5900 + 2 * characters;
}
