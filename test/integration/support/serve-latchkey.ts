import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import type { DeepPartial, Key } from '../../../proto/gen/latchkey/v1/key.ts';
import type { Keyspace } from '../../../proto/gen/latchkey/v1/keyspace_service.ts';
import { createLatchkey, type Latchkey } from '../../../sdk/src/index.ts';
import type { Clock } from '../../../server/telemetry/clock.ts';
import type { Logger } from '../../../server/telemetry/logger.ts';
import { createClients, type Clients } from '../../support/clients.ts';
import { startServer, type TestServer } from '../../support/start-server.ts';
import { connectRaw, type RawConnection } from './raw-connection.ts';
import { readMetrics } from './read-metrics.ts';

/** A key that was issued for a test. */
export interface IssuedKey {
  readonly id: string;
  readonly token: string;
  readonly key: Key;
  readonly revision: string;
}

/** A running server with clients of all kinds and a keyspace for the keys of a test file. */
export interface Served {
  readonly server: TestServer;
  /** The SDK, with the first root token. */
  readonly latchkey: Latchkey;
  /** Plain clients, with the first root token. */
  readonly root: Clients;
  /** A keyspace without rules, whose tokens begin with `acme`. */
  readonly keyspaceId: string;
  /** Plain clients with another token, or with none. Closed with the server. */
  clients(token: string | undefined): Clients;
  /** The SDK with another token. Closed with the server. */
  sdk(token: string): Latchkey;
  /** Bytes on the wire, with the first root token, another one, or none. Closed with the server. */
  raw(token?: string | null): RawConnection;
  /** Creates a key, in the test file's keyspace if none is named. */
  issue(attributes?: DeepPartial<Key>): Promise<IssuedKey>;
  /** Creates a root key with these scopes, confined to these keyspaces if any are named. */
  issueRoot(scopes: readonly string[], keyspaceIds?: readonly string[]): Promise<IssuedKey>;
  /** Creates a keyspace with a slug of its own. */
  newKeyspace(attributes?: DeepPartial<Keyspace>): Promise<Keyspace>;
  /** The sum of a metric over all its labels that are not given. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

/**
 * Starts a server before the tests of the file (or `describe`) and stops it after them. What is returned gives it, from
 * the first hook on.
 */
export function serveLatchkey(
  options: {
    readonly clock?: Clock;
    readonly logger?: Logger;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): () => Served {
  let served: (Served & { close(): Promise<void> }) | undefined;
  beforeAll(async () => {
    served = await openServed(await startServer(options));
  });
  afterAll(async () => {
    await served?.close();
  });
  return () => {
    if (served === undefined) throw new Error('the server is not started yet');
    return served;
  };
}

/** Everything around a server that was started by hand. `close` stops it too. */
export async function openServed(server: TestServer): Promise<Served & { close(): Promise<void> }> {
  const closers: (() => void)[] = [];
  const closing = <T extends { close(): void }>(client: T): T => {
    closers.push(() => client.close());
    return client;
  };
  const clients = (token: string | undefined): Clients =>
    closing(createClients({ address: server.address, token }));
  const sdk = (token: string): Latchkey =>
    // A busy machine may take longer than a user would wait; nothing here is about that.
    closing(createLatchkey({ address: server.address, token, tls: false, verifyDeadlineMs: 10_000 }));
  const root = clients(server.rootToken);

  async function newKeyspace(attributes: DeepPartial<Keyspace> = {}): Promise<Keyspace> {
    const slug = `space-${randomBytes(6).toString('hex')}`;
    const { keyspace } = await root.keyspaces.createKeyspace({
      keyspace: { slug, tokenPrefix: 'acme', ...attributes },
    });
    return present(keyspace);
  }
  const { id: keyspaceId } = await newKeyspace();

  async function issue(attributes: DeepPartial<Key> = {}): Promise<IssuedKey> {
    const answer = await root.keys.createKey({ key: { keyspaceId, ...attributes } });
    const key = present(answer.key);
    return { id: key.id, token: answer.token, key, revision: answer.revision };
  }

  return {
    server,
    latchkey: sdk(server.rootToken),
    root,
    keyspaceId,
    clients,
    sdk,
    raw: (token = server.rootToken) => closing(connectRaw(server.address, token ?? undefined)),
    issue,
    issueRoot: (scopes, ids) =>
      issue({
        keyspaceId: 'ks_latchkey',
        scopes: [...scopes],
        ...(ids === undefined
          ? {}
          : { resourceAccess: { access: { $case: 'listed', value: { ids: [...ids] } } } }),
      }),
    newKeyspace,
    metric: async (name, labels) => (await readMetrics(server.httpAddress)).sum(name, labels),
    async close() {
      for (const close of closers) close();
      await server.stop();
    },
  };
}

/** A part of an answer that the contract says is always there. */
export function present<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('a part of the answer is missing');
  return part;
}
