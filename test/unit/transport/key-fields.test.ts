import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { newId } from '../../../core/ids.ts';
import { NO_RESTRICTIONS } from '../../../core/rules.ts';
import { newToken } from '../../../core/token.ts';
import { Key, KeyState } from '../../../proto/gen/latchkey/v1/key.ts';
import { readFields, type Fields } from '../../../server/transport/convert/fields.ts';
import { readAttributes, readChange, toKey } from '../../../server/transport/convert/key.ts';
import { issueKey } from '../support/issue-key.ts';

type Message = Parameters<typeof Key.fromPartial>[0];

/** The fields that a reading refuses, or its reason if that is not INVALID_FIELD. */
function refused(read: (fields: Fields) => unknown): readonly string[] {
  const fields = readFields();
  read(fields);
  try {
    fields.finish();
    return [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const names = error.violations.map(({ field }) => field);
    return error.reason === 'INVALID_FIELD' ? names : [error.reason, ...names];
  }
}

const attributesOf = (message: Message) => readAttributes(readFields(), Key.fromPartial(message));
const refusedFor = (message: Message): readonly string[] =>
  refused((fields) => readAttributes(fields, Key.fromPartial(message)));
const several = (count: number): string[] => Array.from({ length: count }, (_, index) => `x${index}`);
const policies = (count: number): string[] => Array.from({ length: count }, () => newId('policy'));
const listed = (ids: string[]): Message => ({
  resourceAccess: { access: { $case: 'listed', value: { ids } } },
});

describe('a key at its bounds passes, and over them is refused', () => {
  test.each<[string, Message, string, Message]>([
    ['display_name', { displayName: '😀'.repeat(128) }, 'key.display_name', { displayName: 'x'.repeat(129) }],
    ['owner_id', { ownerId: 'x'.repeat(256) }, 'key.owner_id', { ownerId: 'x'.repeat(257) }],
    ['scopes', { scopes: several(256) }, 'key.scopes', { scopes: several(257) }],
    ['a scope', { scopes: ['x'.repeat(128)] }, 'key.scopes[0]', { scopes: ['x'.repeat(129)] }],
    ['policy_ids', { policyIds: policies(16) }, 'key.policy_ids', { policyIds: policies(17) }],
    ['tags', { tags: several(32) }, 'key.tags', { tags: several(33) }],
    ['a tag', { tags: ['x'.repeat(64)] }, 'key.tags[0]', { tags: ['x'.repeat(65)] }],
    ['resources', listed(several(1000)), 'key.resource_access.listed.ids', listed(several(1001))],
    ['a resource', listed(['x'.repeat(256)]), 'key.resource_access.listed.ids[0]', listed(['x'.repeat(257)])],
    [
      'entries of metadata',
      { metadata: new Map(several(64).map((name) => [name, ''])) },
      'key.metadata',
      { metadata: new Map(several(65).map((name) => [name, ''])) },
    ],
    [
      'a name of metadata',
      { metadata: new Map(Object.entries({ ['x'.repeat(64)]: '' })) },
      'key.metadata',
      { metadata: new Map(Object.entries({ ['x'.repeat(65)]: '' })) },
    ],
    [
      'bytes of metadata',
      { metadata: new Map(Object.entries({ x: 'y'.repeat(4095) })) },
      'key.metadata',
      { metadata: new Map(Object.entries({ x: 'y'.repeat(4096) })) },
    ],
    [
      'bytes, not characters, of metadata',
      { metadata: new Map(Object.entries({ xx: 'é'.repeat(2047) })) },
      'key.metadata',
      { metadata: new Map(Object.entries({ xxx: 'é'.repeat(2047) })) },
    ],
  ])('%s', (_what, good, field, bad) => {
    expect(refusedFor(good)).toEqual([]);
    expect(refusedFor(bad)).toEqual([field]);
  });
});

describe('what a key must not hold', () => {
  const token = newToken('acme', newId('key'));

  test.each<[string, Message]>([
    ['key.display_name', { displayName: 'a\nb' }],
    ['key.display_name', { displayName: token }],
    ['key.owner_id', { ownerId: token }],
    ['key.owner_id', { ownerId: '\0' }],
    ['key.scopes[0]', { scopes: ['orders:*:own'] }],
    ['key.scopes[0]', { scopes: ['**'] }],
    ['key.scopes[1]', { scopes: ['a', ''] }],
    ['key.tags[0]', { tags: [''] }],
    ['key.tags[0]', { tags: [token] }],
    ['key.resource_access.listed.ids', listed([])],
    ['key.resource_access.listed.ids[0]', listed([''])],
    // Which of the two was meant is not guessed: `all` would be the wider one.
    ['key.resource_access', { resourceAccess: {} }],
    ['key.metadata', { metadata: new Map(Object.entries({ '': 'x' })) }],
    ['key.metadata', { metadata: new Map(Object.entries({ [token]: 'x' })) }],
    ['key.metadata', { metadata: new Map(Object.entries({ note: `line\n${token}` })) }],
    ['key.metadata', { metadata: new Map(Object.entries({ note: '\0' })) }],
    ['key.limits[0].name', { limits: [{ kind: { $case: 'credits', value: {} } }] }],
    ['key.limits[0]', { limits: [{ name: 'x' }] }],
    ['key.policy_ids[0]', { policyIds: ['pol_x'] }],
    ['key.policy_ids[1]', { policyIds: [newId('policy'), newId('key')] }],
    ['key.policy_ids[0]', { policyIds: [token] }],
  ])('%s (%#)', (field, message) => {
    expect(refusedFor(message)).toEqual([field]);
  });
});

describe('a key in order', () => {
  test('is read as it is, without duplicates', () => {
    const [first = '', second = ''] = policies(2);
    expect(
      attributesOf({
        displayName: 'Shop',
        ownerId: 'o',
        scopes: ['b', 'a', 'b', '*'],
        policyIds: [second, first, second],
        restrictions: {
          allowedIps: ['192.0.2.1', '192.0.2.1'],
          apiTargets: [{ api: 'shop', verbs: ['get', 'GET'] }],
        },
        tags: ['t', 't'],
        metadata: new Map(Object.entries({ note: 'two\nlines\tand a tab', constructor: 'x' })),
        limits: [{ name: 'calls', kind: { $case: 'credits', value: { initial: 5n } }, onDemand: true }],
        ...listed(['s', 's', 'r']),
      }),
    ).toEqual({
      displayName: 'Shop',
      ownerId: 'o',
      scopes: ['b', 'a', '*'],
      policyIds: [second, first],
      restrictions: {
        ...NO_RESTRICTIONS,
        allowedIps: ['192.0.2.1'],
        apiTargets: [{ api: 'shop', verbs: ['GET'], paths: [], groups: [] }],
      },
      tags: ['t'],
      metadata: { note: 'two\nlines\tand a tab', constructor: 'x' },
      limits: [
        {
          name: 'calls',
          rule: { kind: 'CREDITS', initial: 5, refill: null },
          onDemand: true,
          onUnavailable: 'DENY',
        },
      ],
      resourceAccess: { type: 'LISTED', ids: ['s', 'r'] },
    });
  });

  test('leaves resources to its policies if it says nothing of them, and has access to all if it says so', () => {
    expect(attributesOf({}).resourceAccess).toBeNull();
    expect(attributesOf({ resourceAccess: { access: { $case: 'all', value: {} } } }).resourceAccess).toEqual({
      type: 'ALL',
    });
  });
});

describe('an update', () => {
  const key = Key.fromPartial({ displayName: 'new', scopes: ['a'], tags: ['t'], ownerId: 'x'.repeat(257) });
  const change = (mask: readonly string[] | undefined) => readChange(readFields(), key, mask);

  test('changes what its mask names and nothing else', () => {
    expect(change(['display_name'])).toEqual({ displayName: 'new' });
    expect(change(['scopes', 'tags', 'scopes'])).toEqual({ scopes: ['a'], tags: ['t'] });
  });

  test('clears what is named and empty', () => {
    const named = ['metadata', 'expire_time', 'resource_access', 'restrictions', 'policy_ids', 'limits'];
    expect(change(named)).toEqual({
      metadata: {},
      limits: [],
      expireTimeMs: null,
      resourceAccess: null,
      restrictions: NO_RESTRICTIONS,
      policyIds: [],
    });
  });

  test('is held to the bounds of what it names only', () => {
    expect(refused((fields) => readChange(fields, key, ['display_name']))).toEqual([]);
    expect(refused((fields) => readChange(fields, key, ['owner_id']))).toEqual(['key.owner_id']);
  });

  test.each([
    [undefined, ['update_mask']],
    [[], ['update_mask']],
    [['*'], ['update_mask.paths[0]']],
    [['display_name', 'state'], ['update_mask.paths[1]']],
    [['displayName'], ['update_mask.paths[0]']],
    [['key.display_name'], ['update_mask.paths[0]']],
    [
      ['__proto__', 'constructor'],
      ['update_mask.paths[0]', 'update_mask.paths[1]'],
    ],
    [several(65), ['update_mask']],
    [['limit_overrides'], ['update_mask.paths[0]']],
  ])('whose mask is %j is refused for %j', (mask, fields) => {
    expect(refused((reading) => readChange(reading, key, mask))).toEqual(fields);
  });
});

describe('a key that is shown', () => {
  const { key, token } = issueKey({
    displayName: 'Shop',
    expireTimeMs: 5000,
    metadata: { a: 'b' },
    resourceAccess: { type: 'LISTED', ids: ['s'] },
  });

  test('tells all of it but its secret', () => {
    const shown = toKey(key, 4999);
    expect(shown).toMatchObject({
      id: key.id,
      keyspaceId: key.keyspaceId,
      displayName: 'Shop',
      state: KeyState.KEY_STATE_ACTIVE,
      tokenHint: `acme_${key.id.slice(4)}…${token.slice(-4)}`,
      expireTime: new Date(5000),
      etag: '1',
      metadata: new Map(Object.entries({ a: 'b' })),
      resourceAccess: { access: { $case: 'listed', value: { ids: ['s'] } } },
      secrets: [{ id: key.secrets[0]?.id, hint: token.slice(-4) }],
    });
    const sent = Buffer.from(Key.encode(shown).finish());
    for (const secret of [token, token.slice(-7), key.secrets[0]?.digestHex ?? 'none']) {
      expect(sent.includes(secret)).toBe(false);
    }
    expect(sent.includes(Buffer.from(key.secrets[0]?.digestHex ?? 'none', 'hex'))).toBe(false);
  });

  test.each([
    ['ACTIVE', 5000, KeyState.KEY_STATE_EXPIRED],
    ['DISABLED', 5000, KeyState.KEY_STATE_DISABLED],
    ['REVOKED', 0, KeyState.KEY_STATE_REVOKED],
  ] as const)('%s at %d has the state %d', (keySwitch, nowMs, state) => {
    expect(toKey({ ...key, switch: keySwitch }, nowMs).state).toBe(state);
  });
});
