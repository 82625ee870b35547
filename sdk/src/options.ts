import type { FieldViolation } from '../../core/fault.ts';
import { invalidArgument } from './errors.ts';
import type { CallOptions } from './types/call.ts';

/** How to reach Latchkey, and how long to try. */
export interface LatchkeyOptions {
  /** Where Latchkey listens: `host:port`, such as `latchkey.internal:50051`; an IPv6 address in brackets. */
  readonly address: string;
  /**
   * The root token that this service calls with. White space around it is dropped, so that it can come from a file.
   * It is sent in the metadata of every call and appears nowhere else.
   */
  readonly token: string;
  /**
   * How the connection is secured. `true`: TLS, with the authorities that Node trusts. An object: TLS with what it says.
   * `false`: plaintext, in which the tokens can be read on the way; for a Latchkey on the same machine. Default: true.
   */
  readonly tls?: boolean | TlsOptions | undefined;
  /** How long a `verify` or a call of `verifyBatch` may take, all tries together: 1 to 2147483647 ms. Default: 1000. */
  readonly verifyDeadlineMs?: number | undefined;
  /** How long any other call may take, all tries together: 1 to 2147483647 ms. Default: 10000. */
  readonly deadlineMs?: number | undefined;
  /** How often a call is tried again after UNAVAILABLE, 0 to 10 times; the deadline holds all the same. Default: 3. */
  readonly retries?: number | undefined;
  /**
   * How often the connection is asked whether it still lives, also while no call is under way, so that one that died in
   * silence is replaced: 1000 to 2147483647 ms. It has 5 s to answer. Default: 30000.
   */
  readonly keepaliveMs?: number | undefined;
}

/** What TLS goes by; PEM, as text or bytes. */
export interface TlsOptions {
  /** The authorities to trust instead of those that Node trusts. */
  readonly ca?: string | Uint8Array | undefined;
  /** The client's certificate, where Latchkey asks for one (mTLS); needs `key`. */
  readonly cert?: string | Uint8Array | undefined;
  /** The private key of `cert`. */
  readonly key?: string | Uint8Array | undefined;
}

/** The options with their defaults, checked. */
export interface ResolvedOptions {
  readonly address: string;
  readonly token: string;
  /** undefined: plaintext. */
  readonly tls: TlsOptions | undefined;
  readonly verifyDeadlineMs: number;
  readonly deadlineMs: number;
  readonly retries: number;
  readonly keepaliveMs: number;
}

/** The longest delay of a timer, ms. https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const DELAY_MAX_MS = 2 ** 31 - 1;

const ADDRESS = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/;

/** Fills in the defaults. @throws LatchkeyError INVALID_OPTION that names every option which is out of its bounds */
export function resolveOptions(options: LatchkeyOptions): ResolvedOptions {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string): void => {
    violations.push({ field, description });
  };
  const number = (name: keyof LatchkeyOptions, fallback: number, min: number, max: number): number => {
    const value = options[name] ?? fallback;
    if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value);
    refuse(name, `must be a whole number from ${min} to ${max}`);
    return fallback;
  };

  const { address, tls = true } = options;
  // Types are not checked at run time, and both often come from the environment.
  const token = typeof options.token === 'string' ? options.token.trim() : '';
  if (typeof address !== 'string' || !isAddress(address)) {
    refuse('address', 'must be `host:port`, without a scheme; `tls: false` chooses plaintext');
  }
  if (token === '') refuse('token', 'must not be empty: give the root token of this service');
  // gRPC would refuse such a header with a text that holds all of it.
  else if (!/^[\x21-\x7e]+$/.test(token)) refuse('token', 'must not hold blanks or characters beyond ASCII');
  if (typeof tls === 'object' && (tls.cert === undefined) !== (tls.key === undefined)) {
    refuse('tls', 'must have both `cert` and `key`, or neither');
  }

  const resolved = {
    address,
    token,
    tls: typeof tls === 'object' ? tls : tls ? {} : undefined,
    verifyDeadlineMs: number('verifyDeadlineMs', 1000, 1, DELAY_MAX_MS),
    deadlineMs: number('deadlineMs', 10_000, 1, DELAY_MAX_MS),
    retries: number('retries', 3, 0, 10),
    keepaliveMs: number('keepaliveMs', 30_000, 1000, DELAY_MAX_MS),
  };
  if (violations.length > 0) throw invalidArgument('INVALID_OPTION', violations);
  return resolved;
}

/** The deadline of one call, ms. @throws LatchkeyError INVALID_OPTION */
export function resolveDeadline({ deadlineMs }: CallOptions, fallbackMs: number): number {
  if (deadlineMs === undefined) return fallbackMs;
  if (deadlineMs >= 1 && deadlineMs <= DELAY_MAX_MS) return deadlineMs;
  const description = `must be a number from 1 to ${DELAY_MAX_MS}`;
  throw invalidArgument('INVALID_OPTION', [{ field: 'deadlineMs', description }]);
}

function isAddress(address: string): boolean {
  const port = Number(ADDRESS.exec(address)?.[1]);
  return port >= 1 && port <= 65_535;
}
