import { parseArgs } from 'node:util';

/** How to run. */
export interface BenchOptions {
  readonly help: boolean;
  /** A short form: 1,000 keys only, fewer rounds. */
  readonly quick: boolean;
  /** Where to write the numbers as JSON. */
  readonly jsonFile: string | undefined;
}

export const HELP = `What a verification costs, beside a bare gRPC call and a bare select, in one run.

Usage: npm run bench -- [options]

  --quick       a short form (under a minute): 1,000 keys only, fewer rounds
  --json FILE   also write every sample to FILE
  --help        this text

It needs a Postgres: the one of TEST_DATABASE_URL, where it makes a database of its own and drops it again; else
one that it finds on the machine and starts. Load comes from h2load (nghttp2) where it is on the PATH, else from Node.
`;

/** The options of a command line, or what is wrong with it. */
export function readOptions(args: readonly string[]): BenchOptions | Error {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
      },
    });
    return { help: values.help, quick: values.quick, jsonFile: values.json };
  } catch (error) {
    return error as Error;
  }
}
