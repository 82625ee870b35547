import { isDeepStrictEqual } from 'node:util';
import {
  ClientRefusal,
  Verdict,
  type DeepPartial,
  type VerifyRequest,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import type { Clients } from '../../support/clients.ts';

/** What a verification says, in the names of the contract without what they begin with. */
export interface Judgement {
  /** `VALID`, `CLIENT_NOT_ALLOWED`, …. */
  readonly verdict: string;
  /** `IP_MISSING`, …; empty: none. */
  readonly refusal: string;
  readonly missingScopes: readonly string[];
}

const nameOf = (names: Readonly<Record<string, number>>, value: number, prefix: string): string =>
  Object.entries(names)
    .find(([, number]) => number === value)?.[0]
    .slice(prefix.length) ?? String(value);

/**
 * Verifies twice, so that memory is asked too, and says what was answered.
 * @throws Error if the second answer is another one
 */
export async function judge({ verify }: Clients, request: DeepPartial<VerifyRequest>): Promise<Judgement> {
  const once = async (): Promise<Judgement> => {
    const { verdict, clientRefusal, missingScopes } = await verify.verify(request);
    const refusal = nameOf(ClientRefusal, clientRefusal, 'CLIENT_REFUSAL_');
    return {
      verdict: nameOf(Verdict, verdict, 'VERDICT_'),
      refusal: refusal === 'UNSPECIFIED' ? '' : refusal,
      missingScopes,
    };
  };
  const first = await once();
  const second = await once();
  if (!isDeepStrictEqual(first, second))
    throw new Error(`memory says otherwise: ${JSON.stringify([first, second])}`);
  return first;
}

/** The verdict alone. */
export async function verdictOf(clients: Clients, request: DeepPartial<VerifyRequest>): Promise<string> {
  return (await judge(clients, request)).verdict;
}
