#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { newId } from '../core/ids.ts';
import { newToken } from '../core/token.ts';
import { MIGRATIONS } from '../migrations/index.ts';
import { formatAddress, openEngine, startApp, type App } from './app.ts';
import { ConfigError, describeSettings, readConfig, type Config } from './config.ts';
import { rootTokenPath } from './root-token-file.ts';
import { DirectoryInUse } from './store/engines/directory-lock.ts';
import { migrate } from './store/migrate.ts';
import { waitForDatabase } from './store/wait-for-database.ts';
import { systemClock } from './telemetry/clock.ts';
import { createLogger } from './telemetry/logger.ts';
import { readVersion } from './version.ts';

/** Signals closer together than this are one, ms. */
const SAME_SIGNAL_MS = 500;

const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

const COMMANDS: Readonly<Record<string, { readonly about: string; readonly run: () => Promise<number> }>> = {
  serve: { about: 'start the server (also without a command)', run: serve },
  migrate: { about: 'bring the schema of the database up to date, and end', run: runMigrations },
  'new-root-token': { about: 'print a new token for LATCHKEY_ROOT_TOKEN, and end', run: printRootToken },
};

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(helpText());
    return EXIT.ok;
  }
  if (words.includes('--version')) {
    process.stdout.write(`${readVersion()}\n`);
    return EXIT.ok;
  }
  const [name = 'serve', ...rest] = words;
  const command = COMMANDS[name];
  if (command === undefined || rest.length > 0) {
    complain(`there is no command \`${words.join(' ')}\`; try --help`);
    return EXIT.usage;
  }
  try {
    return await command.run();
  } catch (error) {
    if (error instanceof ConfigError) {
      complain(
        `the configuration has ${error.faults.length === 1 ? 'a fault' : `${error.faults.length} faults`}:`,
      );
      for (const fault of error.faults) process.stderr.write(`  ${fault}\n`);
      process.stderr.write('All settings: npm start -- --help\n');
      return EXIT.usage;
    }
    complain(explain(error));
    return EXIT.failed;
  }
}

async function serve(): Promise<number> {
  const config = readConfig(process.env);
  const logger = createLogger({ level: config.LATCHKEY_LOG_LEVEL });
  const stopping = new AbortController();
  const stopped = new Promise<void>((done) => {
    let firstMs = 0;
    const stop = (signal: string): void => {
      if (stopping.signal.aborted) {
        // npm passes on a Ctrl-C that the terminal has sent here already; that is not a second one.
        if (performance.now() - firstMs < SAME_SIGNAL_MS) return;
        complain(`${signal} again: ending at once`);
        process.exit(EXIT.failed);
      }
      firstMs = performance.now();
      stopping.abort(new Error(`stopped by ${signal} before the database answered`));
      done();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });

  const app = await startApp({ config, clock: systemClock, logger, signal: stopping.signal });
  process.stdout.write(banner(config, app));
  logger.info(
    { version: readVersion(), grpc: formatAddress(app.grpc), migrated: app.migrated },
    'server.started',
  );
  await stopped;

  process.stdout.write('\nStopping: waiting for calls under way.\n');
  await app.stop();
  logger.info('server.stopped');
  process.stdout.write('Stopped. All keys are kept.\n');
  return EXIT.ok;
}

async function runMigrations(): Promise<number> {
  const config = readConfig(process.env);
  const logger = createLogger({ level: config.LATCHKEY_LOG_LEVEL });
  const engine = await openEngine(config, logger);
  try {
    await waitForDatabase(engine.knex, { timeoutMs: config.LATCHKEY_STARTUP_TIMEOUT_MS, logger });
    const steps = await engine.unhurried((knex) => migrate(knex, MIGRATIONS));
    process.stdout.write(steps.length === 0 ? 'The schema is up to date.\n' : `Taken: ${steps.join(', ')}\n`);
    return EXIT.ok;
  } finally {
    await engine.close();
  }
}

async function printRootToken(): Promise<number> {
  process.stdout.write(`${newToken('latchkey', newId('key'))}\n`);
  return EXIT.ok;
}

/** What a person needs to know of a server that has just started. */
function banner(config: Config, app: App): string {
  const address = formatAddress(app.grpc);
  const dataDir = resolve(config.LATCHKEY_DATA_DIR);
  const data =
    config.DATABASE_URL === undefined
      ? `${join(dataDir, 'db')} (embedded)`
      : `Postgres at ${new URL(config.DATABASE_URL).host}`;
  const lines = [
    `Latchkey ${readVersion()} is running.`,
    '',
    `  gRPC        ${address}${config.LATCHKEY_TLS_CERT_FILE === undefined ? ' (plain text)' : ' (TLS)'}`,
    ...(app.http === undefined ? [] : [`  metrics     http://${formatAddress(app.http)}/metrics`]),
    `  data        ${data}`,
    `  root token  ${rootTokenLine(config, app)}`,
    '',
    ...(config.LATCHKEY_TLS_CERT_FILE === undefined ? tryLines(config, address) : []),
    'Ctrl-C stops it.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function rootTokenLine(config: Config, app: App): string {
  if (config.LATCHKEY_ROOT_TOKEN !== undefined) return 'as LATCHKEY_ROOT_TOKEN says';
  const path = resolve(rootTokenPath(config.LATCHKEY_DATA_DIR));
  if (app.newRootToken !== undefined)
    return `${app.newRootToken}\n              shown this once, and kept in ${path}`;
  if (existsSync(path)) return `kept in ${path}`;
  return 'made at the first start, and not kept here; for another one set LATCHKEY_ROOT_TOKEN';
}

/** Three commands to try, as they are. */
function tryLines(config: Config, address: string): string[] {
  const token =
    config.LATCHKEY_ROOT_TOKEN === undefined
      ? `$(cat ${rootTokenPath(config.LATCHKEY_DATA_DIR)})`
      : '$LATCHKEY_ROOT_TOKEN';
  const call = `grpcurl -plaintext -H "authorization: Bearer ${token}"`;
  return [
    'Try:',
    `  grpcurl -plaintext ${address} list`,
    `  ${call} -d '{"keyspace": {"slug": "orders", "token_prefix": "acme"}}' ${address} latchkey.v1.KeyspaceService/CreateKeyspace`,
    `  ${call} -d '{"key": {"keyspace_id": "<its id>"}}' ${address} latchkey.v1.KeyService/CreateKey`,
    '',
  ];
}

function helpText(): string {
  const commands = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(16)}${about}\n`);
  const settings = describeSettings().map(
    ({ name, fallback, about }) =>
      `  ${name}${fallback === '' ? '' : ` (default ${fallback})`}\n      ${about}\n`,
  );
  return `Latchkey ${readVersion()}: API keys as a service.

Usage: npm start -- [command]

Commands:
${commands.join('')}
Settings, from the environment:
${settings.join('')}
Exit codes: 0 it did what it was asked; 1 it could not; 2 the command or the configuration is wrong.
`;
}

/** An error for people: what happened and what to do. */
function explain(error: unknown): string {
  if (error instanceof DirectoryInUse) return error.message;
  const { code, message, address, port } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (code === 'EADDRINUSE') {
    return `${address ?? ''}:${port ?? ''} is in use by another process; stop that one, or choose another address with LATCHKEY_LISTEN or LATCHKEY_HTTP_LISTEN`;
  }
  return message === '' ? String(error) : message;
}

function complain(text: string): void {
  process.stderr.write(`latchkey: ${text}\n`);
}

process.exitCode = await main(process.argv.slice(2));
