/** What users of the SDK get; anything else may change with any version. */
export { createLatchkey, type Latchkey } from './client.ts';
export { LatchkeyError } from './errors.ts';
export type { Keys } from './keys.ts';
export type { Keyspaces } from './keyspaces.ts';
export type { Limits } from './limits.ts';
export type { Owners } from './owners.ts';
export type { Policies } from './policies.ts';
export type { Replicas } from './replicas.ts';
export type { LatchkeyOptions, TlsOptions } from './options.ts';
export type {
  BatchRevokeOptions,
  CallOptions,
  ChangeOptions,
  DeleteOwnerOptions,
  LeakOptions,
  LimitOptions,
  MutationOptions,
  NarrowOptions,
  PageOptions,
  RevokeOptions,
  RotateOptions,
  SuspendOptions,
  ValidateOptions,
  WaitOptions,
} from './types/call.ts';
export type { ErrorCode, ErrorReason, LatchkeyErrorInit } from './types/error.ts';
export type { FieldViolation } from '../../core/fault.ts';
export type {
  ChangedKey,
  CreatedKey,
  EffectiveKey,
  ImportedKey,
  ImportedKeys,
  ImportResult,
  Key,
  KeyAttributes,
  KeyChange,
  KeyChoice,
  KeyFilter,
  KeyLookup,
  KeyPage,
  KeyQuery,
  KeySecret,
  KeyState,
  NarrowedKey,
  NewKey,
  RevokedKeys,
  RotatedKey,
} from './types/key.ts';
export type {
  Api,
  ApiGroup,
  ApiMethod,
  ChangedKeyspace,
  Keyspace,
  KeyspaceChange,
  KeyspacePage,
  KeyspaceQuery,
  NarrowedKeyspace,
  NewKeyspace,
} from './types/keyspace.ts';
export type {
  AdjustedCredits,
  ChangedOverride,
  ClearedOverride,
  CreditChange,
  CreditLimit,
  CreditRefill,
  Credits,
  Limit,
  LimitOverride,
  LimitScope,
  LimitState,
  LimitStatus,
  LimitSubject,
  LimitTerms,
  NewLimitOverride,
  Rate,
  RateLimit,
} from './types/limit.ts';
export type {
  ChangedOwner,
  CountedOwner,
  DeletedOwner,
  NarrowedOwner,
  NewOwner,
  Owner,
  OwnerChange,
  OwnerKeyCounts,
  OwnerPage,
  OwnerQuery,
  OwnerRef,
  SuspendedOwner,
} from './types/owner.ts';
export type {
  ChangedPolicy,
  CountedPolicy,
  NarrowedPolicy,
  NewPolicy,
  Policy,
  PolicyChange,
  PolicyPage,
  PolicyQuery,
} from './types/policy.ts';
export type { Propagated, Propagation } from './types/propagation.ts';
export type { Replica, ReplicaList } from './types/replica.ts';
export type {
  AndroidApp,
  ApiTarget,
  EffectiveRules,
  NewRules,
  ResourceAccess,
  Restrictions,
  Rules,
  RulesChange,
  RuleSource,
} from './types/rules.ts';
export { rateLimitHeaders } from './rate-limit-headers.ts';
export type {
  ClientInfo,
  DeniedResult,
  Operation,
  RateLimitedResult,
  Refusal,
  RefusedResult,
  ValidResult,
  VerifiedKey,
  VerifyRequest,
  VerifyResult,
} from './types/verify.ts';
export type { Verify } from './verify.ts';
export { VERDICTS, type ClientRefusal, type Verdict } from '../../core/verdict.ts';
