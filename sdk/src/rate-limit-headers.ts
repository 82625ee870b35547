import type { LimitStatus } from './types/limit.ts';
import type { VerifyResult } from './types/verify.ts';

/** The largest Integer of a structured field. https://www.rfc-editor.org/rfc/rfc9651#section-3.3.1 */
const INTEGER_MAX = 999_999_999_999_999;

/**
 * The header fields that tell HTTP clients of the limits of a verification, to be sent with any answer, not only with a
 * refusal:
 *
 * - `RateLimit-Policy: "requests";q=100;w=60`: what is allowed (of credits: what there was to begin with), and in how many
 *   seconds (of credits: not said);
 * - `RateLimit: "requests";r=12;t=30`: what is left, and for how many seconds no more can be counted on: until the limit is
 *   whole again or refilled; of a rate limit that refused, until it is worth trying again. Without `t` it is whole, or is
 *   never refilled;
 * - `Retry-After: 30`: where a limit refused, after how many seconds to try again: unless that is never.
 *
 * A limit of the owner is called `owner:requests` where the key has one of the same name. Seconds are rounded up. No limits:
 * no fields.
 *
 * `RateLimit` and `RateLimit-Policy` are those of the Internet-Draft "RateLimit header fields for HTTP", revision 11 of May
 * 2026 (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/): structured fields, RFC 9651.
 * `Retry-After`: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 *
 * @param nowMs the present, ms since 1970, by which the times that Latchkey tells become spans
 */
export function rateLimitHeaders(result: VerifyResult, nowMs: number = Date.now()): Record<string, string> {
  const { limits } = result;
  const retryMs = retryAfterMs(result, nowMs);
  const nameOf = (status: LimitStatus): string => identifier(status, limits);
  return {
    ...(limits.length === 0
      ? {}
      : {
          'RateLimit-Policy': limits.map((limit) => policyItem(nameOf(limit), limit)).join(', '),
          RateLimit: limits
            .map((limit) => limitItem(nameOf(limit), limit, effectiveMs(limit, retryMs, nowMs)))
            .join(', '),
        }),
    ...(retryMs === undefined ? {} : { 'Retry-After': String(seconds(retryMs)) }),
  };
}

/** How long to wait before the next try, ms; undefined: no limit refused, or there is no use in trying again. */
function retryAfterMs(result: VerifyResult, nowMs: number): number | undefined {
  if (result.verdict === 'RATE_LIMITED') return result.retryAfterMs ?? undefined;
  if (result.verdict !== 'CREDITS_EXHAUSTED') return undefined;
  const refused = result.limits.filter((limit) => limit.refused);
  const refillMs = refused.map(({ resetTime }) => resetTime?.getTime() ?? Infinity);
  const waitMs = Math.max(...refillMs) - nowMs;
  return Number.isFinite(waitMs) ? waitMs : undefined;
}

/** For how long no more than what is left can be counted on, ms; undefined: it is whole, or is never refilled. */
function effectiveMs(
  { refused, resetTime, windowMs }: LimitStatus,
  retryMs: number | undefined,
  nowMs: number,
): number | undefined {
  // Retry-After should not be earlier than the end of this span: section 6 of the draft.
  if (refused && windowMs !== null && retryMs !== undefined) return retryMs;
  return resetTime === null ? undefined : resetTime.getTime() - nowMs;
}

function policyItem(name: string, { limit, windowMs }: LimitStatus): string {
  return `${name};q=${integer(limit)}${windowMs === null ? '' : `;w=${seconds(windowMs)}`}`;
}

function limitItem(name: string, { remaining }: LimitStatus, spanMs: number | undefined): string {
  return `${name};r=${integer(remaining)}${spanMs === undefined ? '' : `;t=${seconds(spanMs)}`}`;
}

/** What a limit is called, as a String of a structured field. No two have the same. */
function identifier({ name, scope }: LimitStatus, limits: readonly LimitStatus[]): string {
  const taken = scope === 'OWNER' && limits.some((other) => other.scope === 'KEY' && other.name === name);
  const text = taken ? `owner:${name}` : name;
  // Names of Latchkey need none of this; what a header field cannot hold must not get into one all the same.
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}

/** Whole seconds, rounded up: whoever comes a little late is not refused again. */
function seconds(spanMs: number): number {
  return integer(Math.ceil(spanMs / 1000));
}

function integer(value: number): number {
  return Math.min(Math.max(value, 0), INTEGER_MAX);
}
