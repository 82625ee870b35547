import { timingSafeEqual } from 'node:crypto';
import { effectiveRules, type EffectiveRules } from '../../core/effective-rules.ts';
import { ID_LENGTH, isId, keyIdOf } from '../../core/ids.ts';
import type { KeyRecord } from '../../core/key.ts';
import type { OwnerRecord } from '../../core/owner.ts';
import type { PolicyRecord } from '../../core/policy.ts';
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

/** A key with the rules that it is judged by. */
export interface EffectiveKey extends EffectiveRules {
  readonly key: KeyRecord;
  /** The policies that it refers to, in its order. */
  readonly policies: readonly PolicyRecord[];
  readonly owner: OwnerRecord | undefined;
}

/** Reads one key with the rules in effect. @throws Fault KEY_NOT_FOUND */
export async function getEffectiveKey(
  store: Repositories,
  caller: Caller,
  id: string,
): Promise<EffectiveKey> {
  const key = await getKey(store, caller, id);
  const policies = await policiesOf(store, key);
  const owner = key.ownerId === '' ? undefined : await store.owners.get(key.keyspaceId, key.ownerId);
  return { key, policies, owner, ...effectiveRules(key, policies) };
}

/** The policies that a key refers to, in its order. */
export async function policiesOf(
  store: Pick<Repositories, 'policies'>,
  { policyIds }: KeyRecord,
): Promise<readonly PolicyRecord[]> {
  const found = await store.policies.getMany(policyIds);
  return policyIds.flatMap((policyId) => found.filter((policy) => policy.id === policyId));
}

/** Finds the key of a whole token, if its secret is one of the key's. @throws Fault KEY_NOT_FOUND */
export async function lookupToken(
  store: Pick<Repositories, 'keys'>,
  caller: Caller,
  token: string,
): Promise<KeyRecord> {
  const digest = digestToken(token);
  const id = parseToken(token)?.keyId ?? (await importedId(store, digest));
  const key = id === undefined ? undefined : await store.keys.get(id);
  const known = key?.secrets.some((secret) => timingSafeEqual(Buffer.from(secret.digestHex, 'hex'), digest));
  if (key === undefined || known !== true || !caller.reaches(key.keyspaceId)) {
    throw new Fault('KEY_NOT_FOUND', 'there is no key with this token');
  }
  return key;
}

/** The key that was imported with a digest. */
async function importedId(store: Pick<Repositories, 'keys'>, digest: Buffer): Promise<string | undefined> {
  const [found] = await store.keys.importedBy([digest.toString('hex')]);
  return found?.[1].id;
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
