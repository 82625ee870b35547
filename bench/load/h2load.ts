import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.ts';
import { headersOf } from './grpc-call.ts';
import type { LoadGenerator } from './load.ts';
import { percentiles } from './run-in-flight.ts';

/** nghttp2's h2load, where it is on the PATH: native, so that the server is what is measured. */
export function findH2load(options: {
  /** What pins a command to the core of the load. */
  readonly pin: readonly string[];
  /** A directory for its files. */
  readonly directory: string;
}): LoadGenerator | undefined {
  const { pin, directory } = options;
  const version = spawnSync('h2load', ['--version'], { encoding: 'utf8' });
  if (version.status !== 0) return undefined;
  const messageFile = join(directory, 'message');
  const logFile = join(directory, 'h2load.log');

  return {
    about: version.stdout.trim().replace(' nghttp2/', ' '),
    async blast({ target, message, calls, connections, streams }) {
      await writeFile(messageFile, message);
      await writeFile(logFile, '');
      const headers = Object.entries(headersOf(target)).flatMap(([name, value]) => [
        '-H',
        `${name}: ${value}`,
      ]);
      const counts = { '-n': calls, '-c': connections, '-m': streams };
      const output = await run([
        ...pin,
        'h2load',
        ...Object.entries(counts).flatMap(([flag, count]) => [flag, String(count)]),
        '-d',
        messageFile,
        `--log-file=${logFile}`,
        ...headers,
        `http://127.0.0.1:${target.port}${target.path}`,
      ]);
      const succeeded = Number(/(\d+) succeeded/.exec(output)?.[1]);
      if (succeeded !== calls) throw new Error(`h2load: ${succeeded} of ${calls} calls succeeded\n${output}`);
      return timing(await readFile(logFile, 'utf8'));
    },
  };
}

/** A line a call: when it started (µs since 1970), its HTTP status, how long it took (µs). */
function timing(log: string): ReturnType<typeof percentiles> & { readonly seconds: number } {
  const latenciesUs: number[] = [];
  let firstUs = Infinity;
  let lastUs = -Infinity;
  for (const line of log.trimEnd().split('\n')) {
    const [startUs = NaN, , tookUs = NaN] = line.split('\t').map(Number);
    latenciesUs.push(tookUs);
    firstUs = Math.min(firstUs, startUs);
    lastUs = Math.max(lastUs, startUs + tookUs);
  }
  return { seconds: (lastUs - firstUs) / 1e6, ...percentiles(latenciesUs) };
}
