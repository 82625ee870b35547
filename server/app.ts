import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { newId } from '../core/ids.ts';
import { MIGRATIONS } from '../migrations/index.ts';
import { createBudgets, type Budgets } from './budgets/budgets.ts';
import { createAuthenticator } from './callers/authenticator.ts';
import type { Coherence, Memory } from './coherence/coherence.ts';
import { createAwaitReplicas } from './coherence/await-replicas.ts';
import { createInProcessCoherence } from './coherence/in-process.ts';
import { createLogWatch } from './coherence/log-watch.ts';
import { createReplicaList } from './coherence/replica-list.ts';
import type { Address, Config } from './config.ts';
import { ensureRootKey } from './lifecycle/ensure-root-key.ts';
import { createMutate } from './lifecycle/mutation.ts';
import { purge } from './lifecycle/purge.ts';
import { obtainRootToken } from './root-token-file.ts';
import { createSnapshotCache, type SnapshotCache } from './snapshots/snapshot-cache.ts';
import { openEmbedded } from './store/engines/embedded.ts';
import type { Engine } from './store/engines/engine.ts';
import { openPostgres } from './store/engines/postgres.ts';
import { createLedger } from './store/ledger.ts';
import { migrate, requireMigrated } from './store/migrate.ts';
import { createStore, type KnexStore } from './store/store.ts';
import { waitForDatabase } from './store/wait-for-database.ts';
import type { Clock } from './telemetry/clock.ts';
import type { Logger } from './telemetry/logger.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { createHttpEndpoints } from './transport/http.ts';
import { createTransport, type TlsFiles } from './transport/server.ts';
import { createUseRecorder } from './usage/use-recorder.ts';
import { createVerifier } from './verification/verifier.ts';
import { readVersion } from './version.ts';

/** How often what is over is removed and the database looked after, ms. */
const UPKEEP_INTERVAL_MS = 3_600_000;

/** How often health looks at whether memory may answer, ms. */
const HEALTH_INTERVAL_MS = 250;

/** A running server. */
export interface App {
  /** Where gRPC is served, with the port that it got. */
  readonly grpc: Address;
  /** Where metrics and probes are served. */
  readonly http: Address | undefined;
  /** The root token, if this start made a root key. */
  readonly newRootToken: string | undefined;
  /** The schema's steps that this start took. */
  readonly migrated: readonly string[];
  /** Takes no new calls, lets those under way finish (within the grace), and closes everything. */
  stop(): Promise<void>;
}

/**
 * The whole machine: the engine with its store; memory and what keeps it true; verification upon both; the callers,
 * who are verified like anybody; mutations; and the transport that exposes them.
 *
 * @throws DirectoryInUse, system errors of binding, errors of the database; nothing is left open then
 */
export async function startApp(options: {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives up the wait for the database. */
  readonly signal?: AbortSignal;
}): Promise<App> {
  const { config, clock, logger } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };

  try {
    const tls = await readTls(config);
    const metrics = createMetrics();
    let isReady = (): boolean => false;
    const endpoints = createHttpEndpoints({ metrics: () => metrics.scrape(), isReady: () => isReady() });
    const http = await listenHttp(endpoints, config.LATCHKEY_HTTP_LISTEN);
    closers.push(() => endpoints.close());

    // Told before anything is made: a first start on a busy port must not use up the showing of the root token.
    await requireFree(config.LATCHKEY_LISTEN);
    const replicaId = newId('replica');
    const engine = await openEngine(config, logger, replicaId);
    closers.push(() => engine.close());
    let upkeep: ReturnType<typeof startUpkeep> | undefined;
    // While calls finish, so does what it is doing, or its statement's time is up.
    closers.push(async () => upkeep?.stop());
    await waitForDatabase(engine.knex, {
      timeoutMs: config.LATCHKEY_STARTUP_TIMEOUT_MS,
      logger,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (!config.LATCHKEY_MIGRATE) await requireMigrated(engine.knex, MIGRATIONS);
    const migrated = config.LATCHKEY_MIGRATE
      ? await engine.unhurried((knex) => migrate(knex, MIGRATIONS))
      : [];
    const store = createStore(engine.knex, {
      loadKnex: engine.loadKnex,
      prepared: config.LATCHKEY_DATABASE_PREPARED_STATEMENTS,
    });

    const snapshots = createSnapshotCache({
      read: (ref) => store.readLiveKey(ref),
      readImports: () => store.hasImports(),
      freshness: { isFresh: () => coherence.isFresh(), covers: (revision) => coherence.covers(revision) },
      monotonicMs: clock.monotonicMs,
      maxBytes: config.LATCHKEY_CACHE_BYTES,
      stuckMs: config.LATCHKEY_MAX_STALENESS_MS,
    });
    const ledger = createLedger(engine.ledger);
    const budgets = createBudgets({ ledger, isFresh: () => coherence.isFresh(), clock, logger });
    const memory: Memory = {
      forget(change) {
        snapshots.forget(change);
        budgets.forget(change);
      },
      clear() {
        snapshots.clear();
        budgets.clear();
      },
    };
    const coherence = await startCoherence({ config, engine, store, memory, clock, logger, replicaId });
    closers.push(() => coherence.stop());
    closers.push(() => budgets.stop());

    const verifier = createVerifier({ snapshots, budgets, nowMs: clock.nowMs });
    const uses = createUseRecorder({ write: (some) => store.recordUses(some), clock, logger });
    closers.push(() => uses.stop());
    const authenticator = createAuthenticator({ verifier, uses });
    const mutate = createMutate({ store, coherence, clock, logger });
    const newRootToken = await ensureRootKey(
      store,
      { configured: config.LATCHKEY_ROOT_TOKEN, obtain: () => obtainRootToken(config.LATCHKEY_DATA_DIR) },
      clock.nowMs(),
    );

    // Known from the start, so that what is no token needs no database.
    await snapshots.loadImports(undefined);

    const transport = createTransport({
      verifier,
      authenticator,
      uses,
      store,
      ledger,
      mutate,
      coherence,
      replicas: createReplicaList({
        self: { id: replicaId, version: readVersion(), startTimeMs: clock.nowMs() },
        head: () => store.changes.head(),
        readAll: engine.log === undefined ? undefined : () => store.readReplicas(),
      }),
      clock,
      metrics,
      logger,
      tls,
      reflection: config.LATCHKEY_REFLECTION,
      limits: {
        maxMessageBytes: config.LATCHKEY_MAX_MESSAGE_BYTES,
        maxMetadataBytes: config.LATCHKEY_MAX_METADATA_BYTES,
        maxConcurrentStreams: config.LATCHKEY_MAX_CONCURRENT_STREAMS,
        connectionIdleMs: config.LATCHKEY_CONNECTION_IDLE_MS,
        connectionAgeMs: config.LATCHKEY_CONNECTION_AGE_MS,
        connectionAgeGraceMs: config.LATCHKEY_CONNECTION_AGE_GRACE_MS,
        keepaliveTimeMs: config.LATCHKEY_KEEPALIVE_TIME_MS,
        keepaliveTimeoutMs: config.LATCHKEY_KEEPALIVE_TIMEOUT_MS,
      },
    });
    const { host, port } = config.LATCHKEY_LISTEN;
    closers.push(() => transport.drain(config.LATCHKEY_SHUTDOWN_GRACE_MS));
    const boundPort = await transport.listen(formatAddress({ host, port }));

    let stopping = false;
    isReady = () => !stopping && coherence.isFresh();
    transport.setServing(isReady());
    const health = setInterval(() => transport.setServing(isReady()), HEALTH_INTERVAL_MS);
    upkeep = startUpkeep({ engine, store, clock, logger });
    closers.push(async () => {
      stopping = true;
      clearInterval(health);
      transport.setServing(false);
    });

    observeCache(metrics.observe, snapshots);
    observeBudgets(metrics.observe, budgets);
    metrics.observe('latchkey_memory_fresh', '1 while memory may answer', () => Number(coherence.isFresh()));
    return { grpc: { host, port: boundPort }, http, newRootToken, migrated, stop: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Opens the configured database. Does not wait for it. */
export async function openEngine(
  config: Config,
  logger: Logger,
  replicaId = newId('replica'),
): Promise<Engine> {
  const acquireTimeoutMs = config.LATCHKEY_DATABASE_ACQUIRE_TIMEOUT_MS;
  if (config.DATABASE_URL === undefined)
    return openEmbedded({ dataDir: config.LATCHKEY_DATA_DIR, acquireTimeoutMs, logger });
  return openPostgres({
    url: config.DATABASE_URL,
    poolSize: config.LATCHKEY_DATABASE_POOL_SIZE,
    loadPoolSize: config.LATCHKEY_DATABASE_LOAD_POOL_SIZE,
    prepared: config.LATCHKEY_DATABASE_PREPARED_STATEMENTS,
    replica: { id: replicaId, version: readVersion() },
    connectTimeoutMs: config.LATCHKEY_DATABASE_CONNECT_TIMEOUT_MS,
    acquireTimeoutMs,
    statementTimeoutMs: config.LATCHKEY_DATABASE_STATEMENT_TIMEOUT_MS,
    pollTimeoutMs: Math.min(1000, config.LATCHKEY_MAX_STALENESS_MS),
    logger,
  });
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** @throws the system's error if the address cannot be bound */
async function requireFree({ host, port }: Address): Promise<void> {
  const probe = createServer();
  probe.listen({ host, port });
  await once(probe, 'listening');
  probe.close();
  await once(probe, 'close');
}

async function startCoherence(options: {
  readonly config: Config;
  readonly engine: Engine;
  readonly store: KnexStore;
  readonly memory: Memory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly replicaId: string;
}): Promise<Coherence> {
  const { config, engine, store, memory, clock, logger, replicaId } = options;
  const { log } = engine;
  if (log === undefined) {
    return createInProcessCoherence({ memory, head: await store.changes.head() });
  }
  const leaseMs = config.LATCHKEY_MAX_STALENESS_MS;
  const hint = coalesced(() => log.hint());
  const watch = createLogWatch({
    memory,
    reader: log.reader,
    awaitReplicas: createAwaitReplicas({
      replicaId,
      read: () => store.readReplicas(),
      hint,
      clock,
      leaseMs,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    }),
    hint,
    clock,
    logger,
    pollMs: config.LATCHKEY_POLL_MS,
    leaseMs,
  });
  await watch.start();
  return watch;
}

/** Runs once for all calls that come while it is about to run; what goes wrong is nobody's business. */
function coalesced(run: () => Promise<void>): () => void {
  let pending = false;
  return () => {
    if (pending) return;
    pending = true;
    setImmediate(() => {
      pending = false;
      run().catch(() => {});
    });
  };
}

function startUpkeep(options: {
  readonly engine: Engine;
  readonly store: KnexStore;
  readonly clock: Clock;
  readonly logger: Logger;
}): { stop(): Promise<void> } {
  const { engine, store, clock, logger } = options;
  async function run(maintain: () => Promise<void>): Promise<void> {
    try {
      const purged = await purge(store, clock.nowMs());
      await store.purgeReplicas();
      if (Object.values(purged).some((removed) => removed > 0)) logger.info(purged, 'upkeep.purged');
      await maintain();
    } catch (error) {
      logger.warn({ err: error }, 'upkeep.failed');
    }
  }
  // At the start too: a process that is restarted every half hour must not keep for ever what is over.
  let running = run(async () => {});
  const timer = setInterval(() => {
    running = run(() => engine.maintain());
  }, UPKEEP_INTERVAL_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

async function readTls(config: Config): Promise<TlsFiles | undefined> {
  const {
    LATCHKEY_TLS_CERT_FILE: cert,
    LATCHKEY_TLS_KEY_FILE: key,
    LATCHKEY_TLS_CLIENT_CA_FILE: ca,
  } = config;
  if (cert === undefined || key === undefined) return undefined;
  return {
    certificate: await readFile(cert),
    privateKey: await readFile(key),
    clientCa: ca === undefined ? undefined : await readFile(ca),
  };
}

async function listenHttp(
  endpoints: ReturnType<typeof createHttpEndpoints>,
  address: Address | undefined,
): Promise<Address | undefined> {
  if (address === undefined) return undefined;
  return { host: address.host, port: await endpoints.listen(address.host, address.port) };
}

function observeCache(observe: ReturnType<typeof createMetrics>['observe'], snapshots: SnapshotCache): void {
  observe('latchkey_cached_keys', 'Keys in memory', () => snapshots.stats().keys);
  observe('latchkey_cached_bytes', 'Estimated size of the keys in memory', () => snapshots.stats().bytes);
  observe('latchkey_cached_absences', 'Unknown key ids in memory', () => snapshots.stats().absences);
  observe(
    'latchkey_key_loads',
    'Keys read from the database for verification, since the start',
    () => snapshots.stats().loads,
  );
  observe(
    'latchkey_key_load_failures',
    'Such reads that failed, since the start',
    () => snapshots.stats().loadFailures,
  );
}

function observeBudgets(observe: ReturnType<typeof createMetrics>['observe'], budgets: Budgets): void {
  observe(
    'latchkey_limits_in_memory',
    'Limits of which something is in memory',
    () => budgets.stats().allowances,
  );
  observe(
    'latchkey_ledger_calls',
    'Calls of the ledger of limits, since the start',
    () => budgets.stats().calls,
  );
  observe('latchkey_ledger_leases', 'Leases in those calls', () => budgets.stats().leases);
  observe('latchkey_ledger_failures', 'Those of the calls that failed', () => budgets.stats().failures);
  observe(
    'latchkey_ledger_clock_jumps',
    "How often the database's clock jumped forward, which lets more pass than rate limits allow, since the start",
    () => budgets.stats().clockJumps,
  );
  observe(
    'latchkey_limits_uncounted',
    'Charges that passed a limit uncounted because its ledger was away (on_unavailable ALLOW), since the start',
    () => budgets.stats().uncounted,
  );
}
