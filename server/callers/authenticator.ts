import { Fault } from '../../core/fault.ts';
import { ROOT_KEYSPACE_ID } from '../../core/key.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import type { Outcome, Verification, Verifier } from '../verification/verifier.ts';
import { callerOf, type Caller } from './caller.ts';

/** Finds out who calls, by the `authorization` metadata. Latchkey guards itself with Latchkey. */
export interface Authenticator {
  /** The caller, if memory suffices; undefined if the database has to be asked. @throws Fault CALLER_UNKNOWN */
  tryAuthenticate(authorization: string | undefined): Caller | undefined;
  /** The caller. @throws Fault CALLER_UNKNOWN, DATABASE_UNAVAILABLE */
  authenticate(authorization: string | undefined): Promise<Caller>;
}

export function createAuthenticator(options: { readonly verifier: Verifier }): Authenticator {
  const { verifier } = options;
  /** Callers by snapshot: a snapshot is immutable, so its caller is made once and goes with it. */
  const callers = new WeakMap<Snapshot, Caller>();

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
    tryAuthenticate(authorization) {
      const outcome = verifier.tryVerify(rootVerification(authorization), isRootKeyspace);
      return outcome === undefined ? undefined : callerFrom(outcome);
    },
    async authenticate(authorization) {
      return callerFrom(await verifier.verify(rootVerification(authorization), isRootKeyspace));
    },
  };
}

const isRootKeyspace = (keyspaceId: string): boolean => keyspaceId === ROOT_KEYSPACE_ID;

function rootVerification(authorization: string | undefined): Verification {
  const match = authorization === undefined ? null : /^Bearer +(\S+)$/i.exec(authorization);
  if (match?.[1] === undefined) {
    throw new Fault(
      'CALLER_UNKNOWN',
      'the call carries no root token: send `authorization: Bearer <root token>`',
    );
  }
  return { token: match[1], keyspaceId: ROOT_KEYSPACE_ID, resource: '', scopes: [], minRevision: undefined };
}
