import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The real server, as `build-setup.ts` built it, as a process of its own. */
export interface ServerProcess {
  readonly pid: number;
  /** The address of gRPC, as the banner says. */
  readonly address: string;
  /** The address of metrics and probes, `http://host:port`; empty: off. */
  readonly httpAddress: string;
  stdout(): string;
  stderr(): string;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<ProcessEnd>;
  /** The end of it, whenever that is. */
  readonly ended: Promise<ProcessEnd>;
}

/** Any command of the server's program. */
export interface ServerCommand extends Omit<ServerProcess, 'address' | 'httpAddress'> {}

/** What to run and with what environment. */
export interface SpawnOptions {
  /** The server's program, instead of the one that was built. */
  readonly program?: string;
  /** The settings, and all else that the process is to see beside PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
  /** After the program's name; default: none. */
  readonly words?: readonly string[];
}

/** How long the banner may take, ms. */
const BANNER_MS = 60_000;

/** A server whose test run has been killed shall not live on: it ends with the pipe on its standard input. */
const END_WITH_STDIN =
  'data:text/javascript,process.stdin.on("end",()=>process.kill(process.pid,"SIGKILL")).resume().unref()';

const running = new Set<ServerCommand>();

// A script ends what it has started by itself.
if (process.env['VITEST'] !== undefined) {
  afterAll(async () => {
    await Promise.all([...running].map((command) => command.end('SIGKILL')));
  });
}

/**
 * Starts a command and does not wait for anything. What still runs at the end of the test file is killed; where files
 * share a worker (`isolate: false`), at the worker's end.
 */
export function spawnCommand(options: SpawnOptions): ServerCommand {
  const program = options.program ?? resolve(ROOT, 'dist/server/main.js');
  const child = spawn(process.execPath, ['--import', END_WITH_STDIN, program, ...(options.words ?? [])], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (output.stderr += text));
  const ended = once(child, 'close').then(([code, signal]): ProcessEnd => {
    running.delete(command);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  const command: ServerCommand = {
    pid: child.pid ?? 0,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async end(signal) {
      child.kill(signal);
      return ended;
    },
    ended,
  };
  running.add(command);
  return command;
}

/** Starts a server and waits for its banner. @throws Error with all that it printed, if it ends before */
export async function spawnServer(options: SpawnOptions): Promise<ServerProcess> {
  const command = spawnCommand({
    ...options,
    env: { LATCHKEY_LISTEN: '127.0.0.1:0', LATCHKEY_HTTP_LISTEN: '127.0.0.1:0', ...options.env },
  });
  const giveUp = AbortSignal.timeout(BANNER_MS);
  let over: ProcessEnd | undefined;
  void command.ended.then((end) => (over = end));
  while (!command.stdout().includes('Ctrl-C stops it.')) {
    if (over !== undefined || giveUp.aborted) {
      await command.end('SIGKILL');
      throw new Error(
        `the server did not start (${JSON.stringify(over)}):\n${command.stdout()}${command.stderr()}`,
      );
    }
    await new Promise((done) => setTimeout(done, 10));
  }
  const line = (name: string): string =>
    new RegExp(`^ +${name} +(\\S+)`, 'm').exec(command.stdout())?.[1] ?? '';
  return {
    ...command,
    address: line('gRPC'),
    httpAddress: line('metrics').replace(/\/metrics$/, ''),
  };
}
