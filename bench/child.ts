import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { READY, type Answers, type Reply } from './processes/answer-parent.ts';

/** A process of the benchmark, and what it can be asked. */
export interface Child<A extends Answers> {
  ask<Name extends keyof A & string>(
    name: Name,
    ...argument: Parameters<A[Name]>
  ): Promise<Awaited<ReturnType<A[Name]>>>;
  /** Keeps the process from running (SIGSTOP), until it is resumed. */
  suspend(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** The processes of the benchmark: `processes/<name>-process.ts`. */
export type ChildName =
  'latchkey' | 'echo' | 'bare-select' | 'node-load' | 'revocation' | 'mutation-load' | 'pollers' | 'flood';

/** Starts a compiled process of the benchmark and waits until it is ready. @throws Error if it ends before */
export async function startChild<A extends Answers>(
  name: ChildName,
  options: {
    /** What pins a command to a core: `taskset -c 0`, or nothing. */
    readonly pin: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
  },
): Promise<Child<A>> {
  const script = fileURLToPath(new URL(`dist/bench/processes/${name}-process.js`, import.meta.url));
  const [execPath, ...execArgv] = [...options.pin, process.execPath];
  // Nothing of this process's environment, which may hold settings of Node or of Latchkey.
  const env = { PATH: process.env['PATH'], ...options.environment };
  const child = fork(script, [], { execPath, execArgv, env, serialization: 'advanced' });

  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = READY;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      const error = new Error(`the process ${name} ended (${signal ?? code})`);
      for (const { reject } of waiting.values()) reject(error);
      resolve();
    });
  });
  await new Promise<void>((resolve, reject) => {
    waiting.set(READY, { resolve: () => resolve(), reject });
    child.once('error', reject);
    child.on('message', (reply: Reply) => {
      const asked = waiting.get(reply.id);
      waiting.delete(reply.id);
      if ('error' in reply) asked?.reject(new Error(`${name}: ${reply.error}`));
      else asked?.resolve(reply.value);
    });
  });

  return {
    ask(question, ...[argument]) {
      const id = (lastId += 1);
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve: (value) => resolve(value as never), reject });
        child.send({ id, name: question, argument });
      });
    },
    suspend: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGCONT');
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
