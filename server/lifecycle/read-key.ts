import { timingSafeEqual } from 'node:crypto';
import { ID_LENGTH, isId, keyIdOf } from '../../core/ids.ts';
import type { KeyRecord } from '../../core/key.ts';
import { digestToken, parseToken, TOKEN_PREFIX_PATTERN } from '../../core/token.ts';
import { Fault, invalidFields } from '../../core/fault.ts';
import type { Caller } from '../callers/caller.ts';
import { keyNotFound } from './key-rules.ts';
import type { Repositories } from './ports.ts';

/** Reads one key, deleted ones too. @throws Fault KEY_NOT_FOUND */
export async function getKey(store: Repositories, caller: Caller, id: string): Promise<KeyRecord> {
  const key = await store.keys.get(id);
  if (key === undefined || !caller.reaches(key.keyspaceId)) throw keyNotFound(id);
  return key;
}

/** Finds the key of a whole token, if its secret is one of the key's. @throws Fault KEY_NOT_FOUND */
export async function lookupToken(store: Repositories, caller: Caller, token: string): Promise<KeyRecord> {
  const parsed = parseToken(token);
  const key = parsed === undefined ? undefined : await store.keys.get(parsed.keyId);
  const digest = digestToken(token);
  const known = key?.secrets.some((secret) => timingSafeEqual(Buffer.from(secret.digestHex, 'hex'), digest));
  if (key === undefined || known !== true || !caller.reaches(key.keyspaceId)) {
    throw new Fault('KEY_NOT_FOUND', 'there is no key with this token');
  }
  return key;
}

/**
 * Finds a key by a key id or by the beginning of a token that holds the whole key id. What follows the id (a part of
 * the secret, or the dots of a hint) is not looked at.
 * @throws Fault KEY_NOT_FOUND, INVALID_FIELD
 */
export async function lookupPrefix(store: Repositories, caller: Caller, prefix: string): Promise<KeyRecord> {
  const id = keyIdIn(prefix);
  if (id === undefined) {
    throw invalidFields([
      {
        field: 'prefix',
        description: `must be a key id or hold one: \`key_\` or \`<token prefix>_\` and ${ID_LENGTH} characters`,
      },
    ]);
  }
  return getKey(store, caller, id);
}

function keyIdIn(text: string): string | undefined {
  if (isId('key', text)) return text;
  if (isId('key', keyIdOf(text))) return keyIdOf(text);
  // The id holds no underscore, so the last one ends the token prefix.
  const head = /^[^…]*/.exec(text)?.[0] ?? '';
  const end = head.lastIndexOf('_');
  const id = keyIdOf(head.slice(end + 1, end + 1 + ID_LENGTH));
  return end > 0 && TOKEN_PREFIX_PATTERN.test(head.slice(0, end)) && isId('key', id) ? id : undefined;
}
