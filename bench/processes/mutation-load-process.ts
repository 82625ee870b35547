import { connect } from 'node:http2';
import { UpdateKeyRequest } from '../../proto/gen/latchkey/v1/key_service.ts';
import { callGrpc, frame, type GrpcTarget } from '../load/grpc-call.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

/** Changes of keys, at a steady rate. */
export interface MutationLoad {
  /** UpdateKey of each replica, in turn. */
  readonly targets: readonly GrpcTarget[];
  /** The keys to change, in turn. */
  readonly keyIds: readonly string[];
  readonly callsPerSecond: number;
}

/** What became of them. */
export interface MutationLoadFound {
  readonly succeeded: number;
  readonly failed: number;
  /** Changes that succeeded, a second. */
  readonly rate: number;
}

let stopRunning: (() => Promise<MutationLoadFound>) | undefined;

/** Sends changes whether those before have been answered or not, so that a slow server is not spared. */
const answers = {
  ...ACCOUNTS,
  start({ targets, keyIds, callsPerSecond }: MutationLoad): void {
    const replicas = targets.map((target) => ({
      target,
      session: connect(`http://127.0.0.1:${target.port}`),
    }));
    const startMs = performance.now();
    const running = new Set<Promise<void>>();
    let sent = 0;
    let succeeded = 0;

    async function send(index: number): Promise<void> {
      const replica = replicas[index % replicas.length];
      const id = keyIds[index % keyIds.length];
      if (replica === undefined || id === undefined) return;
      const request = UpdateKeyRequest.fromPartial({
        key: { id, displayName: `Change ${index}` },
        updateMask: ['display_name'],
      });
      const message = frame(UpdateKeyRequest.encode(request).finish());
      const { status } = await callGrpc(replica.session, replica.target, message);
      if (status === '0') succeeded += 1;
    }

    const timer = setInterval(() => {
      const due = ((performance.now() - startMs) / 1000) * callsPerSecond;
      for (; sent < due; sent += 1) {
        const call = send(sent)
          .catch(() => {})
          .finally(() => running.delete(call));
        running.add(call);
      }
    }, 1000 / callsPerSecond);

    stopRunning = async () => {
      clearInterval(timer);
      const seconds = (performance.now() - startMs) / 1000;
      await Promise.all(running);
      for (const { session } of replicas) session.close();
      return { succeeded, failed: sent - succeeded, rate: succeeded / seconds };
    };
  },
  async stop(): Promise<MutationLoadFound> {
    const found = await stopRunning?.();
    if (found === undefined) throw new Error('nothing runs');
    stopRunning = undefined;
    return found;
  },
};
export type MutationLoadAnswers = typeof answers;

answerParent(answers);
