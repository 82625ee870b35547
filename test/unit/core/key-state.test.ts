import { expect, test } from 'vitest';
import { keyState, type KeyState, type KeySwitch } from '../../../core/key.ts';

const NOW_MS = 1_000_000;

test.each<[KeySwitch, number | null, KeyState]>([
  ['ACTIVE', null, 'ACTIVE'],
  ['ACTIVE', NOW_MS + 1, 'ACTIVE'],
  ['ACTIVE', NOW_MS, 'EXPIRED'],
  ['ACTIVE', NOW_MS - 1, 'EXPIRED'],
  ['ACTIVE', 0, 'EXPIRED'],
  // What an operator did is told before what time did.
  ['DISABLED', null, 'DISABLED'],
  ['DISABLED', NOW_MS - 1, 'DISABLED'],
  ['REVOKED', null, 'REVOKED'],
  ['REVOKED', NOW_MS - 1, 'REVOKED'],
])('a key that is switched %s and expires at %j is %s', (keySwitch, expireTimeMs, expected) => {
  expect(keyState({ switch: keySwitch, expireTimeMs }, NOW_MS)).toBe(expected);
});
