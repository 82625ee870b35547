/** What a change makes stale in memory: a key, all keys that a policy, an owner or a catalogue reaches, or a count. */
export type Change =
  | { readonly kind: 'key'; readonly id: string }
  | { readonly kind: 'policy'; readonly id: string }
  | { readonly kind: 'owner'; readonly keyspaceId: string; readonly id: string }
  | { readonly kind: 'keyspace'; readonly id: string }
  /** What is known of a limit's ledger entry, by its `ledgerId`. */
  | { readonly kind: 'limit'; readonly id: string }
  /** Keys were imported: tokens that were known to belong to no key may belong to one now. */
  | { readonly kind: 'imports' };

/** A change as the log keeps it: a kind and one text. */
export interface LoggedChange {
  readonly kind: string;
  readonly id: string;
}

/** For a change that touches nothing in memory: its position counts all the same. */
export const NOTHING_LOGGED: LoggedChange = { kind: 'none', id: '' };

export function logChange(change: Change): LoggedChange {
  switch (change.kind) {
    case 'owner':
      return { kind: change.kind, id: `${change.keyspaceId} ${change.id}` };
    case 'imports':
      return { kind: change.kind, id: '' };
    default:
      return { kind: change.kind, id: change.id };
  }
}

/**
 * What a row of the log says. `nothing`: nothing in memory is touched; `anything`: a newer version wrote it, and there is
 * no telling what it touches.
 */
export function readLoggedChange(kind: string, id: string): Change | 'nothing' | 'anything' {
  switch (kind) {
    case 'none':
      return 'nothing';
    case 'imports':
      return { kind };
    case 'key':
    case 'policy':
    case 'keyspace':
    case 'limit':
      return { kind, id };
    case 'owner': {
      // An id of a keyspace holds no space; one of an owner may.
      const space = id.indexOf(' ');
      return { kind, keyspaceId: id.slice(0, space), id: id.slice(space + 1) };
    }
    default:
      return 'anything';
  }
}
