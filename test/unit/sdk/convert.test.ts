import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VERDICTS } from '../../../core/verdict.ts';
import { Duration } from '../../../proto/gen/google/protobuf/duration.ts';
import { KeyState } from '../../../proto/gen/latchkey/v1/key.ts';
import { AccessType } from '../../../proto/gen/latchkey/v1/key_service.ts';
import {
  Verdict as VerdictCode,
  VerifyRequest as VerifyRequestMessage,
  VerifyResponse,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { fromDuration } from '../../../sdk/src/convert/from-duration.ts';
import { fromKey, toChangedKey, toKeyFilter, toNewKey } from '../../../sdk/src/convert/key.ts';
import { fromKeyspace, toChangedKeyspace, toNewKeyspace } from '../../../sdk/src/convert/keyspace.ts';
import { toDuration, toTime } from '../../../sdk/src/convert/times.ts';
import { toVerifyRequest, toVerifyResult } from '../../../sdk/src/convert/verify.ts';
import { keyMessage, keyspaceMessage } from './fake-latchkey.ts';

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
      client: { ip: '::1', referrer: undefined },
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
        client: { ip: '::1' },
        checkOnly: true,
        minRevision: '0.1',
        tags: ['x'],
      }),
    );
    expect(toVerifyRequest({ token: 't', keyspaceId: undefined, scopes: undefined })).toEqual(
      VerifyRequestMessage.fromPartial({ token: 't' }),
    );
  });
});

describe('the result of a verification', () => {
  it.each(VERDICTS)('is %s where the server says so', (verdict) => {
    const key = {
      id: 'key_1',
      keyspaceId: 'ks_1',
      scopes: ['a'],
      metadata: { plan: 'pro' },
      tags: ['x'],
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
    });
  });

  it('tells of missing scopes, limits and when to come back', () => {
    const response = VerifyResponse.fromPartial({
      verdict: VerdictCode.VERDICT_RATE_LIMITED,
      missingScopes: ['a'],
      limits: [{ name: 'rpm', limit: 10n, remaining: 0n, resetTime: TIME }],
      retryAfter: { seconds: 1n, nanos: 500_000_000 },
    });
    expect(toVerifyResult(response)).toEqual({
      valid: false,
      verdict: 'RATE_LIMITED',
      missingScopes: ['a'],
      retryAfterMs: 1500,
      limits: [{ name: 'rpm', limit: 10, remaining: 0, resetTime: TIME }],
      revision: '',
    });
  });

  it.each([
    ['a verdict that is not known', { valid: true, verdict: 99 as VerdictCode, key: {} }],
    ['no verdict', { valid: true, key: {} }],
    ['valid and a refusal', { valid: true, verdict: VerdictCode.VERDICT_REVOKED, key: {} }],
    ['a refusal called VALID', { valid: false, verdict: VerdictCode.VERDICT_VALID, key: {} }],
    ['VALID without a key', { valid: true, verdict: VerdictCode.VERDICT_VALID }],
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
      expireTime: TIME,
      revokeTime: TIME,
      revokeReason: 'leaked',
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
      metadata: { plan: 'pro' },
      tags: ['x'],
      expireTime: TIME,
      createTime: message.createTime,
      updateTime: message.updateTime,
      revokeTime: TIME,
      revokeReason: 'leaked',
      deleteTime: null,
      purgeTime: null,
      secrets: [{ id: 'sec_1', hint: 'abcd', createTime: TIME, expireTime: null }],
      etag: '1',
      createdBy: 'system',
    });
    expect(fromKey(keyMessage())).toMatchObject({ ownerId: null, resourceAccess: 'ALL', expireTime: null });
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
    ['has no resource access', { ...keyMessage(), resourceAccess: undefined }],
    ['has no time', { ...keyMessage(), createTime: undefined }],
  ])('that %s is an error', (_case, message) => {
    expect(() => fromKey(message)).toThrow(UNEXPECTED);
  });

  it('to create is sent with what it was given', () => {
    const { key, ttl } = toNewKey({
      keyspaceId: 'ks_1',
      displayName: 'd',
      ownerId: 'o',
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
      scopes: ['a'],
      resourceAccess: { access: { $case: 'listed', value: { ids: ['s1'] } } },
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
      tag: 't',
      scope: 's',
      search: 'q',
      expiresBefore: TIME,
      createdAfter: TIME,
      showDeleted: true,
    });
    expect(message).toMatchObject({
      keyspaceId: 'ks_1',
      states: [KeyState.KEY_STATE_ACTIVE, KeyState.KEY_STATE_EXPIRED],
      accessType: AccessType.ACCESS_TYPE_LISTED,
      resource: 'r',
      ownerId: 'o',
      tag: 't',
      scope: 's',
      search: 'q',
      expiresBefore: TIME,
      createdAfter: TIME,
      showDeleted: true,
      policyId: '',
      api: '',
      lastUsedBefore: undefined,
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
});
