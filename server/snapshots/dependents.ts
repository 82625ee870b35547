import type { Snapshot } from '../../core/snapshot.ts';
import type { Change } from '../../core/change.ts';

/** What a snapshot was compiled with: its key, a policy, its owner or its keyspace's catalogue. */
export type Dependency = string;

/** Which cached snapshots were compiled with what. */
export interface Dependents {
  add(ref: string, snapshot: Snapshot): void;
  remove(ref: string, snapshot: Snapshot): void;
  /** The references of the snapshots that a dependency reaches. */
  of(dependency: Dependency): readonly string[];
}

export function createDependents(): Dependents {
  const refs = new Map<Dependency, Set<string>>();
  return {
    add(ref, snapshot) {
      for (const dependency of dependenciesOf(ref, snapshot)) {
        const known = refs.get(dependency);
        if (known === undefined) refs.set(dependency, new Set([ref]));
        else known.add(ref);
      }
    },
    remove(ref, snapshot) {
      for (const dependency of dependenciesOf(ref, snapshot)) {
        const known = refs.get(dependency);
        known?.delete(ref);
        if (known?.size === 0) refs.delete(dependency);
      }
    },
    of: (dependency) => [...(refs.get(dependency) ?? []), dependency],
  };
}

/** The dependency that a change is about. */
export function dependencyOf(change: Exclude<Change, { kind: 'imports' | 'limit' }>): Dependency {
  return change.kind === 'owner' ? ownerDependency(change.keyspaceId, change.id) : change.id;
}

/** Ids of keys, policies and keyspaces tell by their prefix what they are. A key that is found by its id needs no entry. */
function dependenciesOf(ref: string, { key, usesCatalogue }: Snapshot): readonly Dependency[] {
  const found: Dependency[] = [...key.policyIds];
  if (ref !== key.id) found.push(key.id);
  if (key.ownerId !== '') found.push(ownerDependency(key.keyspaceId, key.ownerId));
  if (usesCatalogue) found.push(key.keyspaceId);
  return found;
}

/** An owner's id is the user's own and may look like anything. */
const ownerDependency = (keyspaceId: string, id: string): Dependency => `${keyspaceId} ${id}`;
