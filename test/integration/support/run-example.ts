import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { TestServer } from '../../support/start-server.ts';
import { createTemporaryDirectory } from '../../support/temporary-directory.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Runs a program of the SDK's examples against a server, and returns the lines that it prints. */
export async function runExample(
  program: string,
  { address, rootToken }: Pick<TestServer, 'address' | 'rootToken'>,
): Promise<readonly string[]> {
  const directory = await createTemporaryDirectory();
  try {
    const file = join(directory.path, 'example.mts');
    const sdk = pathToFileURL(join(ROOT, 'sdk/src/index.ts')).href;
    await writeFile(
      file,
      program.replaceAll('127.0.0.1:50051', address).replace("'@latchkey/sdk'", `'${sdk}'`),
    );
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], {
      cwd: ROOT,
      env: { ...process.env, LATCHKEY_TOKEN: rootToken },
    });
    return stdout.trimEnd().split('\n');
  } finally {
    await directory.remove();
  }
}

/** What its comments say that a program prints: one after every `console.log`. */
export function linesSaid(program: string): readonly (string | undefined)[] {
  const said = [...program.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
  const calls = program.split('console.log(').length - 1;
  if (said.length !== calls) throw new Error(`${calls} lines are printed, ${said.length} are told`);
  return said;
}
