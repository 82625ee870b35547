import type { Operation } from '../patterns/operation.ts';
import type { ScopeQuery } from '../patterns/scope-query.ts';
import type { Snapshot, SnapshotSecret } from '../snapshot.ts';
import type { ClientRefusal, Verdict } from '../verdict.ts';

/** What is known of the bearer of a token; an empty text: not given. */
export interface Client {
  readonly ip: string;
  readonly referrer: string;
  readonly androidPackage: string;
  readonly androidCertSha1: string;
  readonly iosBundleId: string;
}

/** What the checks read of a request. Its bounds were tested before. */
export interface CheckRequest {
  /** What the client wants to do; undefined: not given. */
  readonly operation: Operation | undefined;
  /** The store, project or tenant that the operation is about; empty: none named. */
  readonly resource: string;
  /** The scopes that are required, all of them. */
  readonly scopes: readonly string[];
  /** An expression over scopes that must hold too. */
  readonly scopeQuery: ScopeQuery | undefined;
  /** Undefined: nothing is known. */
  readonly client: Client | undefined;
}

/** A request that asks for nothing. */
export const NO_REQUEST: CheckRequest = {
  operation: undefined,
  resource: '',
  scopes: [],
  scopeQuery: undefined,
  client: undefined,
};

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
  /** With SCOPE_MISSING: the scopes that would have sufficed. */
  readonly missingScopes?: readonly string[];
  /** With CLIENT_NOT_ALLOWED: the condition that did not hold. */
  readonly clientRefusal?: ClientRefusal;
}

/** A pure, synchronous test; undefined lets the verification go on. */
export type Check = (input: CheckInput) => Refusal | undefined;
