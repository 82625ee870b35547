import { fromMap } from './metadata.ts';
import { VERDICTS, type Verdict } from '../../../core/verdict.ts';
import {
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
  const { token, keyspaceId, operation, resource, scopes, client, checkOnly, minRevision, tags } = request;
  return VerifyRequestMessage.fromPartial({
    token,
    ...(keyspaceId === undefined ? {} : { keyspaceId }),
    ...(operation === undefined ? {} : { operation: defined(operation) }),
    ...(client === undefined ? {} : { client: defined(client) }),
    ...defined({ resource, scopes: scopes?.slice(), checkOnly, minRevision, tags: tags?.slice() }),
  });
}

const VERDICTS_BY_CODE = new Map<number, Verdict>(
  VERDICTS.map((verdict) => [VerdictCode[`VERDICT_${verdict}`], verdict]),
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
  return {
    valid: false,
    verdict,
    ...(key === undefined ? {} : { key }),
    missingScopes: response.missingScopes,
    ...(response.retryAfter === undefined ? {} : { retryAfterMs: fromDuration(response.retryAfter) }),
    ...rest,
  };
}

function toVerifiedKey(key: VerifiedKeyMessage): VerifiedKey {
  const { id, keyspaceId, ownerId, displayName, scopes, metadata, tags, expireTime } = key;
  return {
    id,
    keyspaceId,
    ownerId: ownerId === '' ? null : ownerId,
    displayName,
    scopes,
    metadata: fromMap(metadata),
    tags,
    expireTime: expireTime ?? null,
  };
}

function toLimitStatus({ name, limit, remaining, resetTime }: LimitStatusMessage): LimitStatus {
  return { name, limit: Number(limit), remaining: Number(remaining), resetTime: resetTime ?? null };
}
