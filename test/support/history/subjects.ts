import { randomUUID } from 'node:crypto';
import type { Clients } from '../clients.ts';
import type { Random } from '../random.ts';

/** The ways to take access away. */
export const NARROWINGS = [
  'revoke',
  'disable',
  'delete',
  'rotate',
  'narrow',
  'suspend-owner',
  'narrow-policy',
  'batch-revoke',
] as const;
export type Narrowing = (typeof NARROWINGS)[number];

/** A key that loses its access once, in one way. */
export interface Subject {
  readonly keyId: string;
  readonly token: string;
  readonly narrowing: Narrowing;
  state: 'alive' | 'changing' | 'gone';
  readonly createdMs: number;
  /** When its access was declared gone, ms since 1970. */
  effectiveMs: number | undefined;
  /** When the last verification that passed had started. */
  lastValidStartMs: number;
  lastValidReplica: number;
  /** Takes its access away; returns when that is effective, ms since 1970. */
  narrow(clients: Clients): Promise<number>;
}

/** The keyspace of all subjects of one database. */
const SLUG = 'history';

/** Makes a key that holds the scope `work`, by itself or by a policy of its own. */
export async function createSubject(clients: Clients, random: Random): Promise<Subject> {
  const narrowing = random.pick(NARROWINGS) ?? 'revoke';
  const keyspaceId = await keyspaceOf(clients);
  const signal = (): { readonly signal: AbortSignal } => ({ signal: AbortSignal.timeout(8000) });
  const name = randomUUID();
  const ownerId = narrowing === 'suspend-owner' ? name : '';
  const policyId =
    narrowing === 'narrow-policy'
      ? (
          await clients.policies.createPolicy(
            { policy: { keyspaceId, displayName: name, scopes: ['work'] } },
            signal(),
          )
        ).policy?.id
      : undefined;
  const request = {
    key: {
      keyspaceId,
      ownerId,
      tags: [name],
      scopes: policyId === undefined ? ['work'] : [],
      policyIds: policyId === undefined ? [] : [policyId],
    },
  };
  const { key, token } = await clients.keys.createKey(request, signal());
  const id = key?.id ?? '';
  const ways: Record<Narrowing, (by: Clients) => Promise<{ readonly effectiveTime?: Date | undefined }>> = {
    revoke: (by) => by.keys.revokeKey({ id }, signal()),
    disable: (by) => by.keys.disableKey({ id }, signal()),
    delete: (by) => by.keys.deleteKey({ id }, signal()),
    rotate: (by) => by.keys.rotateKey({ id }, signal()),
    narrow: (by) => by.keys.updateKey({ key: { id, scopes: ['play'] }, updateMask: ['scopes'] }, signal()),
    'suspend-owner': (by) => by.owners.suspendOwner({ keyspaceId, id: ownerId }, signal()),
    'narrow-policy': (by) =>
      by.policies.updatePolicy(
        { policy: { id: policyId ?? '', scopes: ['play'] }, updateMask: ['scopes'] },
        signal(),
      ),
    'batch-revoke': (by) => by.keys.batchRevokeKeys({ keyspaceId, tag: name }, signal()),
  };
  return {
    keyId: id,
    token,
    narrowing,
    state: 'alive',
    createdMs: Date.now(),
    effectiveMs: undefined,
    lastValidStartMs: 0,
    lastValidReplica: -1,
    async narrow(by) {
      const { effectiveTime } = await ways[narrowing](by);
      if (effectiveTime === undefined) throw new Error(`${narrowing} told no effective_time`);
      return effectiveTime.getTime();
    },
  };
}

async function keyspaceOf(clients: Clients): Promise<string> {
  const { keyspaces } = await clients.keyspaces.listKeyspaces({}, { signal: AbortSignal.timeout(8000) });
  const known = keyspaces.find(({ slug }) => slug === SLUG);
  if (known !== undefined) return known.id;
  try {
    const { keyspace } = await clients.keyspaces.createKeyspace({
      keyspace: { slug: SLUG, tokenPrefix: 'hist' },
    });
    return keyspace?.id ?? '';
  } catch {
    return keyspaceOf(clients);
  }
}
