import { openEmbedded } from '../../server/store/engines/embedded.ts';
import type { Engine } from '../../server/store/engines/engine.ts';
import { openPostgres, type PostgresOptions } from '../../server/store/engines/postgres.ts';
import { createLogger } from '../../server/telemetry/logger.ts';

/** The engine of a real Postgres, as patient as tests on a busy machine need it. */
export function openPostgresEngine(url: string, options: Partial<PostgresOptions> = {}): Engine {
  return openPostgres({
    url,
    poolSize: 10,
    loadPoolSize: 4,
    prepared: true,
    replica: { id: 'rep_of_a_test', version: '0.0.0' },
    connectTimeoutMs: 10_000,
    acquireTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
    pollTimeoutMs: 10_000,
    logger: createLogger({ level: 'silent' }),
    ...options,
  });
}

/** The embedded engine; without a directory, in memory. */
export function openEmbeddedEngine(
  dataDir: string | undefined,
  options: { readonly acquireTimeoutMs?: number } = {},
): Promise<Engine> {
  return openEmbedded({
    dataDir,
    acquireTimeoutMs: 10_000,
    logger: createLogger({ level: 'silent' }),
    ...options,
  });
}
