import type { LiveLimit } from '../../core/limit.ts';
import { LimitStatus } from '../../proto/gen/latchkey/v1/verify_service.ts';
import type { LimitState } from '../verification/budgets.ts';
import { LimitStatusOfState } from './convert/limit-status.ts';

/** Tags of the contract's fields: number and wire type (0 varint, 2 length-delimited). */
const LIMITS = (4 << 3) | 2;
const REMAINING = (3 << 3) | 0;
const RESET_TIME = (4 << 3) | 2;
const REFUSED = (6 << 3) | 0;
const SECONDS = (1 << 3) | 0;
const NANOS = (2 << 3) | 0;

/** What of a limit's status is the same as long as the limit is, encoded; for one number that it allows. */
interface Constant {
  readonly max: number;
  readonly bytes: Uint8Array;
}
const constants = new WeakMap<LiveLimit, Constant>();

/** The most that a status takes besides its constant part: tags and lengths, and three numbers of up to 64 bits. */
const VARIABLE_MAX = 64;

/**
 * The field `limits` of a VerifyResponse. The same as the generated code's but for the order of fields, which is free in
 * protobuf; nothing is made for what is the same with every verification.
 */
export function encodeLimits(states: readonly LimitState[]): Uint8Array {
  let size = 0;
  for (const state of states) size += constantOf(state).length + VARIABLE_MAX;
  const bytes = Buffer.allocUnsafe(size);
  let end = 0;
  for (const state of states) end = writeStatus(bytes, end, state);
  return bytes.subarray(0, end);
}

function writeStatus(bytes: Buffer, start: number, state: LimitState): number {
  const { remaining, resetTimeMs, refused } = state;
  const constant = constantOf(state);
  const lengthAt = writeNumber(bytes, start, LIMITS);
  // A length below 128 takes one byte.
  const contentAt = lengthAt + 1;
  bytes.set(constant, contentAt);
  let at = contentAt + constant.length;
  if (remaining > 0) at = writeNumber(bytes, writeNumber(bytes, at, REMAINING), remaining);
  if (refused) at = writeNumber(bytes, writeNumber(bytes, at, REFUSED), 1);
  if (resetTimeMs !== undefined) at = writeTime(bytes, at, Math.ceil(resetTimeMs));
  const length = at - contentAt;
  if (length >= 128) {
    bytes.copyWithin(contentAt + 1, contentAt, at);
    at += 1;
  }
  writeNumber(bytes, lengthAt, length);
  return at;
}

/** A Timestamp of a time in ms since 1970. */
function writeTime(bytes: Buffer, start: number, timeMs: number): number {
  const seconds = Math.floor(timeMs / 1000);
  const nanos = (timeMs - seconds * 1000) * 1_000_000;
  const lengthAt = writeNumber(bytes, start, RESET_TIME);
  let at = writeNumber(bytes, writeNumber(bytes, lengthAt + 1, SECONDS), seconds);
  if (nanos > 0) at = writeNumber(bytes, writeNumber(bytes, at, NANOS), nanos);
  bytes[lengthAt] = at - lengthAt - 1;
  return at;
}

/** A varint of a whole number from 0 to 2^53 − 1. https://protobuf.dev/programming-guides/encoding/#varints */
function writeNumber(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 2 ** 31) {
    bytes[at] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
    at += 1;
  }
  while (rest >= 128) {
    bytes[at] = (rest & 127) | 128;
    rest >>>= 7;
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}

function constantOf({ limit, max }: LimitState): Uint8Array {
  const known = constants.get(limit);
  if (known?.max === max) return known.bytes;
  const state = { limit, max, remaining: 0, resetTimeMs: undefined, refused: false };
  const bytes = LimitStatus.encode(new LimitStatusOfState(state)).finish();
  constants.set(limit, { max, bytes });
  return bytes;
}
