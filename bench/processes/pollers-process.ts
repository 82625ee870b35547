import { newId } from '../../core/ids.ts';
import { createLogWatch } from '../../server/coherence/log-watch.ts';
import { openPostgres } from '../../server/store/engines/postgres.ts';
import { systemClock } from '../../server/telemetry/clock.ts';
import { createLogger } from '../../server/telemetry/logger.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

const POLL_TIMEOUT_MS = 1000;
const closers: (() => Promise<void>)[] = [];

/**
 * What many replicas do when they have nothing to do, in one process: each has its own log watch, reader, connection and
 * row among the replicas, as a server has, and a memory that holds nothing.
 */
const answers = {
  ...ACCOUNTS,
  async start({
    url,
    count,
    pollMs,
    leaseMs,
  }: {
    readonly url: string;
    readonly count: number;
    readonly pollMs: number;
    readonly leaseMs: number;
  }): Promise<void> {
    const logger = createLogger({ level: 'warn' });
    for (let index = 0; index < count; index += 1) {
      const engine = openPostgres({
        url,
        poolSize: 1,
        loadPoolSize: 1,
        prepared: true,
        replica: { id: newId('replica'), version: 'bench' },
        connectTimeoutMs: POLL_TIMEOUT_MS,
        acquireTimeoutMs: POLL_TIMEOUT_MS,
        statementTimeoutMs: POLL_TIMEOUT_MS,
        pollTimeoutMs: POLL_TIMEOUT_MS,
        logger,
      });
      closers.push(() => engine.close());
      if (engine.log === undefined) throw new Error('there is no change log to follow');
      const watch = createLogWatch({
        memory: { forget: () => {}, clear: () => {} },
        reader: engine.log.reader,
        hint: () => {},
        awaitReplicas: async () => ({ replicas: 1, confirmed: 1 }),
        clock: systemClock,
        logger,
        pollMs,
        leaseMs,
      });
      closers.push(() => watch.stop());
      await watch.start();
      // Replicas that were started by and by do not poll at the same moment.
      await new Promise((resolve) => setTimeout(resolve, pollMs / count));
    }
  },
  async stop(): Promise<void> {
    for (const close of closers.splice(0).toReversed()) await close();
  },
};
export type PollersAnswers = typeof answers;

answerParent(answers);
