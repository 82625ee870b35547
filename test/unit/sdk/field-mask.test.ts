import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldMask } from '../../../sdk/src/convert/field-mask.ts';
import { KEY_PATHS, toChangedKey } from '../../../sdk/src/convert/key.ts';
import { KEYSPACE_PATHS } from '../../../sdk/src/convert/keyspace.ts';
import type { KeyChange } from '../../../sdk/src/index.ts';

describe('the update mask', () => {
  it('names every property that is there, and no other', () => {
    expect(fieldMask({ displayName: 'x', expireTime: null, scopes: [] }, KEY_PATHS)).toEqual([
      'display_name',
      'expire_time',
      'scopes',
    ]);
    expect(fieldMask({ defaultTtlMs: null, requireExpiry: false }, KEYSPACE_PATHS)).toEqual([
      'default_ttl',
      'require_expiry',
    ]);
  });

  it('leaves out what is undefined, whatever else is there', () => {
    const names = Object.keys(KEY_PATHS) as (keyof typeof KEY_PATHS)[];
    fc.assert(
      fc.property(fc.subarray(names, { minLength: 1 }), (present) => {
        const change = Object.fromEntries(
          names.map((name) => [name, present.includes(name) ? '' : undefined]),
        );
        expect(fieldMask(change as KeyChange, KEY_PATHS)).toEqual(present.map((name) => KEY_PATHS[name]));
      }),
    );
  });

  it.each([{}, { displayName: undefined }])('refuses a change of nothing: %o', (change) => {
    expect(() => fieldMask(change, KEY_PATHS)).toThrow(/change: is empty; give at least one of displayName/);
  });

  it.each(['display_name', 'keyspaceId', 'state', 'constructor', '__proto__'])(
    'refuses the property %s instead of losing it',
    (name) => {
      const change = Object.fromEntries([
        ['tags', []],
        [name, 'x'],
      ]) as KeyChange;
      Object.defineProperty(change, name, { value: 'x', enumerable: true });
      expect(() => fieldMask(change, KEY_PATHS)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' }),
      );
    },
  );

  it('comes with a message in which what is cleared is empty', () => {
    const message = toChangedKey(
      'key_1',
      { ownerId: null, expireTime: null, scopes: [], metadata: {} },
      undefined,
    );
    expect(message).toMatchObject({
      id: 'key_1',
      ownerId: '',
      expireTime: undefined,
      scopes: [],
      metadata: {},
      etag: '',
    });
  });
});
