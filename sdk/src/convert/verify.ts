import { fromMap } from './metadata.ts';
import { CLIENT_REFUSALS, VERDICTS, type ClientRefusal, type Verdict } from '../../../core/verdict.ts';
import {
  ClientRefusal as ClientRefusalCode,
  Verdict as VerdictCode,
  type LimitStatus as LimitStatusMessage,
  type VerifiedKey as VerifiedKeyMessage,
  VerifyRequest as VerifyRequestMessage,
  type VerifyResponse,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type { LimitStatus, VerifiedKey, VerifyRequest, VerifyResult } from '../types/verify.ts';
import { defined } from './defined.ts';
import { fromDuration } from './from-duration.ts';

/** The message of a request. */
export function toVerifyRequest(request: VerifyRequest): VerifyRequestMessage {
  const { token, keyspaceId, operation, client, scopes, tags, ...rest } = request;
  const { resource, scopeQuery, checkOnly, minRevision } = rest;
  return VerifyRequestMessage.fromPartial({
    token,
    ...(keyspaceId === undefined ? {} : { keyspaceId }),
    ...(operation === undefined ? {} : { operation: defined(operation) }),
    ...(client === undefined ? {} : { client: defined(client) }),
    ...defined({
      resource,
      scopes: scopes?.slice(),
      scopeQuery,
      checkOnly,
      minRevision,
      tags: tags?.slice(),
    }),
  });
}

const VERDICTS_BY_CODE = new Map<number, Verdict>(
  VERDICTS.map((verdict) => [VerdictCode[`VERDICT_${verdict}`], verdict]),
);

const CLIENT_REFUSALS_BY_CODE = new Map<number, ClientRefusal>(
  CLIENT_REFUSALS.map((refusal) => [ClientRefusalCode[`CLIENT_REFUSAL_${refusal}`], refusal]),
);

/**
 * The result of a response.
 *
 * @throws LatchkeyError UNEXPECTED_RESPONSE for a verdict that this version does not know: it is never taken for VALID
 */
export function toVerifyResult(response: VerifyResponse): VerifyResult {
  const verdict = VERDICTS_BY_CODE.get(response.verdict);
  if (verdict === undefined) throw unexpectedResponse(`the unknown verdict ${response.verdict}`);
  if (response.valid !== (verdict === 'VALID'))
    throw unexpectedResponse(`valid = ${response.valid} and ${verdict}`);

  const key = response.key === undefined ? undefined : toVerifiedKey(response.key);
  const rest = { limits: response.limits.map(toLimitStatus), revision: response.revision };
  if (verdict === 'VALID') {
    if (key === undefined) throw unexpectedResponse('VALID and no key');
    return { valid: true, verdict, key, ...rest };
  }
  // One that this version does not know is left out: the token is refused all the same.
  const clientRefusal = CLIENT_REFUSALS_BY_CODE.get(response.clientRefusal);
  return {
    valid: false,
    verdict,
    ...(key === undefined ? {} : { key }),
    missingScopes: response.missingScopes,
    ...(clientRefusal === undefined ? {} : { clientRefusal }),
    ...(response.retryAfter === undefined ? {} : { retryAfterMs: fromDuration(response.retryAfter) }),
    ...rest,
  };
}

function toVerifiedKey(key: VerifiedKeyMessage): VerifiedKey {
  const { id, keyspaceId, ownerId, displayName, scopes, metadata, tags, policyIds, expireTime } = key;
  return {
    id,
    keyspaceId,
    ownerId: ownerId === '' ? null : ownerId,
    displayName,
    scopes,
    metadata: fromMap(metadata),
    tags,
    policyIds,
    expireTime: expireTime ?? null,
  };
}

function toLimitStatus({ name, limit, remaining, resetTime }: LimitStatusMessage): LimitStatus {
  return { name, limit: Number(limit), remaining: Number(remaining), resetTime: resetTime ?? null };
}
