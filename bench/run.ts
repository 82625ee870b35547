import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs a command to its end and returns its standard output. @throws Error with its output if it fails */
export async function run(command: readonly string[]): Promise<string> {
  const [file = '', ...args] = command;
  const { stdout } = await promisify(execFile)(file, args, { maxBuffer: 2 ** 26 });
  return stdout;
}
