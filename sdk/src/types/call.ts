/** Options of one call. */
export interface CallOptions {
  /** Gives the call up: it is rejected with a LatchkeyError of code CANCELLED whose `cause` is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for the answer, all tries together: 1 to 2147483647 ms. Default: the client's. */
  readonly deadlineMs?: number | undefined;
}

/** Options of a call that changes something. */
export interface MutationOptions extends CallOptions {
  /**
   * A UUID that makes a repetition safe: within 24 hours the same change with the same id is made once, and answered
   * with the first answer. Default: one a call, so that the SDK's own retries are safe. Give your own, kept with your
   * job, if you repeat calls yourself. Whoever knows it and holds your root token can read the first answer again.
   */
  readonly requestId?: string | undefined;
}

/** Options of a call that changes something that exists. */
export interface ChangeOptions extends MutationOptions {
  /** Fail with ABORTED, reason ETAG_MISMATCH, if it was changed since this etag was read. Default: change it anyhow. */
  readonly etag?: string | undefined;
}

/** Options of a call that may take access away. */
export interface WaitOptions {
  /**
   * Answer once the change is effective on every replica, which takes milliseconds, and at most the server's
   * `LATCHKEY_MAX_STALENESS_MS` (2 s) if a replica is cut off. With false the answer comes at once, with an
   * `effectiveTime` in the future. Default: true.
   */
  readonly wait?: boolean | undefined;
}

/** Options of a call that changes something that exists and may take access away. */
export interface NarrowOptions extends ChangeOptions, WaitOptions {}

/** Options of `keys.rotate`. */
export interface RotateOptions extends NarrowOptions {
  /**
   * How long the old secret passes beside the new one, ms: at most 365 days, and never longer than the key. Default: 0,
   * the old secret ends now.
   */
  readonly overlapMs?: number | undefined;
}

/** Options of `keys.revoke`. */
export interface RevokeOptions extends NarrowOptions {
  /** Why, in a word to count by: `leaked`, `superseded`, `off-boarded`. At most 64 characters. */
  readonly reason?: string | undefined;
  /** What people should know; kept in the audit record only. At most 1024 characters. */
  readonly note?: string | undefined;
}

/** Options of `keys.batchRevoke`. */
export interface BatchRevokeOptions extends MutationOptions, ValidateOptions, WaitOptions {
  /** Why, in a word to count by. At most 64 characters. */
  readonly reason?: string | undefined;
  /** What people should know; kept in the audit records only. At most 1024 characters. */
  readonly note?: string | undefined;
}

/** Options of `keys.reportLeaked`. */
export interface LeakOptions extends MutationOptions, WaitOptions {
  /** Where it was found; kept in the audit record only. At most 1024 characters. */
  readonly note?: string | undefined;
}

/** Options of `limits.adjustCredits`, `limits.setOverride` and `limits.clearOverride`. */
export interface LimitOptions extends MutationOptions, WaitOptions {
  /** Why, for people; kept in the audit record only. At most 1024 characters. */
  readonly note?: string | undefined;
}

/** Options of `owners.suspend`. */
export interface SuspendOptions extends RevokeOptions, ValidateOptions {}

/** Options of `owners.delete`. */
export interface DeleteOwnerOptions extends NarrowOptions, ValidateOptions {
  /**
   * What becomes of its keys: they are revoked (scope `keys:revoke` too), or live on without an owner. Default: it must
   * have none, else FAILED_PRECONDITION, reason OWNER_IN_USE.
   */
  readonly keysFate?: 'REVOKE' | 'DETACH' | undefined;
}

/** Options of a change that hits many keys. */
export interface ValidateOptions {
  /** Change nothing: only show what would be hit. Default: false. */
  readonly validateOnly?: boolean | undefined;
}

/** Options of a call that reads one page. */
export interface PageOptions extends CallOptions {
  /** `nextPageToken` of the page before, asked for with the same filter and order. Default: the first page. */
  readonly pageToken?: string | undefined;
}
