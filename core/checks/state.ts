import type { Check, Refusal } from './check.ts';

// One object a verdict, made once: a refusal costs no memory.
const REVOKED: Refusal = { verdict: 'REVOKED' };
const DISABLED: Refusal = { verdict: 'DISABLED' };
const OWNER_SUSPENDED: Refusal = { verdict: 'OWNER_SUSPENDED' };
const EXPIRED: Refusal = { verdict: 'EXPIRED' };
const SECRET_RETIRED: Refusal = { verdict: 'SECRET_RETIRED' };

/** A revoked key is told first: it must never look as if it could come back. */
export const checkRevoked: Check = ({ snapshot }) => (snapshot.switch === 'REVOKED' ? REVOKED : undefined);

/** A disabled key comes back when someone enables it. */
export const checkDisabled: Check = ({ snapshot }) => (snapshot.switch === 'DISABLED' ? DISABLED : undefined);

/** A suspended owner stops all its keys, until it is resumed. */
export const checkOwnerSuspended: Check = ({ snapshot }) =>
  snapshot.ownerSuspended ? OWNER_SUSPENDED : undefined;

/** The instant of the expiry itself is too late. */
export const checkExpired: Check = ({ snapshot, nowMs }) =>
  snapshot.expireTimeMs <= nowMs ? EXPIRED : undefined;

/** After the key's own expiry, so that an expired key is not taken for a rotated one. */
export const checkSecretRetired: Check = ({ secret, nowMs }) =>
  secret.expireTimeMs <= nowMs ? SECRET_RETIRED : undefined;
