import { once, type EventEmitter } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Client as PgClient } from 'pg';

/**
 * A pooler in transaction mode, as PgBouncer before 1.21 is one: a client has a server connection for one transaction
 * and the next time perhaps another. Nothing is put right in between, so that what belongs to a session (settings,
 * prepared statements, temporary tables, LISTEN) is lost to the client that made it and found by others.
 *
 * One database and one user for all, nobody is asked for a password, and a request to cancel does nothing. Unlike
 * PgBouncer, it does not bring `application_name`, `timezone` and the like along from one server connection to the next.
 */
export interface TransactionPooler {
  /** The database, by way of the pooler. */
  readonly url: string;
  /** How many clients are connected. */
  clients(): number;
  /** How many server connections are open: at most `size`. */
  servers(): number;
  /** How many transactions went over a server connection on which another client's had been before. */
  handovers(): number;
  /** Cuts all connections. */
  close(): Promise<void>;
}

/** A connection to Postgres. */
interface ServerConnection {
  readonly socket: Socket;
  /** Whose transaction is on it. */
  client: ClientConnection | undefined;
  /** Who had it before. */
  last: ClientConnection | undefined;
}

interface ClientConnection {
  readonly socket: Socket;
  server: ServerConnection | undefined;
  /** What it sent while it waits for a server connection. */
  readonly held: Buffer[];
  /** How many times Postgres has yet to say that it is ready for a query. */
  expected: number;
  /** Whether it began something of the extended protocol for which it did not yet ask to be told that. */
  unsynced: boolean;
}

/** What a connection may begin with: what PgBouncer knows, and what docs/consistency.md tells users to have it ignore. */
const KNOWN = 'user database client_encoding datestyle timezone standard_conforming_strings application_name';
const IGNORED = 'statement_timeout idle_in_transaction_session_timeout';
const PARAMETERS = new Set(['', ...`${KNOWN} ${IGNORED}`.split(' ')]);

/** What may stand instead of a version at the beginning of a connection. */
const PROTOCOL_3_0 = 0x0003_0000;
const CANCEL_REQUEST = 80_877_102;
/** For TLS and for GSSAPI. */
const ENCRYPTION_REQUESTS = new Set([80_877_103, 80_877_104]);

const CONNECT_MS = 5000;

/**
 * Stands before the database of `url`.
 * @param options.size the most server connections; all of them are made at once
 */
export async function startTransactionPooler(
  url: string,
  options: { readonly size: number },
): Promise<TransactionPooler> {
  const { size } = options;
  const servers = new Set<ServerConnection>();
  /** The one that has been idle for longest comes first, so that they change hands as often as they can. */
  const idle: ServerConnection[] = [];
  const clients = new Set<ClientConnection>();
  const queue: ClientConnection[] = [];
  let welcome: Buffer = Buffer.alloc(0);
  let opening = 0;
  let handovers = 0;
  let closed = false;

  /** To log in is left to `pg`, whichever way Postgres asks for; then the socket is taken over from it. */
  async function openServer(): Promise<void> {
    const pg = new PgClient({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
    pg.on('error', () => {});
    const { connection } = pg as unknown as {
      readonly connection: EventEmitter & { readonly stream: Socket };
    };
    const parameters: Buffer[] = [];
    connection.on('parameterStatus', (status: Record<'parameterName' | 'parameterValue', string>) => {
      parameters.push(message('S', `${status.parameterName}\0${status.parameterValue}\0`));
    });
    await pg.connect();
    const socket = connection.stream;
    for (const event of ['data', 'error', 'close']) socket.removeAllListeners(event);
    const server: ServerConnection = { socket, client: undefined, last: undefined };
    servers.add(server);
    welcome = Buffer.concat(parameters);
    readMessages(socket, { hasType: () => true, take: (answer) => takeAnswer(server, answer) });
    socket.on('close', () => loseServer(server));
    idle.push(server);
    if (closed) socket.destroy();
  }

  function loseServer(server: ServerConnection): void {
    servers.delete(server);
    if (idle.includes(server)) idle.splice(idle.indexOf(server), 1);
    if (server.client !== undefined) refuse(server.client, 'server conn crashed?');
    dispatch();
  }

  /** Gives server connections to those that wait, and makes one if that is not enough. */
  function dispatch(): void {
    while (queue.length > 0 && idle.length > 0) {
      const [client, server] = [queue.shift(), idle.shift()];
      if (client === undefined || server === undefined) return;
      if (server.last !== undefined && server.last !== client) handovers += 1;
      server.client = server.last = client;
      client.server = server;
      for (const held of client.held.splice(0)) forward(client, server, held);
    }
    if (queue.length === 0 || servers.size + opening >= size || closed) return;
    opening += 1;
    void openServer()
      .catch(() => queue.splice(0).forEach((client) => refuse(client, 'pooler cannot connect to server')))
      .finally(() => {
        opening -= 1;
        dispatch();
      });
  }

  function forward(client: ClientConnection, server: ServerConnection, sent: Buffer): void {
    const type = typeOf(sent);
    // A query, a sync and a function call are each followed by one ReadyForQuery; the data of a COPY is part of a query.
    if ('QSF'.includes(type)) {
      client.expected += 1;
      client.unsynced = false;
    } else if (!'dcf'.includes(type)) client.unsynced = true;
    server.socket.write(sent);
  }

  function takeAnswer(server: ServerConnection, answer: Buffer): void {
    const { client } = server;
    // Nobody is there to be told, e.g. of a NOTIFY.
    if (client === undefined) return;
    client.socket.write(answer);
    if (typeOf(answer) !== 'Z') return;
    client.expected -= 1;
    const inTransaction = answer.toString('latin1', 5, 6) !== 'I';
    if (inTransaction || client.expected > 0 || client.unsynced) return;
    client.server = undefined;
    server.client = undefined;
    idle.push(server);
    dispatch();
  }

  function takeClient(socket: Socket): void {
    const client: ClientConnection = { socket, server: undefined, held: [], expected: 0, unsynced: false };
    clients.add(client);
    let greeted = false;
    socket.on('close', () => leave(client));
    readMessages(socket, {
      hasType: () => greeted,
      take(sent) {
        if (!clients.has(client)) return;
        if (!greeted) greeted = greet(client, sent);
        else if (typeOf(sent) === 'X') socket.end();
        else if (client.server !== undefined) forward(client, client.server, sent);
        else {
          if (client.held.length === 0) queue.push(client);
          client.held.push(sent);
          dispatch();
        }
      },
    });
  }

  /** Answers what a connection begins with; returns whether it has begun. */
  function greet(client: ClientConnection, sent: Buffer): boolean {
    const { socket } = client;
    const code = sent.readUInt32BE(4);
    if (ENCRYPTION_REQUESTS.has(code)) socket.write('N');
    else if (code === CANCEL_REQUEST) socket.end();
    else if (code !== PROTOCOL_3_0) refuse(client, 'unsupported protocol version');
    else {
      // Names and values in turn, and an empty name at the end.
      const names = sent
        .toString('utf8', 8)
        .split('\0')
        .filter((_, index) => index % 2 === 0);
      const unknown = names.find((name) => !PARAMETERS.has(name.toLowerCase()));
      if (unknown === undefined) {
        socket.write(Buffer.concat([message('R', '\0\0\0\0'), welcome, message('Z', 'I')]));
        return true;
      }
      refuse(client, `unsupported startup parameter: ${unknown}`);
    }
    return false;
  }

  function refuse(client: ClientConnection, text: string): void {
    client.socket.end(message('E', `SFATAL\0VFATAL\0C08P01\0M${text}\0\0`));
    leave(client);
  }

  function leave(client: ClientConnection): void {
    clients.delete(client);
    if (queue.includes(client)) queue.splice(queue.indexOf(client), 1);
    if (client.server === undefined) return;
    // It left in the middle of a transaction, which nobody may go on with.
    client.server.client = undefined;
    client.server.socket.destroy();
    client.server = undefined;
  }

  await Promise.all(Array.from({ length: size }, openServer));
  const listener = createServer(takeClient);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const through = new URL(url);
  through.host = `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  through.searchParams.delete('sslmode');

  return {
    url: through.href,
    clients: () => clients.size,
    servers: () => servers.size,
    handovers: () => handovers,
    async close() {
      closed = true;
      for (const { socket } of [...clients, ...servers]) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** A type of one letter, the length of the rest with its own four bytes, and the rest. */
function message(type: string, body: string): Buffer {
  const head = Buffer.from(`${type}\0\0\0\0`);
  head.writeUInt32BE(4 + Buffer.byteLength(body), 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

const typeOf = (whole: Buffer): string => whole.toString('latin1', 0, 1);

/** Takes what comes apart into whole messages; what a connection begins with has no type. */
function readMessages(
  socket: Socket,
  options: { readonly hasType: () => boolean; readonly take: (whole: Buffer) => void },
): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true);
  // `close` follows an error, which itself is of no interest.
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const at = options.hasType() ? 1 : 0;
      const length = rest.length < at + 4 ? Infinity : at + rest.readUInt32BE(at);
      if (rest.length < length) return;
      const whole = rest.subarray(0, length);
      rest = rest.subarray(length);
      options.take(whole);
    }
  });
}
