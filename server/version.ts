import { existsSync, readFileSync } from 'node:fs';

/** The version in package.json, which stands two folders up from `dist/server` and one from `server`. */
export function readVersion(): string {
  const url = [
    new URL('../package.json', import.meta.url),
    new URL('../../package.json', import.meta.url),
  ].find((file) => existsSync(file));
  return url === undefined
    ? 'unknown'
    : (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version;
}
