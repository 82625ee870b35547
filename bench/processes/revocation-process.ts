import { connect, type ClientHttp2Session } from 'node:http2';
import { RevokeKeyRequest } from '../../proto/gen/latchkey/v1/key_service.ts';
import { Verdict, VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { callGrpc, frame, type GrpcTarget } from '../load/grpc-call.ts';
import { verifyMessage } from '../requests.ts';
import type { SeededKey } from '../seed.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

/** Revocations to time. */
export interface Revocations {
  /** RevokeKey of one replica. */
  readonly revoke: GrpcTarget;
  /** Verify of all others. */
  readonly others: readonly GrpcTarget[];
  /** One is revoked after the other. */
  readonly keys: readonly SeededKey[];
  /** Whether RevokeKey is to wait until it is effective everywhere. */
  readonly wait: boolean;
  /** Whether to ask the others for the key, from the reply on in a tight loop. */
  readonly look: boolean;
  /** Before each a pause of a length by chance up to this, ms: else each would begin where the last poll ended. */
  readonly pauseMaxMs: number;
}

/** What was seen of one revocation. */
export interface TimedRevocation {
  /** From sending RevokeKey to its reply, ms. */
  readonly returnedMs: number;
  /** From its reply until the last of the others first said REVOKED, ms; undefined if nobody looked. */
  readonly returnedToSeenMs?: number;
}

interface Replica {
  readonly session: ClientHttp2Session;
  readonly target: GrpcTarget;
}

async function call({ session, target }: Replica, message: Uint8Array): Promise<Buffer> {
  const { status, message: response } = await callGrpc(session, target, message);
  if (status !== '0') throw new Error(`${target.path} answered with the gRPC status ${status}`);
  return response;
}

async function verdictOf(replica: Replica, message: Uint8Array): Promise<Verdict> {
  return VerifyResponse.decode(await call(replica, message)).verdict;
}

/** Asks again and again; the moment at which the first REVOKED came, ms. */
async function revokedSeenMs(replica: Replica, message: Uint8Array): Promise<number> {
  for (;;) {
    const verdict = await verdictOf(replica, message);
    if (verdict === Verdict.VERDICT_REVOKED) return performance.now();
    if (verdict !== Verdict.VERDICT_VALID) throw new Error(`a revoked key became ${verdict}`);
  }
}

/** Revokes keys, and looks when that is known where it was not done. */
const answers = {
  ...ACCOUNTS,
  async run({ look, ...options }: Revocations): Promise<TimedRevocation[]> {
    const replica = (target: GrpcTarget): Replica => ({
      session: connect(`http://127.0.0.1:${target.port}`),
      target,
    });
    const one = replica(options.revoke);
    const others = options.others.map(replica);
    const timed: TimedRevocation[] = [];
    try {
      for (const { id, token } of options.keys) {
        const verification = verifyMessage(token);
        const revocation = frame(
          RevokeKeyRequest.encode(
            RevokeKeyRequest.fromPartial({ id, reason: 'superseded', wait: options.wait }),
          ).finish(),
        );
        await new Promise((resolve) => setTimeout(resolve, Math.random() * options.pauseMaxMs));
        for (const verdict of await Promise.all(others.map((other) => verdictOf(other, verification)))) {
          if (verdict !== Verdict.VERDICT_VALID) throw new Error(`a key of the benchmark is ${verdict}`);
        }

        const seen = (): Promise<number> =>
          Promise.all(others.map((other) => revokedSeenMs(other, verification))).then((each) =>
            Math.max(...each),
          );
        const sentMs = performance.now();
        await call(one, revocation);
        const returnedMs = performance.now();
        timed.push({
          returnedMs: returnedMs - sentMs,
          ...(look ? { returnedToSeenMs: (await seen()) - returnedMs } : {}),
        });
      }
      return timed;
    } finally {
      for (const { session } of [one, ...others]) session.close();
    }
  },
};
export type RevocationAnswers = typeof answers;

answerParent(answers);
