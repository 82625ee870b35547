import { invalidFields, type FieldViolation } from '../../../core/fault.ts';
import { isId } from '../../../core/ids.ts';
import { COST_MAX, LIMIT_NAME_PATTERN, LIMIT_NAME_SHAPE } from '../../../core/limit.ts';
import { ROOT_KEYSPACE_ID } from '../../../core/key.ts';
import { SCOPE_LENGTH_MAX, SCOPE_PATTERN } from '../../../core/patterns/scopes.ts';
import { parseScopeQuery, type ScopeQueryResult } from '../../../core/patterns/scope-query.ts';
import { formatRevision, isSameRevision, parseRevision, type Revision } from '../../../core/revision.ts';
import type { Snapshot } from '../../../core/snapshot.ts';
import { readToken } from '../../../core/token.ts';
import type { ClientRefusal, Verdict } from '../../../core/verdict.ts';
import {
  ClientRefusal as ClientRefusalCode,
  Verdict as VerdictCode,
  type Charge as ChargeMessage,
  type VerifiedKey,
  type VerifyRequest,
  type VerifyResponse,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import type { Charge } from '../../verification/budgets.ts';
import type { Outcome, Verification } from '../../verification/verifier.ts';
import { holdsToken, isLongerThan } from './fields.ts';
import { LimitStatusOfState } from './limit-status.ts';
import { RESOURCE_ID_MAX, TAG_MAX } from './rules.ts';
import { toDuration, toTimestamp } from './times.ts';

/** The most charges of one verification: each limit of a key and of its owner. */
const CHARGES_MAX = 32;

/**
 * One verification out of its message. It is on the way of every call, so it looks at each field in place instead of
 * collecting; only a fault costs more.
 *
 * @param parseQuery how a scope query is read; services ask the same ones over and over, so the way of a verification remembers them
 * @throws Fault INVALID_FIELD with every violation
 */
export function readVerification(
  message: VerifyRequest,
  parseQuery: (text: string) => ScopeQueryResult = parseScopeQuery,
): Verification {
  const minRevision = message.minRevision === '' ? undefined : parseRevision(message.minRevision);
  const scopeQuery = message.scopeQuery === '' ? undefined : parseQuery(message.scopeQuery);
  const violations = findViolations(message, minRevision, scopeQuery);
  if (violations !== undefined) throw invalidFields(violations);
  return {
    token: readToken(message.token),
    keyspaceId: message.keyspaceId,
    operation: message.operation,
    resource: message.resource,
    scopes: message.scopes,
    scopeQuery: scopeQuery?.ok === true ? scopeQuery.query : undefined,
    client: message.client,
    minRevision,
    charges: message.charges.length === 0 ? NO_CHARGES : message.charges.map(readCharge),
    checkOnly: message.checkOnly,
  };
}

function findViolations(
  message: VerifyRequest,
  minRevision: Revision | undefined,
  scopeQuery: ScopeQueryResult | undefined,
): FieldViolation[] | undefined {
  let violations: FieldViolation[] | undefined;
  const refuse = (field: string, description: string): void => {
    violations ??= [];
    if (violations.length < 20) violations.push({ field, description });
  };
  const bound = (field: string, value: string, max: number): void => {
    if (isLongerThan(value, max)) refuse(field, `must have at most ${max} characters`);
  };

  const { keyspaceId, resource, scopes, tags, operation, client } = message;
  if (keyspaceId !== undefined && keyspaceId !== ROOT_KEYSPACE_ID && !isId('keyspace', keyspaceId)) {
    refuse('keyspace_id', 'must be a keyspace id: `ks_` and 16 letters and digits');
  }
  bound('resource', resource, RESOURCE_ID_MAX);
  if (scopes.length > 64) refuse('scopes', `must have at most 64 entries, has ${scopes.length}`);
  for (let index = 0; index < scopes.length && index < 64; index += 1) {
    const scope = scopes[index] ?? '';
    if (scope.length > SCOPE_LENGTH_MAX)
      refuse(`scopes[${index}]`, `must have at most ${SCOPE_LENGTH_MAX} characters`);
    else if (!SCOPE_PATTERN.test(scope)) refuse(`scopes[${index}]`, 'must be made of A-Z a-z 0-9 _ - . / :');
    // What a key lacks is told back.
    else if (holdsToken(scope)) refuse(`scopes[${index}]`, 'must not hold a token');
  }
  if (tags.length > 8) refuse('tags', `must have at most 8 entries, has ${tags.length}`);
  for (let index = 0; index < tags.length && index < 8; index += 1)
    bound(`tags[${index}]`, tags[index] ?? '', TAG_MAX);
  if (message.minRevision !== '' && minRevision === undefined) {
    refuse('min_revision', 'must be a revision that Latchkey returned');
  }
  if (scopeQuery?.ok === false) {
    const { position, message: what } = scopeQuery;
    refuse('scope_query', `character ${position}: ${what}`);
    // It is told back in part, and in `missing_scopes`.
  } else if (scopeQuery !== undefined && holdsToken(message.scopeQuery))
    refuse('scope_query', 'must not hold a token');
  if (message.charges.length > 0) checkCharges(message.charges, refuse);
  if (operation !== undefined) {
    bound('operation.api', operation.api, 128);
    bound('operation.verb', operation.verb, 16);
    bound('operation.path', operation.path, 8192);
  }
  if (client !== undefined) {
    bound('client.ip', client.ip, 64);
    bound('client.referrer', client.referrer, 2048);
    bound('client.android_package', client.androidPackage, 256);
    bound('client.android_cert_sha1', client.androidCertSha1, 64);
    bound('client.ios_bundle_id', client.iosBundleId, 256);
  }
  return violations;
}

function checkCharges(
  charges: readonly ChargeMessage[],
  refuse: (field: string, description: string) => void,
): void {
  if (charges.length > CHARGES_MAX) {
    refuse('charges', `must have at most ${CHARGES_MAX} entries, has ${charges.length}`);
    return;
  }
  charges.forEach(({ limit, cost }, index) => {
    if (!LIMIT_NAME_PATTERN.test(limit)) refuse(`charges[${index}].limit`, `must be ${LIMIT_NAME_SHAPE}`);
    else if (charges.findIndex((other) => other.limit === limit) !== index)
      refuse(`charges[${index}].limit`, 'must be named once');
    if (cost !== undefined && cost > BigInt(COST_MAX))
      refuse(`charges[${index}].cost`, `must be at most ${COST_MAX}`);
  });
}

const NO_CHARGES: readonly Charge[] = [];

/** Its bounds were tested. */
function readCharge({ limit, cost = 1n }: ChargeMessage): Charge {
  return { limit, cost: Number(cost) };
}

const VERDICT_CODES: Readonly<Record<Verdict, VerdictCode>> = {
  VALID: VerdictCode.VERDICT_VALID,
  MALFORMED: VerdictCode.VERDICT_MALFORMED,
  NOT_FOUND: VerdictCode.VERDICT_NOT_FOUND,
  REVOKED: VerdictCode.VERDICT_REVOKED,
  DISABLED: VerdictCode.VERDICT_DISABLED,
  OWNER_SUSPENDED: VerdictCode.VERDICT_OWNER_SUSPENDED,
  EXPIRED: VerdictCode.VERDICT_EXPIRED,
  SECRET_RETIRED: VerdictCode.VERDICT_SECRET_RETIRED,
  CLIENT_NOT_ALLOWED: VerdictCode.VERDICT_CLIENT_NOT_ALLOWED,
  OPERATION_NOT_ALLOWED: VerdictCode.VERDICT_OPERATION_NOT_ALLOWED,
  RESOURCE_NOT_ALLOWED: VerdictCode.VERDICT_RESOURCE_NOT_ALLOWED,
  SCOPE_MISSING: VerdictCode.VERDICT_SCOPE_MISSING,
  RATE_LIMITED: VerdictCode.VERDICT_RATE_LIMITED,
  CREDITS_EXHAUSTED: VerdictCode.VERDICT_CREDITS_EXHAUSTED,
};

const CLIENT_REFUSAL_CODES: Readonly<Record<ClientRefusal, ClientRefusalCode>> = {
  IP_MISSING: ClientRefusalCode.CLIENT_REFUSAL_IP_MISSING,
  IP_NOT_ALLOWED: ClientRefusalCode.CLIENT_REFUSAL_IP_NOT_ALLOWED,
  APPLICATION_MISSING: ClientRefusalCode.CLIENT_REFUSAL_APPLICATION_MISSING,
  REFERRER_NOT_ALLOWED: ClientRefusalCode.CLIENT_REFUSAL_REFERRER_NOT_ALLOWED,
  ANDROID_APP_NOT_ALLOWED: ClientRefusalCode.CLIENT_REFUSAL_ANDROID_APP_NOT_ALLOWED,
  IOS_APP_NOT_ALLOWED: ClientRefusalCode.CLIENT_REFUSAL_IOS_APP_NOT_ALLOWED,
};

/** What is told of a key, by its snapshot: made once, and gone with the snapshot. */
const verifiedKeys = new WeakMap<Snapshot, VerifiedKey>();

/** The last response to VALID, by its snapshot: it stays the same until the revision changes. */
const validResponses = new WeakMap<
  Snapshot,
  { readonly revision: Revision; readonly response: VerifyResponse }
>();

/** One object for as long as what it tells is the same: whoever encodes it may do so once. Not to be changed. */
export function toVerifyResponse(
  { verdict, snapshot, missingScopes, clientRefusal, limits, retryAfterMs }: Omit<Outcome, 'secret'>,
  revision: Revision,
): Readonly<VerifyResponse> {
  const remembering = verdict === 'VALID' && limits.length === 0 ? snapshot : undefined;
  const last = remembering === undefined ? undefined : validResponses.get(remembering);
  if (last !== undefined && isSameRevision(last.revision, revision)) return last.response;
  const response: VerifyResponse = {
    valid: verdict === 'VALID',
    verdict: VERDICT_CODES[verdict],
    key: snapshot === undefined ? undefined : toVerifiedKey(snapshot),
    limits: limits.map((state) => new LimitStatusOfState(state)),
    missingScopes: missingScopes as string[],
    retryAfter: retryAfterMs === undefined ? undefined : toDuration(Math.ceil(retryAfterMs)),
    revision: formatRevision(revision),
    clientRefusal:
      clientRefusal === undefined
        ? ClientRefusalCode.CLIENT_REFUSAL_UNSPECIFIED
        : CLIENT_REFUSAL_CODES[clientRefusal],
  };
  if (remembering !== undefined) validResponses.set(remembering, { revision, response });
  return response;
}

function toVerifiedKey(snapshot: Snapshot): VerifiedKey {
  let verified = verifiedKeys.get(snapshot);
  if (verified === undefined) {
    const { key, rules } = snapshot;
    verified = {
      id: key.id,
      keyspaceId: key.keyspaceId,
      ownerId: key.ownerId,
      displayName: key.displayName,
      scopes: [...rules.scopes],
      metadata: new Map(Object.entries(rules.metadata)),
      policyIds: [...key.policyIds],
      expireTime: toTimestamp(key.expireTimeMs),
      tags: [...rules.tags],
    };
    verifiedKeys.set(snapshot, verified);
  }
  return verified;
}
