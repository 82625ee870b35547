import { fromMap } from './metadata.ts';
import { CLIENT_REFUSALS, VERDICTS, type ClientRefusal, type Verdict } from '../../../core/verdict.ts';
import {
  ClientRefusal as ClientRefusalCode,
  Verdict as VerdictCode,
  type Charge,
  type VerifiedKey as VerifiedKeyMessage,
  VerifyRequest as VerifyRequestMessage,
  type VerifyResponse,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { unexpectedResponse } from '../errors.ts';
import type { VerifiedKey, VerifyRequest, VerifyResult } from '../types/verify.ts';
import { defined } from './defined.ts';
import { fromDuration } from './from-duration.ts';
import { fromLimitStatus } from './limit.ts';
import { toCount } from './to-count.ts';

/** The message of a request. @throws LatchkeyError INVALID_FIELD */
export function toVerifyRequest(request: VerifyRequest): VerifyRequestMessage {
  const { token, keyspaceId, operation, client, scopes, charges, tags, ...rest } = request;
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
      charges: charges === undefined ? undefined : toCharges(charges),
      checkOnly,
      minRevision,
      tags: tags?.slice(),
    }),
  });
}

function toCharges(charges: Readonly<Record<string, number>>): Charge[] {
  return Object.entries(charges).map(([limit, cost]) => ({
    limit,
    cost: toCount(`charges.${limit}`, cost),
  }));
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
  const rest = { limits: response.limits.map(fromLimitStatus), revision: response.revision };
  if (verdict === 'VALID') {
    if (key === undefined) throw unexpectedResponse('VALID and no key');
    return { valid: true, verdict, key, ...rest };
  }
  // One that this version does not know is left out: the token is refused all the same.
  const clientRefusal = CLIENT_REFUSALS_BY_CODE.get(response.clientRefusal);
  const refusal = {
    valid: false as const,
    ...(key === undefined ? {} : { key }),
    missingScopes: response.missingScopes,
    ...(clientRefusal === undefined ? {} : { clientRefusal }),
    ...rest,
  };
  if (verdict !== 'RATE_LIMITED') return { ...refusal, verdict };
  const { retryAfter } = response;
  return { ...refusal, verdict, retryAfterMs: retryAfter === undefined ? null : fromDuration(retryAfter) };
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
