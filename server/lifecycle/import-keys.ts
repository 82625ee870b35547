import { Fault } from '../../core/fault.ts';
import { newId } from '../../core/ids.ts';
import { ROOT_KEYSPACE_ID, type KeyAttributes, type KeyspaceRecord } from '../../core/key.ts';
import { newAuditEvent } from '../audit/audit-event.ts';
import { requireReach } from '../callers/caller.ts';
import { newKey } from './create-key.ts';
import { allowedExpiry, ensureOwners, keyspaceNotFound, requireReferences } from './key-rules.ts';
import type { Mutate, Mutated, MutationRequest } from './mutation.ts';
import type { Repositories } from './ports.ts';

/** One foreign key: what is wrong with it, or what it shall be. */
export type ImportEntry =
  | { readonly fault: ImportFault }
  | { readonly attributes: KeyAttributes & { readonly hasExpiry: boolean }; readonly digestHex: string };

/** Why an entry was not taken in. */
export interface ImportFault {
  readonly reason: string;
  readonly message: string;
}

/** What became of an entry. */
export type ImportResult =
  { readonly id: string; readonly alreadyImported: boolean } | { readonly fault: ImportFault };

export interface ImportKeysRequest extends MutationRequest {
  readonly keyspaceId: string;
  readonly entries: readonly ImportEntry[];
}

/**
 * Takes in keys that were issued elsewhere. An entry that cannot be taken in keeps no other out; one that was taken in
 * before is told as it is and not changed.
 * @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, KEYSPACE_NOT_FOUND, KEYSPACE_BUILT_IN
 */
export function importKeys(
  mutate: Mutate,
  request: ImportKeysRequest,
): Promise<Mutated<{ readonly results: readonly ImportResult[] }>> {
  const { caller, keyspaceId, entries } = request;
  requireReach(caller, keyspaceId);
  if (keyspaceId === ROOT_KEYSPACE_ID)
    throw new Fault('KEYSPACE_BUILT_IN', 'root keys cannot be imported: their tokens must be Latchkey’s own');

  return mutate<{ readonly results: readonly ImportResult[] }>('ImportKeys', request, async (tx, nowMs) => {
    const keyspace = await tx.keyspaces.get(keyspaceId);
    if (keyspace === undefined) throw keyspaceNotFound(keyspaceId);
    const digests = entries.flatMap((entry) => ('digestHex' in entry ? [entry.digestHex] : []));
    const known = new Map(await tx.keys.importedBy(digests));
    const results: ImportResult[] = [];
    const made: string[] = [];
    /** Owners that exist and are held until the transaction ends. */
    const owners = new Set<string>();
    for (const entry of entries) {
      const result = await importOne(tx, { keyspace, entry, known, owners, createdBy: caller.keyId, nowMs });
      results.push(result);
      if (!('id' in result) || result.alreadyImported || !('digestHex' in entry)) continue;
      // The next entry with the same digest is the same key.
      known.set(entry.digestHex, { id: result.id, keyspaceId, deleted: false });
      made.push(result.id);
    }
    if (made.length === 0) return { answer: { results } };

    await tx.audit.appendAll(
      made.map((targetId) =>
        newAuditEvent({
          timeMs: nowMs,
          actor: caller.keyId,
          action: 'key.import',
          keyspaceId,
          targetId,
          details: {},
        }),
      ),
    );
    return {
      answer: { results },
      audit: {
        action: 'keyspace.import',
        keyspaceId,
        targetId: keyspaceId,
        details: { imported: made.length, entries: entries.length },
      },
      changes: [{ kind: 'imports' }],
    };
  });
}

async function importOne(
  tx: Repositories,
  options: {
    readonly keyspace: KeyspaceRecord;
    readonly entry: ImportEntry;
    readonly known: ReadonlyMap<
      string,
      { readonly id: string; readonly keyspaceId: string; readonly deleted: boolean }
    >;
    readonly owners: Set<string>;
    readonly createdBy: string;
    readonly nowMs: number;
  },
): Promise<ImportResult> {
  const { keyspace, entry, known, owners, createdBy, nowMs } = options;
  if ('fault' in entry) return entry;
  const { digestHex, attributes } = entry;
  const { hasExpiry, ...rest } = attributes;
  const before = known.get(digestHex);
  if (before !== undefined) return importedBefore(keyspace, before);
  try {
    const wanted = hasExpiry ? rest.expireTimeMs : undefined;
    const expireTimeMs = allowedExpiry(keyspace, wanted, nowMs, 'key.expire_time');
    await requireReferences(tx, keyspace, rest);
    if (!owners.has(rest.ownerId)) await ensureOwners(tx, keyspace.id, [rest.ownerId], nowMs);
    owners.add(rest.ownerId);
    const key = newKey({
      keyspace,
      attributes: { ...rest, expireTimeMs },
      createdBy,
      nowMs,
      id: newId('key'),
      secret: { digestHex, hint: '', imported: true },
    });
    // Another transaction may take the digest meanwhile: then this one waits for it and inserts nothing.
    if (await tx.keys.insertImported(key)) return { id: key.id, alreadyImported: false };
    return importedBefore(keyspace, new Map(await tx.keys.importedBy([digestHex])).get(digestHex));
  } catch (error) {
    // What ends the whole transaction is no entry's own; a keyspace that was deleted meanwhile does.
    const endsAll = (fault: Fault): boolean =>
      ['UNAVAILABLE', 'ABORTED'].includes(fault.code) || fault.reason === 'KEYSPACE_NOT_FOUND';
    if (error instanceof Fault && !endsAll(error))
      return { fault: { reason: error.reason, message: error.message } };
    throw error;
  }
}

/** What is said of a digest that a key has already; nothing is told of keys of other keyspaces. */
function importedBefore(
  keyspace: KeyspaceRecord,
  before: { readonly id: string; readonly keyspaceId: string; readonly deleted: boolean } | undefined,
): ImportResult {
  return before?.keyspaceId === keyspace.id && !before.deleted
    ? { id: before.id, alreadyImported: true }
    : { fault: { reason: 'DIGEST_TAKEN', message: 'sha256: another key has this digest' } };
}
