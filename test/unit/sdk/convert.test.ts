import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLIENT_REFUSALS, VERDICTS } from '../../../core/verdict.ts';
import { Duration } from '../../../proto/gen/google/protobuf/duration.ts';
import { KeyState, type Key } from '../../../proto/gen/latchkey/v1/key.ts';
import {
  AccessType,
  EffectiveRules as EffectiveRulesMessage,
  ImportKeysResult,
} from '../../../proto/gen/latchkey/v1/key_service.ts';
import type { Policy } from '../../../proto/gen/latchkey/v1/policy_service.ts';
import {
  ClientRefusal as ClientRefusalCode,
  LimitScope,
  Verdict as VerdictCode,
  VerifyRequest as VerifyRequestMessage,
  VerifyResponse,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { fromDuration } from '../../../sdk/src/convert/from-duration.ts';
import { fieldMask } from '../../../sdk/src/convert/field-mask.ts';
import {
  fromImportResult,
  fromKey,
  toChangedKey,
  toImportedKey,
  toKeyChoice,
  toKeyFilter,
  toNewKey,
} from '../../../sdk/src/convert/key.ts';
import { fromKeyspace, toChangedKeyspace, toNewKeyspace } from '../../../sdk/src/convert/keyspace.ts';
import { fromKeyCounts, fromOwner } from '../../../sdk/src/convert/owner.ts';
import { fromPolicy, POLICY_PATHS, toChangedPolicy, toNewPolicy } from '../../../sdk/src/convert/policy.ts';
import { fromEffectiveRules } from '../../../sdk/src/convert/rules.ts';
import { toDuration, toTime } from '../../../sdk/src/convert/times.ts';
import { toVerifyRequest, toVerifyResult } from '../../../sdk/src/convert/verify.ts';
import type { Restrictions } from '../../../sdk/src/index.ts';
import { keyMessage, keyspaceMessage, ownerMessage, policyMessage } from './fake-latchkey.ts';

const UNEXPECTED = expect.objectContaining({ code: 'INTERNAL', reason: 'UNEXPECTED_RESPONSE' });
const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' });
const TIME = new Date('2030-01-01T00:00:00.123Z');

describe('durations', () => {
  it('survive the way there and back, to the millisecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_153_600_000_000 }), (spanMs) => {
        const sent = Duration.encode(toDuration('ttlMs', spanMs) ?? Duration.fromPartial({})).finish();
        expect(fromDuration(Duration.decode(sent))).toBe(spanMs);
      }),
    );
  });

  it.each([Number.NaN, Infinity, 2 ** 60])('of %d ms are refused, naming the property', (spanMs) => {
    expect(() => toDuration('ttlMs', spanMs)).toThrow(INVALID);
    expect(() => toDuration('ttlMs', spanMs)).toThrow(/^ttlMs/);
  });

  it('refuse an invalid Date, naming the property', () => {
    expect(() => toTime('expireTime', new Date('no'))).toThrow(INVALID);
    expect(() => toTime('expireTime', new Date('no'))).toThrow(/^expireTime/);
  });
});

describe('a request to verify', () => {
  it('says what it was given, and nothing of what is undefined', () => {
    const message = toVerifyRequest({
      token: 't',
      keyspaceId: 'ks_1',
      operation: { api: 'orders', verb: undefined, path: '/a' },
      resource: 'store-1',
      scopes: ['a', 'b'],
      scopeQuery: 'c OR d',
      client: { ip: '::1', referrer: undefined },
      charges: { requests: 0, tokens: 250 },
      checkOnly: true,
      minRevision: '0.1',
      tags: ['x'],
    });
    expect(message).toEqual(
      VerifyRequestMessage.fromPartial({
        token: 't',
        keyspaceId: 'ks_1',
        operation: { api: 'orders', verb: '', path: '/a' },
        resource: 'store-1',
        scopes: ['a', 'b'],
        scopeQuery: 'c OR d',
        client: { ip: '::1' },
        charges: [
          { limit: 'requests', cost: 0n },
          { limit: 'tokens', cost: 250n },
        ],
        checkOnly: true,
        minRevision: '0.1',
        tags: ['x'],
      }),
    );
    expect(
      toVerifyRequest({ token: 't', keyspaceId: undefined, scopes: undefined, charges: undefined }),
    ).toEqual(VerifyRequestMessage.fromPartial({ token: 't' }));
  });

  it.each([-1, 0.5, Number.NaN, Infinity, 2 ** 53, undefined, '7'])(
    'with the cost %s is refused, naming the limit',
    (cost) => {
      const charges = { requests: 1, tokens: cost } as Record<string, number>;
      expect(() => toVerifyRequest({ token: 't', charges })).toThrow(INVALID);
      expect(() => toVerifyRequest({ token: 't', charges })).toThrow(/^charges\.tokens: must be a whole/);
    },
  );
});

describe('the result of a verification', () => {
  it.each(VERDICTS)('is %s where the server says so', (verdict) => {
    const key = {
      id: 'key_1',
      keyspaceId: 'ks_1',
      scopes: ['a'],
      metadata: { plan: 'pro' },
      tags: ['x'],
      policyIds: ['pol_1'],
      expireTime: TIME,
    };
    const response = VerifyResponse.fromPartial({
      valid: verdict === 'VALID',
      verdict: VerdictCode[`VERDICT_${verdict}`],
      key: { ...key, metadata: new Map(Object.entries(key.metadata)) },
      revision: '0.9',
    });
    expect(toVerifyResult(response)).toEqual({
      valid: verdict === 'VALID',
      verdict,
      key: { ...key, ownerId: null, displayName: '' },
      limits: [],
      revision: '0.9',
      ...(verdict === 'VALID' ? {} : { missingScopes: [] }),
      ...(verdict === 'RATE_LIMITED' ? { retryAfterMs: null } : {}),
    });
  });

  it('tells of missing scopes, limits and when to come back', () => {
    const response = VerifyResponse.fromPartial({
      verdict: VerdictCode.VERDICT_RATE_LIMITED,
      missingScopes: ['a'],
      limits: [
        {
          name: 'rpm',
          limit: 10n,
          resetTime: TIME,
          scope: LimitScope.LIMIT_SCOPE_KEY,
          refused: true,
          window: { seconds: 60n, nanos: 500_000_000 },
        },
        {
          name: 'credits',
          limit: 5n,
          remaining: 1_000_000_000_000_000n,
          scope: LimitScope.LIMIT_SCOPE_OWNER,
        },
      ],
      retryAfter: { seconds: 1n, nanos: 500_000_000 },
    });
    expect(toVerifyResult(response)).toEqual({
      valid: false,
      verdict: 'RATE_LIMITED',
      missingScopes: ['a'],
      retryAfterMs: 1500,
      limits: [
        {
          name: 'rpm',
          limit: 10,
          remaining: 0,
          resetTime: TIME,
          scope: 'KEY',
          refused: true,
          windowMs: 60_500,
        },
        {
          name: 'credits',
          limit: 5,
          remaining: 1e15,
          resetTime: null,
          scope: 'OWNER',
          refused: false,
          windowMs: null,
        },
      ],
      revision: '',
    });
  });

  it('says when to come back only where it is RATE_LIMITED', () => {
    const response = { verdict: VerdictCode.VERDICT_CREDITS_EXHAUSTED, retryAfter: { seconds: 1n } };
    expect(toVerifyResult(VerifyResponse.fromPartial(response))).not.toHaveProperty('retryAfterMs');
  });

  it.each(CLIENT_REFUSALS)('tells that the client is not allowed because of %s', (clientRefusal) => {
    const response = VerifyResponse.fromPartial({
      verdict: VerdictCode.VERDICT_CLIENT_NOT_ALLOWED,
      clientRefusal: ClientRefusalCode[`CLIENT_REFUSAL_${clientRefusal}`],
    });
    expect(toVerifyResult(response)).toMatchObject({ verdict: 'CLIENT_NOT_ALLOWED', clientRefusal });
  });

  it('is a refusal also where its sub-reason is not known', () => {
    const response = VerifyResponse.fromPartial({
      verdict: VerdictCode.VERDICT_CLIENT_NOT_ALLOWED,
      clientRefusal: 99 as ClientRefusalCode,
    });
    expect(toVerifyResult(response)).toMatchObject({ valid: false, verdict: 'CLIENT_NOT_ALLOWED' });
    expect(toVerifyResult(response)).not.toHaveProperty('clientRefusal');
  });

  it.each([
    ['a verdict that is not known', { valid: true, verdict: 99 as VerdictCode, key: {} }],
    ['no verdict', { valid: true, key: {} }],
    ['valid and a refusal', { valid: true, verdict: VerdictCode.VERDICT_REVOKED, key: {} }],
    ['a refusal called VALID', { valid: false, verdict: VerdictCode.VERDICT_VALID, key: {} }],
    ['VALID without a key', { valid: true, verdict: VerdictCode.VERDICT_VALID }],
    ['a limit of nobody', { verdict: VerdictCode.VERDICT_RATE_LIMITED, limits: [{ name: 'rpm' }] }],
  ])('is an error, never VALID, for %s', (_case, response) => {
    expect(() => toVerifyResult(VerifyResponse.fromPartial(response))).toThrow(UNEXPECTED);
  });
});

describe('a key', () => {
  it('is told in types of our own', () => {
    const message = keyMessage({
      state: KeyState.KEY_STATE_REVOKED,
      ownerId: 'acme',
      scopes: ['a'],
      resourceAccess: { access: { $case: 'listed', value: { ids: ['s1'] } } },
      metadata: new Map([['plan', 'pro']]),
      tags: ['x'],
      policyIds: ['pol_1'],
      limits: [{ name: 'rpm', kind: { $case: 'rate', value: { limit: 10n, window: { seconds: 60n } } } }],
      limitOverrides: [{ limit: 'rpm', value: 0n, endTime: TIME }],
      expireTime: TIME,
      revokeTime: TIME,
      revokeReason: 'leaked',
      lastUsedTime: TIME,
      secrets: [{ id: 'sec_1', hint: 'abcd', createTime: TIME }],
      createdBy: 'system',
    });
    expect(fromKey(message)).toEqual({
      id: message.id,
      keyspaceId: message.keyspaceId,
      displayName: '',
      tokenHint: '',
      state: 'REVOKED',
      ownerId: 'acme',
      scopes: ['a'],
      resourceAccess: { ids: ['s1'] },
      restrictions: {},
      limits: [{ name: 'rpm', rate: { limit: 10, windowMs: 60_000 } }],
      limitOverrides: [{ limit: 'rpm', value: 0, endTime: TIME }],
      metadata: { plan: 'pro' },
      tags: ['x'],
      policyIds: ['pol_1'],
      expireTime: TIME,
      createTime: message.createTime,
      updateTime: message.updateTime,
      revokeTime: TIME,
      revokeReason: 'leaked',
      deleteTime: null,
      purgeTime: null,
      lastUsedTime: TIME,
      secrets: [{ id: 'sec_1', hint: 'abcd', createTime: TIME, expireTime: null, lastUsedTime: null }],
      etag: '1',
      createdBy: 'system',
    });
    expect(fromKey(keyMessage())).toMatchObject({ ownerId: null, resourceAccess: null, expireTime: null });
  });

  it.each(['ACTIVE', 'DISABLED', 'REVOKED', 'EXPIRED'] as const)('has the state %s', (state) => {
    expect(fromKey(keyMessage({ state: KeyState[`KEY_STATE_${state}`] })).state).toBe(state);
    expect(toKeyFilter({ states: [state] }).states).toEqual([KeyState[`KEY_STATE_${state}`]]);
  });

  it.each([
    ['is missing', undefined],
    ['has a state that is not known', keyMessage({ state: 99 as KeyState })],
    ['has no state', keyMessage({ state: KeyState.KEY_STATE_UNSPECIFIED })],
    ['has a resource access that is not known', keyMessage({ resourceAccess: {} })],
    ['has no time', { ...keyMessage(), createTime: undefined }],
    ['has an override without an end', keyMessage({ limitOverrides: [{ limit: 'rpm' }] })],
  ])('that %s is an error', (_case, message) => {
    expect(() => fromKey(message)).toThrow(UNEXPECTED);
  });

  it('to create is sent with what it was given', () => {
    const { key, ttl } = toNewKey({
      keyspaceId: 'ks_1',
      displayName: 'd',
      ownerId: 'o',
      policyIds: ['pol_1'],
      scopes: ['a'],
      resourceAccess: { ids: ['s1'] },
      metadata: { a: 'b' },
      tags: ['x'],
      ttlMs: 90_500,
    });
    expect(key).toMatchObject({
      id: '',
      keyspaceId: 'ks_1',
      displayName: 'd',
      ownerId: 'o',
      policyIds: ['pol_1'],
      scopes: ['a'],
      resourceAccess: { access: { $case: 'listed', value: { ids: ['s1'] } } },
      restrictions: undefined,
      metadata: new Map([['a', 'b']]),
      tags: ['x'],
      expireTime: undefined,
    });
    expect(ttl).toEqual({ seconds: 90n, nanos: 500_000_000 });

    const plain = toNewKey({ keyspaceId: 'ks_1', expireTime: TIME });
    expect(plain.key).toMatchObject({ resourceAccess: undefined, expireTime: TIME });
    expect(plain.ttl).toBeUndefined();
  });

  it('to change carries its etag, and access to ALL', () => {
    expect(toChangedKey('key_1', { resourceAccess: 'ALL' }, '7')).toMatchObject({
      id: 'key_1',
      etag: '7',
      resourceAccess: { access: { $case: 'all', value: {} } },
    });
  });

  it('is found by every property of a filter', () => {
    const message = toKeyFilter({
      keyspaceId: 'ks_1',
      states: ['ACTIVE', 'EXPIRED'],
      accessType: 'LISTED',
      resource: 'r',
      ownerId: 'o',
      policyId: 'pol_1',
      tag: 't',
      scope: 's',
      api: 'a',
      search: 'q',
      expiresBefore: TIME,
      lastUsedBefore: TIME,
      createdAfter: TIME,
      showDeleted: true,
    });
    expect(message).toMatchObject({
      keyspaceId: 'ks_1',
      states: [KeyState.KEY_STATE_ACTIVE, KeyState.KEY_STATE_EXPIRED],
      accessType: AccessType.ACCESS_TYPE_LISTED,
      resource: 'r',
      ownerId: 'o',
      policyId: 'pol_1',
      tag: 't',
      scope: 's',
      api: 'a',
      search: 'q',
      expiresBefore: TIME,
      createdAfter: TIME,
      showDeleted: true,
      lastUsedBefore: TIME,
    });
  });
});

describe('a keyspace', () => {
  it('is told in types of our own', () => {
    const message = keyspaceMessage({ defaultTtl: { seconds: 3600n, nanos: 0 }, requireExpiry: true });
    expect(fromKeyspace(message)).toEqual({
      id: message.id,
      slug: 'orders',
      tokenPrefix: 'ord',
      displayName: '',
      defaultTtlMs: 3_600_000,
      maxTtlMs: null,
      requireExpiry: true,
      apis: [],
      createTime: message.createTime,
      updateTime: message.updateTime,
      etag: '1',
    });
    expect(() => fromKeyspace(undefined)).toThrow(UNEXPECTED);
  });

  it('to create or to change is sent with what it was given', () => {
    expect(
      toNewKeyspace({ slug: 's', tokenPrefix: 'p', displayName: 'd', maxTtlMs: 1500, requireExpiry: true }),
    ).toMatchObject({
      slug: 's',
      tokenPrefix: 'p',
      displayName: 'd',
      defaultTtl: undefined,
      maxTtl: { seconds: 1n, nanos: 500_000_000 },
      requireExpiry: true,
    });
    expect(toChangedKeyspace('ks_1', { defaultTtlMs: null, maxTtlMs: 1000 }, '3')).toMatchObject({
      id: 'ks_1',
      etag: '3',
      defaultTtl: undefined,
      maxTtl: { seconds: 1n, nanos: 0 },
    });
  });

  it('keeps its catalogue the way there and back', () => {
    const apis = [
      {
        name: 'orders',
        groups: [
          {
            name: 'statuses',
            methods: [
              { verb: 'GET', path: '/api/v1/orders/statuses', noResource: true },
              { path: '/shop.Orders/List' },
            ],
          },
          { name: 'empty', methods: [] },
        ],
      },
    ];
    const message = toChangedKeyspace('ks_1', { apis }, undefined);
    expect(message.apis[0]?.groups[0]?.methods[1]).toEqual({
      verb: '',
      path: '/shop.Orders/List',
      noResource: false,
    });
    expect(fromKeyspace(keyspaceMessage({ apis: message.apis })).apis).toEqual(apis);
    expect(toNewKeyspace({ slug: 's', tokenPrefix: 'p', apis }).apis).toEqual(message.apis);
  });
});

const RULES = {
  scopes: ['orders:*'],
  resourceAccess: { ids: ['store-1'] },
  restrictions: {
    allowedIps: ['203.0.113.0/24'],
    allowedReferrers: ['*.example.com/*'],
    androidApps: [{ package: 'com.example.app', certSha1: 'ab'.repeat(20) }],
    iosBundleIds: ['com.example.app'],
    apiTargets: [
      { api: 'orders', verbs: ['GET'], paths: ['/api/v1/**'], groups: ['statuses'] },
      { api: 'prices' },
    ],
  },
  limits: [
    { name: 'requests', rate: { limit: 100, windowMs: 60_000 } },
    { name: 'exports', credits: { initial: 5 }, onDemand: true, onUnavailable: 'ALLOW' },
  ],
  metadata: { plan: 'gold' },
  tags: ['x'],
} as const;

describe('rules', () => {
  it('survive the way there and back, in a key as in a policy', () => {
    const key = toNewKey({ keyspaceId: 'ks_1', ...RULES }).key ?? keyMessage();
    expect(fromKey({ ...keyMessage(), ...rulesOf(key) })).toMatchObject(RULES);
    const policy = toNewPolicy({ keyspaceId: 'ks_1', displayName: 'd', ...RULES });
    expect(fromPolicy({ ...policyMessage(), ...rulesOf(policy) })).toMatchObject(RULES);
    expect(key.restrictions?.apiTargets[1]).toEqual({ api: 'prices', verbs: [], paths: [], groups: [] });
  });

  it('that say nothing are empty, and null', () => {
    expect(fromPolicy(policyMessage())).toMatchObject({
      scopes: [],
      resourceAccess: null,
      restrictions: {},
      limits: [],
      metadata: {},
      tags: [],
    });
    expect(fromKey(keyMessage({ restrictions: { allowedIps: [] } })).restrictions).toEqual({});
  });

  it('are cleared by null and what is empty', () => {
    const change = { resourceAccess: null, restrictions: {}, scopes: [], limits: [] };
    expect(toChangedKey('key_1', change, undefined)).toMatchObject({
      resourceAccess: undefined,
      restrictions: { allowedIps: [], apiTargets: [] },
      scopes: [],
      limits: [],
    });
    expect(fieldMask(change, POLICY_PATHS)).toEqual(['resource_access', 'restrictions', 'scopes', 'limits']);
  });

  it.each([
    ['restrictions.allowedIp', { allowedIp: ['192.0.2.1'] }],
    ['restrictions.apiTargets.path', { apiTargets: [{ api: 'orders', path: ['/x'] }] }],
  ])('with %s, which is misspelt, are refused instead of restricting nothing', (field, restrictions) => {
    const change = { restrictions: restrictions as Restrictions };
    expect(() => toChangedKey('key_1', change, undefined)).toThrow(INVALID);
    expect(() => toChangedPolicy('pol_1', change, undefined)).toThrow(`${field}: is not known`);
  });

  it('in effect tell where they come from', () => {
    const message = EffectiveRulesMessage.fromPartial({
      scopes: ['a'],
      resourceAccess: { access: { $case: 'all', value: {} } },
      ownerSuspended: true,
      sources: [{ field: 'scopes', policyIds: ['pol_1'] }],
      limits: [{ name: 'exports', kind: { $case: 'credits', value: { initial: 5n } } }],
      ownerLimits: [
        { name: 'rpm', kind: { $case: 'rate', value: { limit: 10n, window: { seconds: 60n } } } },
      ],
    });
    expect(fromEffectiveRules(message)).toEqual({
      scopes: ['a'],
      resourceAccess: 'ALL',
      restrictions: {},
      limits: [{ name: 'exports', credits: { initial: 5 } }],
      ownerLimits: [{ name: 'rpm', rate: { limit: 10, windowMs: 60_000 } }],
      metadata: {},
      tags: [],
      ownerSuspended: true,
      sources: [{ field: 'scopes', policyIds: ['pol_1'] }],
    });
  });

  it.each([
    ['are missing', undefined],
    ['say nothing of resources', EffectiveRulesMessage.fromPartial({})],
  ])('in effect that %s are an error', (_case, message) => {
    expect(() => fromEffectiveRules(message)).toThrow(UNEXPECTED);
  });
});

const rulesOf = ({ scopes, resourceAccess, restrictions, limits, metadata, tags }: Key | Policy) => ({
  scopes,
  resourceAccess,
  restrictions,
  limits,
  metadata,
  tags,
});

describe('a policy', () => {
  it('is told in types of our own', () => {
    const { createTime, updateTime } = policyMessage();
    expect(fromPolicy(policyMessage())).toMatchObject({
      id: 'pol_0000000000000000',
      keyspaceId: 'ks_0000000000000000',
      displayName: 'partner',
      createTime,
      updateTime,
      etag: '1',
    });
    expect(() => fromPolicy(undefined)).toThrow(UNEXPECTED);
  });

  it('to change carries its id and etag', () => {
    expect(toChangedPolicy('pol_1', { displayName: 'd' }, '7')).toMatchObject({
      id: 'pol_1',
      displayName: 'd',
      etag: '7',
    });
  });
});

describe('an owner', () => {
  it('is told in types of our own', () => {
    const message = ownerMessage({
      displayName: 'Acme',
      metadata: new Map([['crm', '17']]),
      suspended: true,
      suspendTime: TIME,
      suspendReason: 'unpaid',
      limits: [{ name: 'exports', kind: { $case: 'credits', value: { initial: 5n } } }],
      limitOverrides: [{ limit: 'rpm', value: 0n, endTime: TIME }],
    });
    expect(fromOwner(message)).toEqual({
      keyspaceId: 'ks_0000000000000000',
      id: 'acme',
      displayName: 'Acme',
      metadata: { crm: '17' },
      limits: [{ name: 'exports', credits: { initial: 5 } }],
      limitOverrides: [{ limit: 'rpm', value: 0, endTime: TIME }],
      suspendTime: TIME,
      suspendReason: 'unpaid',
      createTime: message.createTime,
      updateTime: message.updateTime,
      etag: '1',
    });
    expect(fromOwner(ownerMessage()).suspendTime).toBeNull();
  });

  it.each([
    ['is missing', undefined],
    ['is suspended at no time', ownerMessage({ suspended: true })],
  ])('that %s is an error', (_case, message) => {
    expect(() => fromOwner(message)).toThrow(UNEXPECTED);
  });

  it('has numbers of keys, or the answer is an error', () => {
    const counts = { active: 1n, disabled: 2n, revoked: 3n, expired: 4n };
    expect(fromKeyCounts(counts)).toEqual({ active: 1, disabled: 2, revoked: 3, expired: 4 });
    expect(() => fromKeyCounts(undefined)).toThrow(UNEXPECTED);
  });
});

describe('a key to import', () => {
  it('is sent with its digest and what it was given', () => {
    const entry = { sha256: 'ab'.repeat(32), ownerId: 'o', expireTime: TIME, ...RULES };
    expect(toImportedKey(entry)).toMatchObject({
      sha256: 'ab'.repeat(32),
      key: { keyspaceId: '', ownerId: 'o', expireTime: TIME, scopes: ['orders:*'] },
    });
  });

  it.each([
    [{ id: 'key_1' }, { imported: true, id: 'key_1', alreadyImported: false }],
    [
      { id: 'key_1', alreadyImported: true },
      { imported: true, id: 'key_1', alreadyImported: true },
    ],
    [
      { error: 'sha256: must be 32 bytes in hex or base64', errorReason: 'INVALID_FIELD' },
      { imported: false, error: 'sha256: must be 32 bytes in hex or base64', reason: 'INVALID_FIELD' },
    ],
  ])('became %o', (message, result) => {
    expect(fromImportResult(ImportKeysResult.fromPartial(message))).toEqual(result);
  });
});

describe('a choice of keys to revoke', () => {
  it('is sent with every condition', () => {
    const choice = { keyspaceId: 'ks_1', ownerId: 'o', policyId: 'pol_1', tag: 't', createdBefore: TIME };
    expect(toKeyChoice(choice)).toEqual(choice);
  });

  it('is refused with a condition that is misspelt, instead of hitting more keys', () => {
    const choice = { keyspaceId: 'ks_1', owner: 'o', createdBefore: TIME };
    expect(() => toKeyChoice(choice)).toThrow(INVALID);
    expect(() => toKeyChoice({ keyspaceId: 'ks_1', createdBefore: new Date('no') })).toThrow(INVALID);
  });
});
