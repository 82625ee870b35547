import { timingSafeEqual } from 'node:crypto';
import type { CheckRequest } from '../../core/checks/check.ts';
import { runChecks } from '../../core/checks/order.ts';
import type { LiveLimit } from '../../core/limit.ts';
import type { Revision } from '../../core/revision.ts';
import type { Snapshot, SnapshotSecret } from '../../core/snapshot.ts';
import type { PresentedToken } from '../../core/token.ts';
import type { ClientRefusal, Verdict } from '../../core/verdict.ts';
import type { Budgets, Charge, ChargeOutcome, LimitState } from './budgets.ts';

/** One token and what its bearer wants to do. Bounds were tested before. */
export interface Verification extends CheckRequest {
  /** Undefined: the text that was presented is no token. */
  readonly token: PresentedToken | undefined;
  /** If set, the key must belong to it. */
  readonly keyspaceId: string | undefined;
  /** If set, memory older than this may not answer. */
  readonly minRevision: Revision | undefined;
  /** What to take from which limit; at most one a name. Limits that are not named are charged 1, unless on demand. */
  readonly charges: readonly Charge[];
  /** Takes nothing. */
  readonly checkOnly: boolean;
}

/** The keyspaces that the asking caller may know of. */
export type Reach = (keyspaceId: string) => boolean;

/** The answer of a verification. */
export interface Outcome {
  readonly verdict: Verdict;
  /** The key; undefined for MALFORMED and NOT_FOUND, of which nothing may be told. */
  readonly snapshot: Snapshot | undefined;
  /** The secret of the key that was presented; undefined likewise. */
  readonly secret: SnapshotSecret | undefined;
  /** With SCOPE_MISSING: the scopes that would have sufficed. */
  readonly missingScopes: readonly string[];
  /** With CLIENT_NOT_ALLOWED: the condition that did not hold. */
  readonly clientRefusal: ClientRefusal | undefined;
  /** The limits that were charged or looked at. */
  readonly limits: readonly LimitState[];
  /** With RATE_LIMITED: when it is worth trying again, ms; undefined: never, the cost is more than the limit. */
  readonly retryAfterMs: number | undefined;
}

/** Where snapshots come from. `null` stands for "there is no such key", which is known too. */
export interface SnapshotSource {
  /**
   * What memory knows of a key and may answer; undefined: memory cannot say. Never does I/O.
   * @param ref what the key is found by, see PresentedToken
   */
  recall(ref: string, minRevision: Revision | undefined): Snapshot | null | undefined;
  /** Reads the key. @throws Fault DATABASE_UNAVAILABLE */
  load(ref: string, minRevision: Revision | undefined): Promise<Snapshot | null>;
  /** Whether there are imported keys at all; undefined: memory cannot say. */
  recallImports(minRevision: Revision | undefined): boolean | undefined;
  /** Finds out. @throws Fault DATABASE_UNAVAILABLE */
  loadImports(minRevision: Revision | undefined): Promise<boolean>;
}

/** Judges tokens. */
export interface Verifier {
  /**
   * The outcome, if memory suffices; undefined if the database has to be asked, and then nothing was taken. Synchronous,
   * no I/O.
   * @throws Fault INVALID_FIELD for a charge of a limit that neither the key nor its owner has
   */
  tryVerify(verification: Verification, reach: Reach): Outcome | undefined;
  /** The outcome, from memory or from the database. @throws Fault as above, and DATABASE_UNAVAILABLE */
  verify(verification: Verification, reach: Reach): Promise<Outcome>;
}

const NO_SCOPES: readonly string[] = [];
const NO_LIMITS: readonly LimitState[] = [];
const NOTHING_KNOWN = {
  snapshot: undefined,
  secret: undefined,
  missingScopes: NO_SCOPES,
  clientRefusal: undefined,
  limits: NO_LIMITS,
  retryAfterMs: undefined,
};
const MALFORMED: Outcome = { verdict: 'MALFORMED', ...NOTHING_KNOWN };
const NOT_FOUND: Outcome = { verdict: 'NOT_FOUND', ...NOTHING_KNOWN };

/** Stands in for the digests of a key that does not exist, so that looking for it takes the same time. */
const DUMMY_SECRETS: readonly SnapshotSecret[] = [
  { id: '', digest: Buffer.alloc(32), expireTimeMs: Infinity },
];

export function createVerifier(options: {
  readonly snapshots: SnapshotSource;
  readonly budgets: Budgets;
  /** Wall clock, ms since 1970. */
  readonly nowMs: () => number;
}): Verifier {
  const { snapshots, budgets, nowMs } = options;

  function judge(
    { digest }: PresentedToken,
    verification: Verification,
    snapshot: Snapshot | null,
    reach: Reach,
  ): Outcome {
    const secret = findSecret(snapshot?.secrets ?? DUMMY_SECRETS, digest);
    if (snapshot === null || secret === undefined) return NOT_FOUND;
    const { keyspaceId } = snapshot.key;
    // A key of another keyspace does not exist for this caller.
    if (!reach(keyspaceId)) return NOT_FOUND;
    if (verification.keyspaceId !== undefined && verification.keyspaceId !== keyspaceId) return NOT_FOUND;

    const refusal = runChecks({ snapshot, secret, request: verification, nowMs: nowMs() });
    return {
      verdict: refusal?.verdict ?? 'VALID',
      snapshot,
      secret,
      missingScopes: refusal?.missingScopes ?? NO_SCOPES,
      clientRefusal: refusal?.clientRefusal,
      limits: NO_LIMITS,
      retryAfterMs: undefined,
    };
  }

  /** The limits that a verification has to do with, once every check has passed: a refused one is charged nothing. */
  function limitsOf(
    { verdict, snapshot }: Outcome,
    { charges }: Verification,
  ): readonly LiveLimit[] | undefined {
    if (verdict !== 'VALID' || snapshot === undefined) return undefined;
    return snapshot.limits.length === 0 && charges.length === 0 ? undefined : snapshot.limits;
  }

  return {
    tryVerify(verification, reach) {
      const { token, minRevision } = verification;
      if (token === undefined) return MALFORMED;
      if (token.foreign) {
        const imports = snapshots.recallImports(minRevision);
        if (imports !== true) return imports === undefined ? undefined : MALFORMED;
      }
      const snapshot = snapshots.recall(token.ref, minRevision);
      if (snapshot === undefined) return undefined;
      const outcome = judge(token, verification, snapshot, reach);
      const limits = limitsOf(outcome, verification);
      if (limits === undefined) return outcome;
      const charged = budgets.tryCharge(limits, verification.charges, verification.checkOnly);
      return charged === undefined ? undefined : withCharge(outcome, charged);
    },

    async verify(verification, reach) {
      const { token, minRevision } = verification;
      if (token === undefined) return MALFORMED;
      if (token.foreign) {
        const imports = snapshots.recallImports(minRevision) ?? (await snapshots.loadImports(minRevision));
        if (!imports) return MALFORMED;
      }
      const known = snapshots.recall(token.ref, minRevision);
      const snapshot = known === undefined ? await snapshots.load(token.ref, minRevision) : known;
      const outcome = judge(token, verification, snapshot, reach);
      const limits = limitsOf(outcome, verification);
      if (limits === undefined) return outcome;
      return withCharge(outcome, await budgets.charge(limits, verification.charges, verification.checkOnly));
    },
  };
}

function withCharge(outcome: Outcome, { refusal, retryAfterMs, states }: ChargeOutcome): Outcome {
  return { ...outcome, verdict: refusal ?? 'VALID', limits: states, retryAfterMs };
}

/** The secret with this digest. Every one is compared, in constant time, whichever matches. */
function findSecret(secrets: readonly SnapshotSecret[], digest: Buffer): SnapshotSecret | undefined {
  let found: SnapshotSecret | undefined;
  for (const secret of secrets) {
    if (timingSafeEqual(secret.digest, digest)) found = secret;
  }
  return found;
}
