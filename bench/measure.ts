import type { Timing } from './load/run-in-flight.ts';

/** What calls cost and how long they took. */
export interface Measured extends Timing {
  /** CPU time of the server a call, all its threads, user and system, µs. */
  readonly cpuUs: number;
  readonly callsPerSecond: number;
}

/** Reads a process's CPU time before and after some work. */
export async function measure(
  child: { ask(name: 'cpuUs'): Promise<number> },
  calls: number,
  work: () => Promise<Timing>,
): Promise<Measured> {
  const before = await child.ask('cpuUs');
  const timing = await work();
  const after = await child.ask('cpuUs');
  return { ...timing, cpuUs: (after - before) / calls, callsPerSecond: calls / timing.seconds };
}
