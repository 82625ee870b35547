import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, type as systemType } from 'node:os';

/** Which core does what. */
export interface Cores {
  /** What a command of the measured servers begins with: `taskset -c 0`, or nothing. */
  readonly server: readonly string[];
  /** The same for what makes load. */
  readonly load: readonly string[];
  /** For the report. */
  readonly about: string;
}

/** One core for the measured server and another for the load, where the system can pin (Linux). */
export function chooseCores(): Cores {
  const pin = (core: number): [string, ...string[]] => ['taskset', '-c', String(core)];
  const canPin = (core: number): boolean => {
    const [file, ...args] = [...pin(core), 'true'];
    return spawnSync(file, args).status === 0;
  };
  if (process.platform === 'linux' && canPin(0) && canPin(1)) {
    return { server: pin(0), load: pin(1), about: 'servers on core 0, load on core 1' };
  }
  return { server: [], load: [], about: 'no pinning here: servers and load share the cores' };
}

/** The machine in a line. */
export function describeMachine(): string {
  const model =
    cpus()[0]
      ?.model.replaceAll(/\((?:R|TM)\)/g, '')
      .trim() ?? 'unknown CPU';
  return `${availableParallelism()} × ${model}, ${systemType()}, Node ${process.version}`;
}
