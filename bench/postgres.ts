import { runPostgres } from '../test/support/run-postgres.ts';

/** A Postgres server to measure on. */
export interface PostgresServer {
  /** Of a database on it, as a user that may create others. */
  readonly url: string;
  /** For the report. */
  readonly about: string;
  stop(): Promise<void>;
}

/** The Postgres of TEST_DATABASE_URL, else one of our own, with the binaries that the tests use. */
export async function usePostgres(): Promise<PostgresServer> {
  const url = process.env['TEST_DATABASE_URL'] ?? '';
  if (url !== '') return { url, about: 'by TEST_DATABASE_URL', stop: async () => {} };
  const { url: own, source, stop } = await runPostgres({ choice: undefined });
  return { url: own, about: source, stop };
}
