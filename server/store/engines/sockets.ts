import type { Client } from 'pg';

/** knex's own mark of a connection that it must not use. */
const DISPOSED = '__knex__disposed';

/** A connection as knex's pool has it: pg's client, which answers to a callback. */
interface PooledClient {
  /** Set: knex's pool gives it to nobody any more. */
  [DISPOSED]?: Error;
  query: (query: unknown, callback: (error: Error | null, result: unknown) => void) => unknown;
  once(event: 'end', listener: () => void): unknown;
}

/** The sockets of a pool's connections, to be cut where there is nobody at the other end to say goodbye to. */
export interface Sockets {
  /** For knex's pool: watches over a new connection. */
  afterCreate(client: PooledClient, done: (error: Error | null, client: unknown) => void): void;
  /** Cuts all that are open. */
  destroyAll(): void;
}

/**
 * A query that outlasts the client's time limit leaves its connection in pg's hands, busy for ever: the next query waits
 * behind it, and the pool would hand it out again and again. So it is cut, and the pool makes a new one. Likewise where
 * Postgres says that it ends a connection: the next query would be faster than the end.
 */
export function createSockets(): Sockets {
  const open = new Set<PooledClient>();
  return {
    afterCreate(client, done) {
      open.add(client);
      client.once('end', () => open.delete(client));
      const query = client.query.bind(client);
      client.query = (text, callback) =>
        query(text, (error, result) => {
          if (error !== null && isLast(error)) {
            client[DISPOSED] = error;
            destroySocket(client);
          }
          callback(error, result);
        });
      done(null, client);
    },
    destroyAll() {
      for (const client of open) destroySocket(client);
    },
  };
}

/** Whether a connection is of no use after an error: pg still waits on it, or Postgres has ended it and its end is on the way. */
function isLast(error: Error & { readonly severity?: unknown }): boolean {
  return error.message === 'Query read timeout' || error.severity === 'FATAL';
}

/** Ends a connection without a word. What waits on it fails, and nothing else is used of it again. */
export function destroySocket(client: Client | PooledClient): void {
  (
    client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }
  ).connection.stream.destroy();
}
