import type { ScopeQueryResult } from '../../core/patterns/scope-query.ts';
import type { Revision } from '../../core/revision.ts';
import type { VerifyRequest, VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { requireReach, type Caller } from '../callers/caller.ts';
import type { Coherence } from '../coherence/coherence.ts';
import type { CallMetrics } from '../telemetry/metrics.ts';
import type { Outcome, Verification, Verifier } from '../verification/verifier.ts';
import type { UseRecorder } from '../usage/use-recorder.ts';
import { createScopeQueries } from './convert/scope-queries.ts';
import { readVerification, toVerifyResponse } from './convert/verify.ts';

/**
 * From a request to a response, the same whether the call takes the express lane or the ordinary handler: memory first
 * and at once, the database only if memory does not suffice.
 */
export interface VerifyWay {
  /** The response, if memory suffices. @throws Fault INVALID_FIELD, CALLER_KEYSPACE_NOT_ALLOWED */
  tryAnswer(request: VerifyRequest, caller: Caller): VerifyResponse | undefined;
  /** The response. @throws Fault, also DATABASE_UNAVAILABLE */
  answer(request: VerifyRequest, caller: Caller): Promise<VerifyResponse>;
}

/** How many scope queries are kept. */
const SCOPE_QUERIES_MAX = 1000;

export function createVerifyWay(options: {
  readonly verifier: Verifier;
  readonly coherence: Pick<Coherence, 'revision'>;
  readonly metrics: Pick<CallMetrics, 'countVerdict'>;
  readonly uses: Pick<UseRecorder, 'note'>;
}): VerifyWay {
  const { verifier, coherence, metrics, uses } = options;
  const scopeQueries = createScopeQueries({ max: SCOPE_QUERIES_MAX });
  const parseQuery = (text: string): ScopeQueryResult => scopeQueries.get(text);

  function read(request: VerifyRequest, caller: Caller): Verification {
    const verification = readVerification(request, parseQuery);
    if (verification.keyspaceId !== undefined) requireReach(caller, verification.keyspaceId);
    return verification;
  }

  function respond(outcome: Outcome, checkOnly: boolean, revision: Revision): VerifyResponse {
    const { verdict, snapshot, secret } = outcome;
    metrics.countVerdict(verdict);
    if (verdict === 'VALID' && !checkOnly && snapshot !== undefined && secret !== undefined)
      uses.note(snapshot, secret);
    return toVerifyResponse(outcome, revision);
  }

  return {
    tryAnswer(request, caller) {
      const outcome = verifier.tryVerify(read(request, caller), caller.reaches);
      return outcome === undefined ? undefined : respond(outcome, request.checkOnly, coherence.revision());
    },
    async answer(request, caller) {
      // Before the key is read: the verdict may be fresher than it says, never older.
      const revision = coherence.revision();
      const outcome = await verifier.verify(read(request, caller), caller.reaches);
      return respond(outcome, request.checkOnly, revision);
    },
  };
}
