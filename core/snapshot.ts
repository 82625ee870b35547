import type { KeyRecord, KeySwitch } from './key.ts';
import { compileScopes, type ScopeMatcher } from './patterns/scopes.ts';

/** One secret of a key, ready to be compared. */
export interface SnapshotSecret {
  /** SHA-256 of the whole token; 32 bytes. */
  readonly digest: Buffer;
  /** When it retires, ms since 1970; Infinity: never. */
  readonly expireTimeMs: number;
}

/** A key compiled into the form that verification reads. Immutable. */
export interface Snapshot {
  /** The key as it was stored; its lists and metadata are what verification tells of it. */
  readonly key: KeyRecord;
  readonly switch: KeySwitch;
  /** When the key expires, ms since 1970; Infinity: never. */
  readonly expireTimeMs: number;
  readonly secrets: readonly SnapshotSecret[];
  readonly grants: ScopeMatcher;
  /** The resources it is confined to, or undefined for access to all. */
  readonly resources: ReadonlySet<string> | undefined;
}

/** Compiles a stored key. Called once a cache fill, so that a verification parses and allocates nothing. */
export function compileSnapshot(key: KeyRecord): Snapshot {
  return {
    key,
    switch: key.switch,
    expireTimeMs: key.expireTimeMs ?? Infinity,
    secrets: key.secrets.map((secret) => ({
      digest: Buffer.from(secret.digestHex, 'hex'),
      expireTimeMs: secret.expireTimeMs ?? Infinity,
    })),
    grants: compileScopes(key.scopes),
    resources: key.resourceAccess.type === 'ALL' ? undefined : new Set(key.resourceAccess.ids),
  };
}

/** About how much memory a snapshot holds, in bytes: its texts at two bytes a character and a flat sum for objects. */
export function snapshotBytes({ key }: Snapshot): number {
  let characters = key.displayName.length + key.ownerId.length;
  for (const scope of key.scopes) characters += 2 * scope.length + 32;
  for (const tag of key.tags) characters += tag.length + 16;
  for (const [name, value] of Object.entries(key.metadata)) characters += name.length + value.length + 32;
  if (key.resourceAccess.type === 'LISTED') {
    for (const id of key.resourceAccess.ids) characters += 2 * id.length + 48;
  }
  return 3300 + 2 * characters;
}
