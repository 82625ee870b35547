import type { Knex } from 'knex';
import type { Logger } from '../../telemetry/logger.ts';

/** Sends what knex would print on the console to the log; its errors are thrown as well and told there. */
export function knexLog(logger: Logger): Knex.Logger {
  const tell = (message: unknown): void => logger.debug({ knex: message }, 'database.driver');
  return { warn: tell, error: tell, deprecate: tell, debug: tell };
}
