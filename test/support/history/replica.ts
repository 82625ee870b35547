import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../../core/ids.ts';
import { newToken } from '../../../core/token.ts';
import { createClients, type Clients } from '../clients.ts';
import { startFaultProxy, type FaultProxy } from '../fault-proxy.ts';
import { spawnServer, type ServerProcess } from '../spawn-server.ts';
import type { Random } from '../random.ts';

/** A server process behind a proxy, and ways to harm it. */
export interface Replica {
  readonly rootToken: string;
  /** Clients of the process that runs now. */
  clients(): Clients;
  /** Does one kind of harm for a while and mends it; returns its name. */
  breakOnce(random: Random, maxMs: number): Promise<string>;
  close(): Promise<void>;
}

const HASTY = {
  LATCHKEY_DATABASE_CONNECT_TIMEOUT_MS: '1000',
  LATCHKEY_DATABASE_ACQUIRE_TIMEOUT_MS: '1000',
  LATCHKEY_DATABASE_STATEMENT_TIMEOUT_MS: '1000',
};

export async function startReplica(options: {
  readonly databaseUrl: string;
  readonly rootToken: string | undefined;
  readonly program: string | undefined;
}): Promise<Replica> {
  const { rootToken = newToken('latchkey', newId('key')), program } = options;
  const proxy = await startFaultProxy(options.databaseUrl);
  const env = {
    ...HASTY,
    DATABASE_URL: proxy.url,
    LATCHKEY_ROOT_TOKEN: rootToken,
    LATCHKEY_LOG_LEVEL: 'error',
  };
  const start = (): Promise<ServerProcess> =>
    spawnServer({ env, ...(program === undefined ? {} : { program }) });
  let server = await start();
  let clients = createClients({ address: server.address, token: rootToken });

  const harms: Readonly<Record<string, (ms: number) => Promise<void>>> = {
    async stop(ms) {
      process.kill(server.pid, 'SIGSTOP');
      await sleep(ms);
      process.kill(server.pid, 'SIGCONT');
    },
    async kill() {
      await server.end('SIGKILL');
      clients.close();
      server = await start();
      clients = createClients({ address: server.address, token: rootToken });
    },
    stall: (ms) => during(proxy, ms, () => proxy.stall()),
    reset: (ms) => during(proxy, ms, () => proxy.reset()),
    refuse: (ms) =>
      during(proxy, ms, () => {
        proxy.refuse();
        proxy.cut();
      }),
    cut: async () => proxy.cut(),
    forget: async () => proxy.forget(),
  };

  return {
    rootToken,
    clients: () => clients,
    async breakOnce(random, maxMs) {
      const kind = random.pick(Object.keys(harms)) ?? 'cut';
      await harms[kind]?.(Math.min(random.between(50, 3500), maxMs));
      return kind;
    },
    async close() {
      await proxy.pass();
      clients.close();
      await server.end('SIGKILL');
      await proxy.close();
    },
  };
}

async function during(proxy: FaultProxy, ms: number, harm: () => void): Promise<void> {
  harm();
  await sleep(ms);
  await proxy.pass();
}
