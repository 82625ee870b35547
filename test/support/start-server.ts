import { formatAddress, startApp, type App } from '../../server/app.ts';
import { readConfig } from '../../server/config.ts';
import { readRootToken } from '../../server/root-token-file.ts';
import { systemClock, type Clock } from '../../server/telemetry/clock.ts';
import { createLogger, type Logger } from '../../server/telemetry/logger.ts';
import { createDataDirectory, createTemporaryDirectory } from './temporary-directory.ts';

/** A server in this process. */
export interface TestServer {
  readonly app: App;
  /** Where gRPC is served, `host:port`. */
  readonly address: string;
  /** Where metrics and probes are served, `http://host:port`. */
  readonly httpAddress: string;
  readonly rootToken: string;
  /** Its data directory, which holds `root-token` and the embedded database. */
  readonly dataDir: string;
  /** Stops it and removes its data directory, if that was made for it. */
  stop(): Promise<void>;
}

/** A server on ports of its own: on the database of `databaseUrl`, or without one on an embedded database. */
export async function startServer(
  options: {
    readonly databaseUrl?: string;
    /** Where to keep its files; by default a new folder, with a schema where the database is embedded. */
    readonly dataDir?: string;
    /** More settings, or others than these. */
    readonly env?: Readonly<Record<string, string>>;
    readonly clock?: Clock;
    readonly logger?: Logger;
  } = {},
): Promise<TestServer> {
  const { databaseUrl, env = {}, clock = systemClock } = options;
  const made =
    options.dataDir === undefined
      ? await (databaseUrl === undefined ? createDataDirectory() : createTemporaryDirectory())
      : undefined;
  const dataDir = options.dataDir ?? made?.path ?? '';
  try {
    const config = readConfig({
      LATCHKEY_LISTEN: '127.0.0.1:0',
      LATCHKEY_HTTP_LISTEN: '127.0.0.1:0',
      LATCHKEY_DATA_DIR: dataDir,
      LATCHKEY_SHUTDOWN_GRACE_MS: '2000',
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      ...env,
    });
    const logger = options.logger ?? createLogger({ level: 'silent' });
    const app = await startApp({ config, clock, logger });
    const rootToken = config.LATCHKEY_ROOT_TOKEN ?? (await readRootToken(dataDir));
    if (rootToken === undefined) {
      await app.stop();
      throw new Error('this server made no root key: give it the LATCHKEY_ROOT_TOKEN of the one that did');
    }
    return {
      app,
      address: formatAddress(app.grpc),
      httpAddress: app.http === undefined ? '' : `http://${formatAddress(app.http)}`,
      rootToken,
      dataDir,
      async stop() {
        await app.stop();
        await made?.remove();
      },
    };
  } catch (error) {
    await made?.remove();
    throw error;
  }
}
