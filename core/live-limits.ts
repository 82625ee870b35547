import type { KeyRecord } from './key.ts';
import {
  keySubject,
  ledgerId,
  ownerSubject,
  type Limit,
  type LimitOverride,
  type LimitScope,
  type LiveLimit,
} from './limit.ts';
import type { OwnerRecord } from './owner.ts';

/**
 * The limits that are counted for a key alone.
 * @param limits those in effect: its own or its policies'
 */
export function keyLiveLimits(
  { id, limitOverrides }: Pick<KeyRecord, 'id' | 'limitOverrides'>,
  limits: readonly Limit[],
): readonly LiveLimit[] {
  return limits.map((limit) => liveLimit(limit, 'KEY', keySubject(id), limitOverrides));
}

/** The limits that an owner's keys share. */
export function ownerLiveLimits({
  keyspaceId,
  id,
  limits,
  limitOverrides,
}: Pick<OwnerRecord, 'keyspaceId' | 'id' | 'limits' | 'limitOverrides'>): readonly LiveLimit[] {
  const subject = ownerSubject(keyspaceId, id);
  return limits.map((limit) => liveLimit(limit, 'OWNER', subject, limitOverrides));
}

/** Whether an override still holds; the instant of its end itself is too late. */
export function isOverrideLive({ endTimeMs }: Pick<LimitOverride, 'endTimeMs'>, nowMs: number): boolean {
  return endTimeMs > nowMs;
}

/** An override is of a name, and may have been set while the name was that of a rate limit. */
function liveLimit(
  limit: Limit,
  scope: LimitScope,
  subject: string,
  overrides: readonly LimitOverride[],
): LiveLimit {
  const override = overrides.find(({ limit: name }) => name === limit.name);
  return {
    ...limit,
    scope,
    ledgerId: ledgerId(subject, limit),
    override: limit.rule.kind === 'RATE' ? (override ?? null) : null,
  };
}
