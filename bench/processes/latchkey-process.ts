import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startApp } from '../../server/app.ts';
import { readConfig } from '../../server/config.ts';
import { systemClock } from '../../server/telemetry/clock.ts';
import { createLogger } from '../../server/telemetry/logger.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

/** The server as it ships, in a process that tells its CPU time and memory. Its configuration is the environment. */
const app = await startApp({
  config: readConfig(process.env),
  clock: systemClock,
  logger: createLogger({ level: 'warn' }),
});

const answers = {
  ...ACCOUNTS,
  ports: () => ({ grpc: app.grpc.port, http: app.http?.port ?? 0 }),
  memory() {
    collectGarbage();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rssBytes: rss, usedBytes: heapUsed + external };
  },
};
export type LatchkeyAnswers = typeof answers;

/** Asks V8 for a collection without the flag, which would have to be given to the measured process from its start. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

answerParent(answers);
