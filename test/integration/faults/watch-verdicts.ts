import { setTimeout as sleep } from 'node:timers/promises';
import {
  Verdict,
  type DeepPartial,
  type VerifyRequest,
} from '../../../proto/gen/latchkey/v1/verify_service.ts';
import type { Clients } from '../../support/clients.ts';
import { failureOf, type CallFailure } from '../../support/failure-of.ts';

/** One verification among many, its times by the monotonic and by the wall clock. */
export interface Observation {
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly sentWallMs: number;
  /** The verdict's name, such as `VERDICT_VALID`; undefined: the call failed. */
  readonly verdict: string | undefined;
  readonly failure: CallFailure | undefined;
}

const NAMES = new Map<number, string>(Object.entries(Verdict).map(([name, value]) => [value, name]));

/** The time between two verifications, ms. */
const PACE_MS = 10;

/** A token, or a request about one. */
export type Asked = string | DeepPartial<VerifyRequest>;

/** Verifies a token once. */
export async function observe({ verify }: Clients, asked: Asked): Promise<Observation> {
  const sentMs = performance.now();
  const sentWallMs = Date.now();
  let verdict: string | undefined;
  let failure: CallFailure | undefined;
  try {
    failure = await failureOf(async (options) => {
      const response = await verify.verify(typeof asked === 'string' ? { token: asked } : asked, options);
      verdict = NAMES.get(response.verdict);
    });
  } catch (error) {
    if (verdict === undefined) throw error;
  }
  return { sentMs, answeredMs: performance.now(), sentWallMs, verdict, failure };
}

/** Verifies a token again and again until an observation fulfils `last`; returns all of them. The test's time limit is the bound. */
export async function watchVerdicts(
  clients: Clients,
  asked: Asked,
  last: (observation: Observation) => boolean,
): Promise<readonly Observation[]> {
  const observations: Observation[] = [];
  for (;;) {
    const observation = await observe(clients, asked);
    observations.push(observation);
    if (last(observation)) return observations;
    await sleep(PACE_MS);
  }
}
