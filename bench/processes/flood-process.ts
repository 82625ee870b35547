import { connect } from 'node:http2';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { callGrpc, type GrpcTarget } from '../load/grpc-call.ts';
import { verifyMessage } from '../requests.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

/** Calls without end. */
export interface Flood {
  /** Verify of a server. */
  readonly target: GrpcTarget;
  /** The tokens to send; none: well-formed ones of keys that do not exist, another with each call. */
  readonly tokens: readonly string[];
  readonly connections: number;
  /** Calls at a time on each connection. */
  readonly streams: number;
}

/** What a flood did. */
export interface FloodFound {
  readonly seconds: number;
  readonly succeeded: number;
  /** Calls that were refused, such as those that waited too long for the database. */
  readonly failed: number;
}

/**
 * As many as the server remembers absences, three times over: sent in turn, each has been forgotten when it comes
 * again. They are made before, because making one costs more than sending it.
 */
const UNKNOWN_TOKENS = 30_000;

let unknown: readonly Buffer[] | undefined;
let nextIndex = 0;
let stopRunning: (() => Promise<FloodFound>) | undefined;

/** Sends as many verifications as come back, so many at a time. */
const answers = {
  ...ACCOUNTS,
  start({ target, tokens, connections, streams }: Flood): void {
    unknown ??= Array.from({ length: UNKNOWN_TOKENS }, () => verifyMessage(newToken('acme', newId('key'))));
    const known = tokens.map(verifyMessage);
    const messages = known.length > 0 ? known : unknown;
    const sessions = Array.from({ length: connections }, () => connect(`http://127.0.0.1:${target.port}`));
    const startMs = performance.now();
    const stopping = new AbortController();
    let succeeded = 0;
    let failed = 0;

    async function repeat(session: (typeof sessions)[number]): Promise<void> {
      while (!stopping.signal.aborted) {
        nextIndex += 1;
        const message = messages[nextIndex % messages.length];
        if (message === undefined) return;
        const { status } = await callGrpc(session, target, message);
        if (status === '0') succeeded += 1;
        else failed += 1;
      }
    }
    const running = sessions.flatMap((session) => Array.from({ length: streams }, () => repeat(session)));

    stopRunning = async () => {
      const seconds = (performance.now() - startMs) / 1000;
      const found = { seconds, succeeded, failed };
      stopping.abort();
      await Promise.all(running);
      for (const session of sessions) session.close();
      return found;
    };
  },
  async stop(): Promise<FloodFound> {
    const found = await stopRunning?.();
    if (found === undefined) throw new Error('nothing runs');
    stopRunning = undefined;
    return found;
  },
};
export type FloodAnswers = typeof answers;

answerParent(answers);
