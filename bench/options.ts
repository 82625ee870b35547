import { parseArgs } from 'node:util';

/** How to run. */
export interface BenchOptions {
  readonly help: boolean;
  /** A short form: fewer rounds, smaller numbers. */
  readonly quick: boolean;
  /** Where to write the numbers as JSON. */
  readonly jsonFile: string | undefined;
}

/** What a benchmark of Latchkey says to `--help`. */
export function helpText(options: {
  /** What it finds out, in a sentence. */
  readonly about: string;
  /** How it is called. */
  readonly command: string;
  /** What `--quick` means. */
  readonly quick: string;
  /** Where load comes from, in a sentence. */
  readonly load: string;
}): string {
  const { about, command, quick, load } = options;
  return `${about}

Usage: ${command} -- [options]

  --quick       ${quick}
  --json FILE   also write every sample to FILE
  --help        this text

It needs a Postgres: the one of TEST_DATABASE_URL, where it makes a database of its own and drops it again; else
one that it finds on the machine and starts. ${load}
`;
}

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
