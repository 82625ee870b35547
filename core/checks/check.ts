import type { Snapshot, SnapshotSecret } from '../snapshot.ts';
import type { Verdict } from '../verdict.ts';

/** What the checks read of a request. Its bounds were tested before. */
export interface CheckRequest {
  /** The store, project or tenant that the operation is about; empty: none named. */
  readonly resource: string;
  /** The scopes that are required, all of them. */
  readonly scopes: readonly string[];
}

/** One verification in the middle of its way: the key is known and its secret was right. */
export interface CheckInput {
  readonly snapshot: Snapshot;
  /** The secret that the token carries. */
  readonly secret: SnapshotSecret;
  readonly request: CheckRequest;
  /** Wall clock, ms since 1970. */
  readonly nowMs: number;
}

/** Why a check refuses. */
export interface Refusal {
  readonly verdict: Exclude<Verdict, 'VALID'>;
  /** With SCOPE_MISSING: the required scopes that the key lacks. */
  readonly missingScopes?: readonly string[];
}

/** A pure, synchronous test; undefined lets the verification go on. */
export type Check = (input: CheckInput) => Refusal | undefined;
