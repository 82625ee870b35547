import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';

export type { Logger };

/** Names of properties that may hold a token, wherever they stand in what is logged. */
const SECRET_NAMES = [
  'token',
  'authorization',
  'rootToken',
  'password',
  'secret',
  'connectionString',
  'databaseUrl',
];

/**
 * Anything that looks like a token, also one with a broken checksum; or an escape of JSON, which is passed over so that
 * its letter is not taken for the beginning of a token (`\nacme_…`).
 */
const ESCAPE_OR_TOKEN = /\\(?:u[0-9a-f]{4}|.)|[a-z][a-z0-9_]{0,23}_[0-9A-Za-z]{54}/g;

/**
 * The process's logger: a line of JSON a record on standard error, standard output being for people.
 *
 * Two nets keep tokens out: names that hold secrets are redacted, and whatever is left that looks like a token is cut
 * from the finished line.
 */
export function createLogger(options: {
  readonly level: string;
  readonly destination?: DestinationStream;
}): Logger {
  const lines = options.destination ?? { write: (line: string) => void process.stderr.write(line) };
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      redact: {
        paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[redacted]',
      },
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => lines.write(withoutTokens(line)) },
  );
}

function withoutTokens(line: string): string {
  return line.replace(ESCAPE_OR_TOKEN, (match) => (match.startsWith('\\') ? match : '[token]'));
}
