import { timingSafeEqual } from 'node:crypto';
import { ROOT_KEYSPACE_ID, type KeyAttributes } from '../../core/key.ts';
import { NO_RESTRICTIONS } from '../../core/rules.ts';
import { digestToken, parseToken } from '../../core/token.ts';
import { newAuditEvent } from '../audit/audit-event.ts';
import { keyWithToken } from './create-key.ts';
import { EVERY_KEY, type Repositories, type Store } from './ports.ts';

/** Where the first root token comes from. */
export interface RootTokenSource {
  /** A token that must be valid, from the configuration. */
  readonly configured: string | undefined;
  /**
   * Called when the database has no root key: the token to make one for. It must be safely kept before this returns,
   * because the key is committed after it; a crash in between finds it again.
   */
  readonly obtain: () => Promise<string>;
}

const ATTRIBUTES: KeyAttributes = {
  displayName: 'root',
  ownerId: '',
  policyIds: [],
  scopes: ['admin'],
  resourceAccess: { type: 'ALL' },
  restrictions: NO_RESTRICTIONS,
  limits: [],
  metadata: {},
  tags: [],
  expireTimeMs: null,
};

/**
 * Makes the root key that everything else is made with, where there is none yet. Replicas that start together take
 * turns on the built-in keyspace's row.
 *
 * @returns the token, if a key was made now
 * @throws Error if the configured token belongs to a key with another secret
 */
export async function ensureRootKey(
  store: Store,
  source: RootTokenSource,
  nowMs: number,
): Promise<string | undefined> {
  return store.transaction(async (tx) => {
    const keyspace = await tx.keyspaces.get(ROOT_KEYSPACE_ID, 'update');
    if (keyspace === undefined)
      throw new Error('the built-in keyspace is missing: the schema was not migrated whole');

    const token = source.configured ?? ((await hasRootKey(tx, nowMs)) ? undefined : await source.obtain());
    if (token === undefined) return undefined;
    const id = parseToken(token)?.keyId;
    if (id === undefined) throw new Error('the root token is not a token');

    const known = await tx.keys.get(id);
    if (known !== undefined) {
      const digest = digestToken(token);
      if (known.secrets.some(({ digestHex }) => timingSafeEqual(Buffer.from(digestHex, 'hex'), digest)))
        return undefined;
      throw new Error('LATCHKEY_ROOT_TOKEN holds the id of a key that has another secret');
    }
    const key = keyWithToken({ keyspace, attributes: ATTRIBUTES, createdBy: 'system', nowMs, id, token });
    await tx.keys.insert(key);
    const details = { ...key, secrets: undefined };
    await tx.audit.append(
      newAuditEvent({
        timeMs: nowMs,
        actor: 'system',
        action: 'key.create',
        keyspaceId: keyspace.id,
        targetId: id,
        details,
      }),
    );
    await tx.changes.advance([{ kind: 'key', id }], { wait: false });
    return token;
  });
}

async function hasRootKey(tx: Repositories, nowMs: number): Promise<boolean> {
  const rows = await tx.keys.list({
    filter: { ...EVERY_KEY, keyspaceIds: [ROOT_KEYSPACE_ID], exceptKeyspaceIds: [], showDeleted: true },
    newestFirst: false,
    after: undefined,
    limit: 1,
    nowMs,
  });
  return rows.length > 0;
}
