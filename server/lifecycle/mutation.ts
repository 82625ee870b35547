import type { Change } from '../../core/change.ts';
import { Fault } from '../../core/fault.ts';
import { formatRevision, type Revision } from '../../core/revision.ts';
import { newAuditEvent, type AuditAction } from '../audit/audit-event.ts';
import type { Caller } from '../callers/caller.ts';
import type { Coherence, Propagation } from '../coherence/coherence.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import { ANSWER_LIFETIME_MS, openAnswer, requestDigest, requestIdHash, sealAnswer } from './idempotency.ts';
import type { Repositories, Store } from './ports.ts';

/** Who asks for a mutation, and how to recognize a retry. */
export interface MutationRequest {
  readonly caller: Caller;
  /** A UUID, or empty. */
  readonly requestId: string;
  /** Whether to wait until a change that takes access away is effective everywhere; by default it does. */
  readonly wait?: boolean;
}

/** What a mutation did, as its body tells. */
export interface Effect<T> {
  /** The answer: plain data that survives JSON. */
  readonly answer: T;
  /** The audit record; undefined if the aim was reached already and nothing was changed. */
  readonly audit?: {
    readonly action: AuditAction;
    readonly keyspaceId: string;
    readonly targetId: string;
    readonly details: Readonly<Record<string, unknown>>;
  };
  /** What memory must forget. */
  readonly changes?: readonly Change[];
  /** Whether it matters when every replica knows: it may take access away, or shows a token that shall pass. */
  readonly awaited?: boolean;
}

/** The answer of a mutation with its place in history. */
export type Mutated<T> = T & {
  readonly revision: string;
  /** When it has taken effect on every replica, ms since 1970. */
  readonly effectiveTimeMs: number;
  /** How far it had come by then; undefined if nobody waited. */
  readonly propagation: Propagation | undefined;
};

/** Runs mutations. */
export type Mutate = <T extends object>(
  rpc: string,
  request: MutationRequest,
  body: (tx: Repositories, nowMs: number) => Promise<Effect<T>>,
) => Promise<Mutated<T>>;

interface Finished<T> {
  readonly answer: T;
  readonly revision: Revision;
  readonly awaited: boolean;
  /** Whether this transaction took that position itself. */
  readonly advanced: boolean;
}

/**
 * The way of every mutation: one transaction that claims the request id, does the work, writes the audit record, takes
 * its position in the change log and seals the answer for retries; then memory forgets what was changed, and only then
 * does the caller hear of it; of what takes access away, once it is effective on every replica.
 *
 * Memory forgets also when the transaction fails: if the reply to a commit was lost, nobody knows whether it took
 * place.
 */
export function createMutate(options: {
  readonly store: Store;
  readonly coherence: Coherence;
  readonly clock: Clock;
  readonly logger: Logger;
}): Mutate {
  const { store, coherence, clock, logger } = options;

  return async <T extends object>(
    rpc: string,
    request: MutationRequest,
    body: (tx: Repositories, nowMs: number) => Promise<Effect<T>>,
  ) => {
    const { caller, requestId, wait = true, ...input } = request;
    const idHash = requestId === '' ? undefined : requestIdHash(caller.keyId, requestId);
    const digest = requestDigest(rpc, input);
    let changes: readonly Change[] = [];
    let committed: Revision | undefined;
    const epoch = coherence.epoch();

    async function work(tx: Repositories): Promise<Finished<T>> {
      const nowMs = clock.nowMs();
      if (idHash !== undefined) {
        const first = await tx.idempotency.claim(idHash, nowMs + ANSWER_LIFETIME_MS);
        if (first !== undefined) return replay(first.requestDigestHex, first.sealedAnswer);
      }
      const effect = await body(tx, nowMs);
      changes = effect.changes ?? [];
      if (effect.audit !== undefined) {
        await tx.audit.append(newAuditEvent({ timeMs: nowMs, actor: caller.keyId, ...effect.audit }));
      }
      const advanced = effect.audit !== undefined;
      const awaited = effect.awaited === true;
      const revision = advanced
        ? await tx.changes.advance(changes, { wait: awaited && wait })
        : await tx.changes.head();
      if (idHash !== undefined) {
        const sealedAnswer = sealAnswer(requestId, { answer: effect.answer, revision, awaited });
        await tx.idempotency.complete(idHash, { requestDigestHex: digest, sealedAnswer });
      }
      return { answer: effect.answer, revision, awaited, advanced };
    }

    function replay(firstDigest: string, sealedAnswer: Buffer): Finished<T> {
      if (firstDigest !== digest) {
        throw new Fault(
          'IDEMPOTENCY_MISMATCH',
          'request_id: it was used before with another request; take a new UUID for every new request',
        );
      }
      const first = openAnswer(requestId, sealedAnswer) as Omit<Finished<T>, 'advanced'>;
      return { ...first, advanced: false };
    }

    let finished: Finished<T>;
    try {
      finished = await store.transaction(work);
      if (finished.advanced) {
        committed = finished.revision;
        logger.info({ rpc, actor: caller.keyId, ...idsOf(finished.answer) }, 'mutation.committed');
      }
    } finally {
      coherence.publish(changes, committed, epoch);
    }
    // Also where nothing was changed, or had been before: that it is so must be known everywhere.
    if (finished.awaited && !wait) coherence.announce();
    const propagation =
      finished.awaited && wait ? await coherence.confirm(finished.revision, finished.advanced) : undefined;
    const delayMs = propagation === undefined ? coherence.effectiveDelayMs : 0;
    return {
      ...finished.answer,
      revision: formatRevision(finished.revision),
      effectiveTimeMs: clock.nowMs() + delayMs,
      propagation,
    };
  };
}

/** The ids of what was changed, for the log: nothing else of an answer may be written there. */
function idsOf(answer: object): { readonly id?: string } {
  const record = Object.values(answer).find(
    (value): value is { readonly id: string } => typeof value === 'object' && value !== null && 'id' in value,
  );
  return record === undefined ? {} : { id: record.id };
}
