import { NO_REQUEST } from '../../core/checks/check.ts';
import { Fault } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID } from '../../core/key.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { readToken } from '../../core/token.ts';
import type { UseRecorder } from '../usage/use-recorder.ts';
import type { Outcome, Verification, Verifier } from '../verification/verifier.ts';
import { callerOf, type Caller } from './caller.ts';

/** Finds out who calls, by the `authorization` metadata. Latchkey guards itself with Latchkey. */
export interface Authenticator {
  /** The caller, if memory suffices; undefined if the database has to be asked. @throws Fault CALLER_UNKNOWN */
  tryAuthenticate(authorization: string | undefined): Caller | undefined;
  /** The caller. @throws Fault CALLER_UNKNOWN, DATABASE_UNAVAILABLE */
  authenticate(authorization: string | undefined): Promise<Caller>;
}

/** Texts that need not be read anew: internal services are few. */
const KNOWN_MAX = 1000;

export function createAuthenticator(options: {
  readonly verifier: Verifier;
  readonly uses: Pick<UseRecorder, 'note'>;
}): Authenticator {
  const { verifier, uses } = options;
  /** Callers by snapshot: a snapshot is immutable, so its caller is made once and goes with it. */
  const callers = new WeakMap<Snapshot, Caller>();
  /**
   * What texts ask to be verified, of those whose token was found good. What a text says never changes; whether its key is
   * still good is judged at each call.
   */
  const known = new Map<string, Verification>();

  function remember(authorization: string, verification: Verification): void {
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(authorization, verification);
  }

  function callerFrom({ verdict, snapshot, secret }: Outcome): Caller {
    // A key of the built-in keyspace is confined by *its* resource access to keyspaces; it names none here, so the
    // resource check does not apply and everything else does.
    if (snapshot === undefined || (verdict !== 'VALID' && verdict !== 'RESOURCE_NOT_ALLOWED')) {
      throw new Fault('CALLER_UNKNOWN', 'the root token in the `authorization` metadata is not valid');
    }
    if (secret !== undefined) uses.note(snapshot, secret);
    let caller = callers.get(snapshot);
    if (caller === undefined) callers.set(snapshot, (caller = callerOf(snapshot)));
    return caller;
  }

  return {
    tryAuthenticate(authorization = '') {
      const before = known.get(authorization);
      const verification = before ?? readAuthorization(authorization);
      const outcome = verifier.tryVerify(verification, isRootKeyspace);
      if (outcome === undefined) return undefined;
      const caller = callerFrom(outcome);
      if (before === undefined) remember(authorization, verification);
      return caller;
    },
    async authenticate(authorization = '') {
      return callerFrom(await verifier.verify(readAuthorization(authorization), isRootKeyspace));
    },
  };
}

const isRootKeyspace = (keyspaceId: string): boolean => keyspaceId === ROOT_KEYSPACE_ID;

/** What a text asks to be verified. @throws Fault CALLER_UNKNOWN if it carries nothing */
function readAuthorization(authorization: string): Verification {
  const text = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (text === undefined) {
    throw new Fault(
      'CALLER_UNKNOWN',
      'the call carries no root token: send `authorization: Bearer <root token>`',
    );
  }
  return {
    ...NO_REQUEST,
    token: readToken(text),
    keyspaceId: ROOT_KEYSPACE_ID,
    minRevision: undefined,
    charges: [],
    checkOnly: false,
  };
}
