import { connect } from 'node:http2';
import { callGrpc, type GrpcTarget } from '../load/grpc-call.ts';
import { runInFlight, type Timing } from '../load/run-in-flight.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

export interface NodeLoad {
  readonly target: GrpcTarget;
  /** Framed messages, sent in turn. */
  readonly messages: readonly Uint8Array[];
  readonly calls: number;
  readonly connections: number;
  /** Calls at a time on each connection. */
  readonly streams: number;
}

/** Load made by Node: every call is checked, and each may send another message. Slower than most servers. */
const answers = {
  ...ACCOUNTS,
  async run({ target, messages, calls, connections, streams }: NodeLoad): Promise<Timing> {
    const sessions = Array.from({ length: connections }, () => connect(`http://127.0.0.1:${target.port}`));
    try {
      return await runInFlight(
        Array.from({ length: calls }, (_, index) => index),
        connections * streams,
        async (index) => {
          const session = sessions[index % connections];
          const message = messages[index % messages.length];
          if (session === undefined || message === undefined) throw new Error('no message to send');
          const { status } = await callGrpc(session, target, message);
          if (status !== '0') throw new Error(`${target.path} answered with the gRPC status ${status}`);
        },
      );
    } finally {
      for (const session of sessions) session.close();
    }
  },
};
export type NodeLoadAnswers = typeof answers;

answerParent(answers);
