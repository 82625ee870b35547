import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { effectiveRules, type RuleField } from '../../../core/effective-rules.ts';
import type { Limit } from '../../../core/limit.ts';
import type { PolicyRecord } from '../../../core/policy.ts';
import { NO_RESTRICTIONS, type AndroidApp, type ApiTarget, type Rules } from '../../../core/rules.ts';
import { NO_RULES, policyOf } from '../support/policy-of.ts';

const LISTS = ['allowedIps', 'allowedReferrers', 'androidApps', 'iosBundleIds', 'apiTargets'] as const;

/** The fields of the contract, with the value of each in some rules; undefined: it says nothing. */
const FIELDS: Readonly<Record<RuleField, (rules: Rules) => unknown>> = {
  scopes: ({ scopes }) => (scopes.length === 0 ? undefined : scopes),
  resource_access: ({ resourceAccess }) => resourceAccess ?? undefined,
  'restrictions.allowed_ips': (rules) => listOf(rules, 'allowedIps'),
  'restrictions.allowed_referrers': (rules) => listOf(rules, 'allowedReferrers'),
  'restrictions.android_apps': (rules) => listOf(rules, 'androidApps'),
  'restrictions.ios_bundle_ids': (rules) => listOf(rules, 'iosBundleIds'),
  'restrictions.api_targets': (rules) => listOf(rules, 'apiTargets'),
  limits: ({ limits }) => (limits.length === 0 ? undefined : limits),
  metadata: ({ metadata }) => (Object.entries(metadata).length === 0 ? undefined : metadata),
  tags: ({ tags }) => (tags.length === 0 ? undefined : tags),
};
const FIELD_NAMES = Object.keys(FIELDS) as RuleField[];

function listOf({ restrictions }: Rules, list: (typeof LISTS)[number]): unknown {
  return restrictions[list].length === 0 ? undefined : restrictions[list];
}

/** Adds what is not there yet, one by one. */
function slowUnion(lists: readonly (readonly unknown[])[]): unknown[] {
  const union: unknown[] = [];
  for (const list of lists) {
    for (const entry of list) {
      if (!union.some((known) => JSON.stringify(known) === JSON.stringify(entry))) union.push(entry);
    }
  }
  return union;
}

/** What a field comes to, by the words of the contract, and the policies that it comes from. */
function slowly(
  field: RuleField,
  key: Rules,
  policies: readonly PolicyRecord[],
): { readonly value: unknown; readonly policyIds: readonly string[] | undefined } {
  const read = FIELDS[field];
  if (read(key) !== undefined) return { value: read(key), policyIds: [] };
  const setting = policies.filter((policy) => read(policy) !== undefined);
  if (setting.length === 0) return { value: undefined, policyIds: undefined };
  const policyIds = setting.map(({ id }) => id);
  if (field === 'metadata') {
    const entries: Record<string, string> = {};
    for (const { metadata } of setting) {
      for (const [name, value] of Object.entries(metadata)) entries[name] ??= value;
    }
    return { value: entries, policyIds };
  }
  if (field === 'limits') {
    const united: Limit[] = [];
    for (const limit of setting.flatMap(({ limits }) => limits)) {
      if (united.every(({ name }) => name !== limit.name)) united.push(limit);
    }
    return { value: united, policyIds };
  }
  if (field === 'resource_access') {
    const accesses = setting.map(({ resourceAccess }) => resourceAccess);
    if (accesses.some((access) => access?.type === 'ALL')) return { value: { type: 'ALL' }, policyIds };
    const lists = accesses.map((access) => (access?.type === 'LISTED' ? access.ids : []));
    return { value: { type: 'LISTED', ids: slowUnion(lists) }, policyIds };
  }
  return { value: slowUnion(setting.map((policy) => read(policy) as readonly unknown[])), policyIds };
}

const texts = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', '__proto__'), { maxLength: 3 });
const apps: fc.Arbitrary<AndroidApp[]> = fc.uniqueArray(
  fc.record({ packageName: fc.constantFrom('p', 'q'), certSha1: fc.constantFrom('1', '2') }),
  { maxLength: 3, selector: (app) => JSON.stringify(app) },
);
const targets: fc.Arbitrary<ApiTarget[]> = fc.uniqueArray(
  fc.record({
    api: fc.constantFrom('shop', 'pay'),
    verbs: fc.subarray(['GET', 'PUT']),
    paths: fc.subarray(['/a']),
    groups: fc.subarray(['/a']),
  }),
  { maxLength: 3, selector: (target) => JSON.stringify(target) },
);
const limits: fc.Arbitrary<Limit[]> = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('per-minute', 'calls', 'constructor'),
    rule: fc.oneof(
      fc.integer({ min: 1, max: 3 }).map((limit) => ({ kind: 'RATE' as const, limit, windowMs: 1000 })),
      fc.integer({ min: 0, max: 3 }).map((initial) => ({ kind: 'CREDITS' as const, initial, refill: null })),
    ),
    onDemand: fc.boolean(),
    onUnavailable: fc.constantFrom('DENY', 'ALLOW'),
  }),
  { maxLength: 3, selector: ({ name }) => name },
);
const rules: fc.Arbitrary<Rules> = fc.record({
  scopes: texts,
  resourceAccess: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: texts.map((ids) => ({ type: 'LISTED' as const, ids })) },
    { weight: 1, arbitrary: fc.constant({ type: 'ALL' as const }) },
  ),
  restrictions: fc.record({
    allowedIps: texts,
    allowedReferrers: texts,
    androidApps: apps,
    iosBundleIds: texts,
    apiTargets: targets,
  }),
  limits,
  metadata: fc.dictionary(fc.constantFrom('m', 'n', 'o'), fc.constantFrom('1', '2', ''), { maxKeys: 2 }),
  tags: texts,
});
/** A key says little more often than much: else its policies would have no say. */
const keyRules = fc
  .tuple(rules, fc.array(fc.constantFrom(...LISTS, 'scopes', 'resourceAccess', 'limits', 'metadata', 'tags')))
  .map(([all, silent]): Rules => {
    const restrictions = Object.fromEntries(
      LISTS.filter((list) => silent.includes(list)).map((l) => [l, []]),
    );
    const others = Object.fromEntries(
      Object.entries(NO_RULES).filter(([name]) => (silent as string[]).includes(name)),
    );
    return Object.assign({}, all, others, {
      restrictions: Object.assign({}, all.restrictions, restrictions),
    });
  });

test('the rules of a key and its policies unite as the contract says, field by field', () => {
  const seen = new Map<string, number>();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  fc.assert(
    fc.property(keyRules, fc.array(rules, { maxLength: 4 }), (key, list) => {
      const policies = list.map(policyOf);
      const effective = effectiveRules(key, policies);
      for (const field of FIELD_NAMES) {
        const { value, policyIds } = slowly(field, key, policies);
        expect({ [field]: FIELDS[field](effective.rules) }).toEqual({ [field]: value });
        expect(effective.sources.find((source) => source.field === field)?.policyIds).toEqual(policyIds);
        count(policyIds === undefined ? 'nobody' : `${Math.min(policyIds.length, 2)} policies`);
      }
      expect(new Set(effective.sources.map(({ field }) => field)).size).toBe(effective.sources.length);
    }),
    { numRuns: 10_000 },
  );
  for (const what of ['nobody', '0 policies', '1 policies', '2 policies'])
    expect(seen.get(what) ?? 0).toBeGreaterThan(1000);
});

test('neither a key nor a policy is changed', () => {
  const key = { ...NO_RULES, scopes: ['a'] };
  const policies = [policyOf({ scopes: ['b'], tags: ['x'] }), policyOf({ tags: ['y'] })];
  const before = structuredClone({ key, policies });
  effectiveRules(key, policies);
  expect({ key, policies }).toEqual(before);
});

describe('by example', () => {
  const rulesOf = (key: Partial<Rules>, ...policies: Partial<PolicyRecord>[]): Rules =>
    effectiveRules({ ...NO_RULES, ...key }, policies.map(policyOf)).rules;

  test('a key without policies is judged by its own rules', () => {
    const own: Rules = { ...NO_RULES, scopes: ['a'], metadata: { plan: 'gold' } };
    expect(effectiveRules(own, [])).toEqual({
      rules: own,
      sources: [
        { field: 'scopes', policyIds: [] },
        { field: 'metadata', policyIds: [] },
      ],
    });
  });

  test('a field that a key sets is not widened by its policies', () => {
    expect(rulesOf({ scopes: ['a'] }, { scopes: ['*'] }).scopes).toEqual(['a']);
    const confined = { type: 'LISTED', ids: ['s'] } as const;
    expect(rulesOf({ resourceAccess: confined }, { resourceAccess: { type: 'ALL' } }).resourceAccess).toEqual(
      confined,
    );
  });

  test('every list of the restrictions is a field of its own', () => {
    const { restrictions } = rulesOf(
      { restrictions: { ...NO_RESTRICTIONS, allowedIps: ['192.0.2.1'] } },
      { restrictions: { ...NO_RESTRICTIONS, allowedIps: ['192.0.2.2'], iosBundleIds: ['com.example'] } },
    );
    expect(restrictions).toEqual({
      ...NO_RESTRICTIONS,
      allowedIps: ['192.0.2.1'],
      iosBundleIds: ['com.example'],
    });
  });

  test('a list of no resources is a rule: it confines to nothing, and hides no other list', () => {
    const nothing = { type: 'LISTED', ids: [] } as const;
    expect(rulesOf({ resourceAccess: nothing }, { resourceAccess: { type: 'ALL' } }).resourceAccess).toEqual(
      nothing,
    );
    expect(
      rulesOf({}, { resourceAccess: nothing }, { resourceAccess: { type: 'LISTED', ids: ['s'] } })
        .resourceAccess,
    ).toEqual({ type: 'LISTED', ids: ['s'] });
  });

  test('access to all resources wins over listed ones wherever it stands', () => {
    const listed = { resourceAccess: { type: 'LISTED', ids: ['s'] } } as const;
    const all = { resourceAccess: { type: 'ALL' } } as const;
    expect(rulesOf({}, listed, all).resourceAccess).toEqual({ type: 'ALL' });
    expect(rulesOf({}, all, listed).resourceAccess).toEqual({ type: 'ALL' });
  });

  test('of metadata of one name the first policy in the order of the key is taken', () => {
    expect(
      rulesOf({}, { metadata: { plan: 'gold' } }, { metadata: { plan: 'free', a: 'b' } }).metadata,
    ).toEqual({ plan: 'gold', a: 'b' });
  });

  test('of limits of one name the first policy in the order of the key is taken, whole', () => {
    const rate = (name: string, limit: number): Limit => ({
      name,
      rule: { kind: 'RATE', limit, windowMs: 1000 },
      onDemand: false,
      onUnavailable: 'DENY',
    });
    const credits: Limit = {
      name: 'calls',
      rule: { kind: 'CREDITS', initial: 7, refill: null },
      onDemand: true,
      onUnavailable: 'ALLOW',
    };
    const first = { limits: [rate('per-minute', 1), credits] };
    const second = { limits: [rate('calls', 9), rate('per-second', 2), rate('per-minute', 3)] };
    expect(rulesOf({}, first, second).limits).toEqual([
      rate('per-minute', 1),
      credits,
      rate('per-second', 2),
    ]);
    expect(rulesOf({}, second, first).limits).toEqual(second.limits);
  });

  test('a limit of the key puts all limits of its policies aside, those of other names too', () => {
    const [own, other] = ['own', 'other'].map((name): Limit => ({
      name,
      rule: { kind: 'RATE', limit: 1, windowMs: 1000 },
      onDemand: false,
      onUnavailable: 'DENY',
    })) as [Limit, Limit];
    expect(rulesOf({ limits: [own] }, { limits: [other] }).limits).toEqual([own]);
  });

  test('apps that share a package or a certificate are two apps', () => {
    const one = { packageName: 'com.example.a', certSha1: '1' };
    const three = [one, { ...one, certSha1: '2' }, { ...one, packageName: 'com.example.b' }];
    const policies = [...three, one].map((app) => ({
      restrictions: { ...NO_RESTRICTIONS, androidApps: [app] },
    }));
    expect(rulesOf({}, ...policies).restrictions.androidApps).toEqual(three);
  });
});
