/**
 * A position in the change log: a shard and its sequence number. In the contract it is an opaque text,
 * `<shard>.<seq>`; there is one shard.
 */
export interface Revision {
  readonly shard: number;
  /** From 0; grows by one a change, without gaps, in the order of the commits. */
  readonly seq: number;
}

export function formatRevision({ shard, seq }: Revision): string {
  return `${shard}.${seq}`;
}

export function isSameRevision(one: Revision, other: Revision): boolean {
  return one.seq === other.seq && one.shard === other.shard;
}

/** The revision of a text, or undefined for text that is none. */
export function parseRevision(text: string): Revision | undefined {
  const match = /^(\d{1,4})\.(\d{1,15})$/.exec(text);
  return match === null ? undefined : { shard: Number(match[1]), seq: Number(match[2]) };
}
