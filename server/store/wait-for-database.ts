import type { Knex } from 'knex';
import type { Logger } from '../telemetry/logger.ts';
import { isUnavailable } from './errors.ts';

/** Time between two tries, ms. */
const RETRY_MS = 500;

/**
 * Returns when the database answers. A database that does not answer is waited for; one that answers with a refusal
 * (a wrong password, no such database) is not.
 *
 * @throws the database's error after `timeoutMs`, or at once if waiting cannot help
 */
export async function waitForDatabase(
  knex: Knex,
  options: { readonly timeoutMs: number; readonly logger: Logger; readonly signal?: AbortSignal },
): Promise<void> {
  const { timeoutMs, logger, signal } = options;
  const giveUpMs = performance.now() + timeoutMs;
  for (let waited = false; ; waited = true) {
    try {
      await knex.raw('SELECT 1');
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isUnavailable(error)) throw new Error(`the database refuses: ${textOf(error)}`, { cause: error });
      if (performance.now() >= giveUpMs) {
        throw new Error(`the database did not answer within ${timeoutMs} ms: ${textOf(error)}`, {
          cause: error,
        });
      }
      if (!waited) logger.warn({ err: error, timeoutMs }, 'database.awaited');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      signal?.throwIfAborted();
    }
  }
}

/** An AggregateError (several addresses, none answers) has no text of its own. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
