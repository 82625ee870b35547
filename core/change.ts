/** What a change makes stale in memory: a key, or all keys that a policy, an owner or a catalogue reaches. */
export type Change =
  | { readonly kind: 'key'; readonly id: string }
  | { readonly kind: 'policy'; readonly id: string }
  | { readonly kind: 'owner'; readonly keyspaceId: string; readonly id: string }
  | { readonly kind: 'keyspace'; readonly id: string }
  /** Keys were imported: tokens that were known to belong to no key may belong to one now. */
  | { readonly kind: 'imports' };
