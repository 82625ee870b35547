import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../core/ids.ts';
import { newToken, parseToken } from '../core/token.ts';

/** Where the root token of the first start is kept. */
export function rootTokenPath(dataDir: string): string {
  return join(dataDir, 'root-token');
}

/** The root token in the file, or undefined if there is none. */
export async function readRootToken(dataDir: string): Promise<string | undefined> {
  try {
    const text = (await readFile(rootTokenPath(dataDir), 'utf8')).trim();
    return parseToken(text) === undefined ? undefined : text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The root token in the file; made and written there if there is none. The file is readable by its owner only, and is
 * on disk when this returns.
 */
export async function obtainRootToken(dataDir: string): Promise<string> {
  const kept = await readRootToken(dataDir);
  if (kept !== undefined) return kept;

  const token = newToken('latchkey', newId('key'));
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = rootTokenPath(dataDir);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(`${token}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  return token;
}
