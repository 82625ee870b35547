/** What users of the SDK get; anything else may change with any version. */
export { createLatchkey, type Latchkey } from './client.ts';
export { LatchkeyError } from './errors.ts';
export type { Keys } from './keys.ts';
export type { Keyspaces } from './keyspaces.ts';
export type { LatchkeyOptions, TlsOptions } from './options.ts';
export type {
  CallOptions,
  ChangeOptions,
  MutationOptions,
  PageOptions,
  RevokeOptions,
} from './types/call.ts';
export type { ErrorCode, ErrorReason, LatchkeyErrorInit } from './types/error.ts';
export type { FieldViolation } from '../../core/fault.ts';
export type {
  ChangedKey,
  CreatedKey,
  Key,
  KeyChange,
  KeyFilter,
  KeyLookup,
  KeyPage,
  KeyQuery,
  KeySecret,
  KeyState,
  NarrowedKey,
  NewKey,
  ResourceAccess,
} from './types/key.ts';
export type {
  ChangedKeyspace,
  Keyspace,
  KeyspaceChange,
  KeyspacePage,
  KeyspaceQuery,
  NewKeyspace,
} from './types/keyspace.ts';
export type {
  ClientInfo,
  LimitStatus,
  Operation,
  RefusedResult,
  ValidResult,
  VerifiedKey,
  VerifyRequest,
  VerifyResult,
} from './types/verify.ts';
export type { Verify } from './verify.ts';
export { VERDICTS, type Verdict } from '../../core/verdict.ts';
