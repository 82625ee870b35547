import { NO_REQUEST } from '../../core/checks/check.ts';
import { Fault } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID } from '../../core/key.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { readToken, type PresentedToken } from '../../core/token.ts';
import type { Outcome, Verification, Verifier } from '../verification/verifier.ts';
import { callerOf, type Caller } from './caller.ts';

/** Finds out who calls, by the `authorization` metadata. Latchkey guards itself with Latchkey. */
export interface Authenticator {
  /** The caller, if memory suffices; undefined if the database has to be asked. @throws Fault CALLER_UNKNOWN */
  tryAuthenticate(authorization: string | undefined): Caller | undefined;
  /** The caller. @throws Fault CALLER_UNKNOWN, DATABASE_UNAVAILABLE */
  authenticate(authorization: string | undefined): Promise<Caller>;
}

/** Callers whose token need not be read anew: internal services are few. */
const KNOWN_TOKENS_MAX = 1000;

export function createAuthenticator(options: { readonly verifier: Verifier }): Authenticator {
  const { verifier } = options;
  /** Callers by snapshot: a snapshot is immutable, so its caller is made once and goes with it. */
  const callers = new WeakMap<Snapshot, Caller>();
  /**
   * Tokens that were read and found good, by the text that they stood in. What a text says never changes; whether its
   * key is still good is judged at each call.
   */
  const knownTokens = new Map<string, PresentedToken>();

  function remember(authorization: string, token: PresentedToken): void {
    if (knownTokens.size >= KNOWN_TOKENS_MAX) knownTokens.clear();
    knownTokens.set(authorization, token);
  }

  function callerFrom({ verdict, snapshot }: Outcome): Caller {
    // A key of the built-in keyspace is confined by *its* resource access to keyspaces; it names none here, so the
    // resource check does not apply and everything else does.
    if (snapshot === undefined || (verdict !== 'VALID' && verdict !== 'RESOURCE_NOT_ALLOWED')) {
      throw new Fault('CALLER_UNKNOWN', 'the root token in the `authorization` metadata is not valid');
    }
    let caller = callers.get(snapshot);
    if (caller === undefined) callers.set(snapshot, (caller = callerOf(snapshot)));
    return caller;
  }

  return {
    tryAuthenticate(authorization = '') {
      const known = knownTokens.get(authorization);
      const verification = rootVerification(known ?? readRootToken(authorization));
      const outcome = verifier.tryVerify(verification, isRootKeyspace);
      if (outcome === undefined) return undefined;
      const caller = callerFrom(outcome);
      if (known === undefined && verification.token !== undefined)
        remember(authorization, verification.token);
      return caller;
    },
    async authenticate(authorization = '') {
      const verification = rootVerification(readRootToken(authorization));
      return callerFrom(await verifier.verify(verification, isRootKeyspace));
    },
  };
}

const isRootKeyspace = (keyspaceId: string): boolean => keyspaceId === ROOT_KEYSPACE_ID;

function rootVerification(token: PresentedToken | undefined): Verification {
  return { ...NO_REQUEST, token, keyspaceId: ROOT_KEYSPACE_ID, minRevision: undefined };
}

/** @throws Fault CALLER_UNKNOWN if there is none */
function readRootToken(authorization: string): PresentedToken | undefined {
  const text = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (text === undefined) {
    throw new Fault(
      'CALLER_UNKNOWN',
      'the call carries no root token: send `authorization: Bearer <root token>`',
    );
  }
  return readToken(text);
}
