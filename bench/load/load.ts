import type { GrpcTarget } from './grpc-call.ts';
import type { Timing } from './run-in-flight.ts';

/** The same call, many times. */
export interface Blast {
  readonly target: GrpcTarget;
  /** The framed message. */
  readonly message: Buffer;
  readonly calls: number;
  readonly connections: number;
  /** Calls at a time on each connection. */
  readonly streams: number;
}

/** What makes load, in a process of its own. */
export interface LoadGenerator {
  /** Its name and version, for the report. */
  readonly about: string;
  /** @throws Error unless every call came back with HTTP's 200 */
  blast(blast: Blast): Promise<Timing>;
}
