import { afterAll, beforeAll, describe } from 'vitest';
import type { Engine } from '../../server/store/engines/engine.ts';
import { createStore, type KnexStore } from '../../server/store/store.ts';
import { createDatabase } from '../support/create-database.ts';
import { openEmbeddedEngine, openPostgresEngine } from '../support/open-engine.ts';
import { createDataDirectory } from '../support/temporary-directory.ts';

/** An engine with a schema, and the store on it. */
export interface Subject {
  readonly engine: Engine;
  readonly store: KnexStore;
  /** The SQL of a test's own, with `?` for values. */
  sql<Row extends object>(text: string, values?: readonly (string | number | Buffer)[]): Promise<Row[]>;
  /**
   * Returns when another transaction is waiting for one that has not ended: for a lock, or where there is but one
   * connection for that.
   */
  someoneWaits(): Promise<void>;
}

interface OpenSubject extends Subject {
  close(): Promise<void>;
}

/**
 * The same tests on each engine; each file has a database of its own. `subject()` is there from the first hook on.
 */
export function onEachEngine(tests: (subject: () => Subject) => void): void {
  for (const [name, open] of [
    ['the embedded engine', openEmbeddedSubject],
    ['Postgres', openPostgresSubject],
  ] as const) {
    describe(`on ${name}`, () => {
      withSubject(open, tests);
    });
  }
}

/** Tests of what only an engine with several connections can do. */
export function onPostgres(tests: (subject: () => Subject) => void): void {
  describe('on Postgres', () => {
    withSubject(openPostgresSubject, tests);
  });
}

function withSubject(open: () => Promise<OpenSubject>, tests: (subject: () => Subject) => void): void {
  let subject: OpenSubject | undefined;
  beforeAll(async () => {
    subject = await open();
  });
  afterAll(async () => {
    await subject?.close();
  });
  tests(() => {
    if (subject === undefined) throw new Error('the engine is not open yet');
    return subject;
  });
}

async function openEmbeddedSubject(): Promise<OpenSubject> {
  const directory = await createDataDirectory();
  const engine = await openEmbeddedEngine(directory.path);
  const { pool } = engine.knex.client as { readonly pool: { numPendingAcquires(): number } };
  return {
    ...subjectOf(engine),
    someoneWaits: () => until(async () => pool.numPendingAcquires() > 0),
    async close() {
      await engine.close();
      await directory.remove();
    },
  };
}

async function openPostgresSubject(): Promise<OpenSubject> {
  const database = await createDatabase();
  const engine = openPostgresEngine(database.url);
  return {
    ...subjectOf(engine),
    someoneWaits: () => until(async () => (await database.waitingForLocks()) > 0),
    async close() {
      await engine.close();
      await database.drop();
    },
  };
}

function subjectOf(engine: Engine): Omit<Subject, 'someoneWaits'> {
  return {
    engine,
    store: createStore(engine.knex),
    async sql<Row extends object>(text: string, values: readonly (string | number | Buffer)[] = []) {
      const { rows } = await engine.knex.raw<{ rows: Row[] }>(text, [...values]);
      return rows;
    },
  };
}

/** Asks again and again; the test's own time limit is the bound. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
