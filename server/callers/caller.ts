import { Fault } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID } from '../../core/key.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import type { CallerScope } from './access.ts';

/** An internal service or operator, known by its root key. */
export interface Caller {
  /** The id of its root key. */
  readonly keyId: string;
  holds(scope: CallerScope): boolean;
  /** Whether it may know of a keyspace and of what is in it. */
  reaches(keyspaceId: string): boolean;
  /** The keyspaces it is confined to, or undefined for all but the built-in one. */
  readonly confinedTo: readonly string[] | undefined;
  /** Whether it may see and change root keys. */
  readonly managesRootKeys: boolean;
}

/**
 * The caller that a root key stands for.
 *
 * Root keys themselves are only for callers that hold `admin` and have access to everything: whoever can make root
 * keys can do all that a root key can.
 */
export function callerOf(snapshot: Snapshot): Caller {
  const holds = (scope: CallerScope): boolean => snapshot.grants('admin') || snapshot.grants(scope);
  const managesRootKeys = snapshot.resources === undefined && snapshot.grants('admin');
  return {
    keyId: snapshot.key.id,
    holds,
    reaches: (keyspaceId) =>
      keyspaceId === ROOT_KEYSPACE_ID
        ? managesRootKeys
        : snapshot.resources === undefined || snapshot.resources.has(keyspaceId),
    confinedTo:
      snapshot.resources === undefined
        ? undefined
        : [...snapshot.resources].filter((id) => id !== ROOT_KEYSPACE_ID),
    managesRootKeys,
  };
}

/** @throws Fault CALLER_SCOPE_MISSING unless the caller holds one of the scopes */
export function requireScope(caller: Caller, anyOf: readonly CallerScope[]): void {
  if (anyOf.some((scope) => caller.holds(scope))) return;
  const wanted = anyOf.map((scope) => `\`${scope}\``).join(' or ');
  throw new Fault('CALLER_SCOPE_MISSING', `this call needs a root key with the scope ${wanted}`, {
    metadata: { scopes: anyOf.join(' ') },
  });
}

/** @throws Fault CALLER_KEYSPACE_NOT_ALLOWED if the caller may not touch the keyspace, whether it exists or not */
export function requireReach(caller: Caller, keyspaceId: string): void {
  if (caller.reaches(keyspaceId)) return;
  throw new Fault(
    'CALLER_KEYSPACE_NOT_ALLOWED',
    `this root key has no access to the keyspace ${keyspaceId}`,
    {
      metadata: { keyspace_id: keyspaceId },
    },
  );
}
