import { describe, expect, test } from 'vitest';
import type { Fault } from '../../../core/fault.ts';
import { newId } from '../../../core/ids.ts';
import { ROOT_KEYSPACE_ID } from '../../../core/key.ts';
import { parseScopeQuery } from '../../../core/patterns/scope-query.ts';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { digestToken } from '../../../core/token.ts';
import { CLIENT_REFUSALS, VERDICTS } from '../../../core/verdict.ts';
import { ClientRefusal, Verdict, VerifyRequest } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { readVerification, toVerifyResponse } from '../../../server/transport/convert/verify.ts';
import { faultOf } from '../support/fault-of.ts';
import { issueKey } from '../support/issue-key.ts';

type Message = Parameters<typeof VerifyRequest.fromPartial>[0];

const read = (message: Message): unknown => readVerification(VerifyRequest.fromPartial(message));
const faultIn = (message: Message): Fault => faultOf(() => read(message));

/** The fields that a request is refused for. */
function refused(message: Message): string[] {
  const fault = faultIn(message);
  expect(fault.reason).toBe('INVALID_FIELD');
  return fault.violations.map(({ field }) => field);
}

describe('a request in order', () => {
  test('that is empty asks for nothing', () => {
    expect(read({})).toEqual({
      token: undefined,
      keyspaceId: undefined,
      operation: undefined,
      resource: '',
      scopes: [],
      scopeQuery: undefined,
      client: undefined,
      minRevision: undefined,
      charges: [],
      checkOnly: false,
    });
  });

  test('is read as it is', () => {
    const keyspaceId = newId('keyspace');
    const { key, token } = issueKey();
    const message: Message = {
      token,
      keyspaceId,
      resource: 'shop 1/é😀',
      scopes: ['orders:read', 'b'],
      minRevision: '0.12',
      tags: ['a', ''],
      checkOnly: true,
      operation: { api: 'orders', verb: 'GET', path: '/v1/orders' },
      client: {
        ip: '::1',
        referrer: 'https://x',
        androidPackage: 'a',
        androidCertSha1: 'b',
        iosBundleId: 'c',
      },
    };
    expect(read(message)).toEqual({
      charges: [],
      checkOnly: true,
      token: { ref: key.id, foreign: false, digest: digestToken(token) },
      keyspaceId,
      operation: { api: 'orders', verb: 'GET', path: '/v1/orders' },
      resource: 'shop 1/é😀',
      scopes: ['orders:read', 'b'],
      scopeQuery: undefined,
      client: {
        ip: '::1',
        referrer: 'https://x',
        androidPackage: 'a',
        androidCertSha1: 'b',
        iosBundleId: 'c',
      },
      minRevision: { shard: 0, seq: 12 },
    });
  });

  test('may hold any text for a token: that is judged, not refused', () => {
    for (const token of ['', 'x'.repeat(513), 'x'.repeat(1_000_000), '😀'.repeat(257)]) {
      expect(read({ token })).toMatchObject({ token: undefined });
    }
    for (const token of ['\0', 'x'.repeat(512), '😀', 'Bearer x\r\n']) {
      expect(read({ token })).toMatchObject({ token: { foreign: true, digest: digestToken(token) } });
    }
  });

  test('may name the built-in keyspace', () => {
    expect(read({ keyspaceId: ROOT_KEYSPACE_ID })).toMatchObject({ keyspaceId: ROOT_KEYSPACE_ID });
  });
});

describe('a text at its bound passes, and one character over it is refused', () => {
  const bounds: readonly (readonly [string, number, (text: string) => Message])[] = [
    ['resource', 256, (resource) => ({ resource })],
    ['tags[0]', 64, (tag) => ({ tags: [tag] })],
    ['operation.api', 128, (api) => ({ operation: { api } })],
    ['operation.verb', 16, (verb) => ({ operation: { verb } })],
    ['operation.path', 8192, (path) => ({ operation: { path } })],
    ['client.ip', 64, (ip) => ({ client: { ip } })],
    ['client.referrer', 2048, (referrer) => ({ client: { referrer } })],
    ['client.android_package', 256, (androidPackage) => ({ client: { androidPackage } })],
    ['client.android_cert_sha1', 64, (androidCertSha1) => ({ client: { androidCertSha1 } })],
    ['client.ios_bundle_id', 256, (iosBundleId) => ({ client: { iosBundleId } })],
  ];

  test.each(bounds)('%s: %d', (field, max, message) => {
    for (const unit of ['x', '😀']) {
      expect(() => read(message(unit.repeat(max)))).not.toThrow();
      expect(refused(message(unit.repeat(max + 1)))).toEqual([field]);
    }
    expect(faultIn(message('x'.repeat(max + 1))).message).toBe(
      `${field}: must have at most ${max} characters`,
    );
  });

  test('scopes[0]: 128', () => {
    expect(() => read({ scopes: ['x'.repeat(128)] })).not.toThrow();
    expect(refused({ scopes: ['x'.repeat(129)] })).toEqual(['scopes[0]']);
  });
});

describe('a list at its bound passes, and one entry over it is refused', () => {
  test('scopes: 64', () => {
    const scopes = Array.from({ length: 64 }, (_, index) => `s:${index}`);
    expect(read({ scopes })).toMatchObject({ scopes });
    expect(refused({ scopes: [...scopes, 'x'] })).toEqual(['scopes']);
  });

  test('tags: 8', () => {
    const tags = Array.from({ length: 8 }, () => 'x');
    expect(() => read({ tags })).not.toThrow();
    expect(refused({ tags: [...tags, 'x'] })).toEqual(['tags']);
  });
});

describe('a required scope', () => {
  test.each(['', '*', 'orders:*', 'a b', 'é', 'a\n', '\0', 'a,b', '__proto__ '])('is never %j', (scope) => {
    expect(refused({ scopes: ['ok', scope] })).toEqual(['scopes[1]']);
  });
});

describe('an expression over scopes', () => {
  const grantsOf = (...granted: string[]) => ({
    satisfied: (message: Message) =>
      readVerification(VerifyRequest.fromPartial(message)).scopeQuery?.satisfiedBy((scope) =>
        granted.includes(scope),
      ),
  });

  test('is read once, and means what it says', () => {
    const scopeQuery = 'a AND (b OR c)';
    expect(grantsOf('a', 'c').satisfied({ scopeQuery })).toBe(true);
    expect(grantsOf('b', 'c').satisfied({ scopeQuery })).toBe(false);
    expect(grantsOf().satisfied({})).toBeUndefined();
  });

  test.each([
    ['a AND', 'character 6'],
    ['a b', 'character 3'],
    [' ', 'character 2'],
    ['a AND b*', 'character 8'],
    [`a OR ${issueKey().token}`, 'must not hold a token'],
    ['x'.repeat(1025), 'character 1025'],
  ])('is never %j, and the place is told', (scopeQuery, what) => {
    const fault = faultIn({ scopeQuery });
    expect(fault.reason).toBe('INVALID_FIELD');
    expect(fault.violations).toMatchObject([
      { field: 'scope_query', description: expect.stringContaining(what) as string },
    ]);
  });

  test('is parsed by whoever remembers what was parsed', () => {
    const asked: string[] = [];
    readVerification(VerifyRequest.fromPartial({ scopeQuery: 'a OR b' }), (text) => {
      asked.push(text);
      return parseScopeQuery(text);
    });
    expect(asked).toEqual(['a OR b']);
  });
});

describe('a keyspace id', () => {
  test.each(['', 'x', 'ks_', 'ks_short', 'ks_latchkey2', newId('key'), `${newId('keyspace')}0`, '\0'])(
    'is never something else (%#)',
    (keyspaceId) => {
      expect(refused({ keyspaceId })).toEqual(['keyspace_id']);
    },
  );
});

describe('a wanted revision', () => {
  test.each(['x', '0', '0.', '0.x', '-1.0', '0.1\n', '0.1'.repeat(100)])('is never %j', (minRevision) => {
    expect(refused({ minRevision })).toEqual(['min_revision']);
  });
});

describe('all that is wrong', () => {
  test('is told at once', () => {
    const fields = refused({
      keyspaceId: 'x',
      resource: 'x'.repeat(257),
      scopes: ['*'],
      tags: ['x'.repeat(65)],
      minRevision: 'x',
      operation: { verb: 'x'.repeat(17) },
      client: { ip: 'x'.repeat(65) },
    });
    expect(fields).toEqual([
      'keyspace_id',
      'resource',
      'scopes[0]',
      'tags[0]',
      'min_revision',
      'operation.verb',
      'client.ip',
    ]);
  });

  test('is told up to twenty times', () => {
    expect(refused({ scopes: Array.from({ length: 100_000 }, () => '*') })).toHaveLength(20);
  });

  test('never tells a token back', () => {
    const { token } = issueKey();
    const fault = faultIn({
      token,
      keyspaceId: token,
      minRevision: token,
      scopes: [`${token}*`, token],
      scopeQuery: `${token} AND (`,
    });
    expect(JSON.stringify([fault.message, fault.violations, fault.metadata])).not.toContain(token);
  });
});

describe('charges', () => {
  const many = (count: number): { limit: string }[] =>
    Array.from({ length: count }, (_, index) => ({ limit: `n${index}` }));

  test('are read as they are; one that says no cost is of 1', () => {
    const message = VerifyRequest.fromPartial({
      token: 'x',
      charges: [{ limit: 'calls' }, { limit: 'pool', cost: 0n }, { limit: 'big', cost: 1_000_000_000n }],
      checkOnly: true,
    });
    expect(readVerification(message)).toMatchObject({
      charges: [
        { limit: 'calls', cost: 1 },
        { limit: 'pool', cost: 0 },
        { limit: 'big', cost: 1_000_000_000 },
      ],
      checkOnly: true,
    });
  });

  test('of 32 limits pass', () => {
    expect(read({ charges: many(32) })).toMatchObject({ charges: many(32) });
  });

  test.each<[string, Message, string[]]>([
    ['33', { charges: many(33) }, ['charges']],
    ['without a name', { charges: [{ limit: 'a' }, {}] }, ['charges[1].limit']],
    ['of what is no name', { charges: [{ limit: 'A' }] }, ['charges[0].limit']],
    ['of one limit twice', { charges: [{ limit: 'a' }, { limit: 'a' }] }, ['charges[1].limit']],
    ['that cost too much', { charges: [{ limit: 'a', cost: 1_000_000_001n }] }, ['charges[0].cost']],
    ['with other faults', { charges: [{}], keyspaceId: 'x' }, ['keyspace_id', 'charges[0].limit']],
  ])('%s: refused for what is wrong with them', (_what, message, fields) => {
    expect(refused(message)).toEqual(fields);
  });
});

const NOTHING_CHARGED = { limits: [], retryAfterMs: undefined };

describe('the response', () => {
  const revision = { shard: 0, seq: 7 };
  const { key, token } = issueKey({
    displayName: 'Shop',
    ownerId: 'o',
    scopes: ['a'],
    metadata: { plan: 'gold' },
    tags: ['t'],
    expireTimeMs: 5000,
  });
  const snapshot = compileSnapshot(key);

  test.each(VERDICTS)('to %s has its own code', (verdict) => {
    const response = toVerifyResponse(
      { verdict, snapshot: undefined, missingScopes: [], clientRefusal: undefined, ...NOTHING_CHARGED },
      revision,
    );
    expect(response.verdict).toBe(Verdict[`VERDICT_${verdict}`]);
    expect(response.valid).toBe(verdict === 'VALID');
    expect(response.revision).toBe('0.7');
  });

  test('tells of the key what a service may know, and no secret of it', () => {
    const response = toVerifyResponse(
      { verdict: 'VALID', snapshot, missingScopes: [], clientRefusal: undefined, ...NOTHING_CHARGED },
      revision,
    );
    expect(response.key).toEqual({
      id: key.id,
      keyspaceId: key.keyspaceId,
      ownerId: 'o',
      displayName: 'Shop',
      scopes: ['a'],
      metadata: new Map([['plan', 'gold']]),
      policyIds: [],
      expireTime: new Date(5000),
      tags: ['t'],
    });
    const text = JSON.stringify(response);
    for (const secret of [token, token.slice(-4), key.secrets[0]?.digestHex ?? 'none']) {
      expect(text).not.toContain(`"${secret}`);
    }
  });

  test('tells nothing where there is no key', () => {
    const response = toVerifyResponse(
      {
        verdict: 'NOT_FOUND',
        snapshot: undefined,
        missingScopes: [],
        clientRefusal: undefined,
        ...NOTHING_CHARGED,
      },
      revision,
    );
    expect(response).toEqual({
      valid: false,
      verdict: Verdict.VERDICT_NOT_FOUND,
      key: undefined,
      limits: [],
      missingScopes: [],
      retryAfter: undefined,
      revision: '0.7',
      clientRefusal: ClientRefusal.CLIENT_REFUSAL_UNSPECIFIED,
    });
  });

  test.each(CLIENT_REFUSALS)('says which condition on the client did not hold: %s', (clientRefusal) => {
    const outcome = {
      verdict: 'CLIENT_NOT_ALLOWED',
      snapshot,
      missingScopes: [],
      clientRefusal,
      ...NOTHING_CHARGED,
    } as const;
    expect(toVerifyResponse(outcome, revision).clientRefusal).toBe(
      ClientRefusal[`CLIENT_REFUSAL_${clientRefusal}`],
    );
  });

  test('names the scopes that are missing', () => {
    const outcome = {
      verdict: 'SCOPE_MISSING',
      snapshot,
      missingScopes: ['x', 'y'],
      clientRefusal: undefined,
      ...NOTHING_CHARGED,
    } as const;
    expect(toVerifyResponse(outcome, revision).missingScopes).toEqual(['x', 'y']);
  });
});
