import { Client, type ClientConfig, type QueryConfig, type QueryResultRow } from 'pg';
import { destroySocket } from './sockets.ts';

/** What a server gets to say goodbye, ms; one that is cut off never does. */
const GOODBYE_MS = 1000;

/** A connection for one thing, which nothing else can keep busy; a new one is made after an error. */
export interface LoneConnection {
  /**
   * Runs a statement, after those that came before.
   * @throws NotConnected; or what the driver throws, and then the connection is cut
   */
  query<Row extends QueryResultRow>(statement: QueryConfig): Promise<readonly Row[]>;
  /** Says goodbye, if there is a connection, with a last statement. Cuts it if that takes too long. */
  close(lastStatement?: QueryConfig): Promise<void>;
}

/** The statement was not sent: there is no connection. */
export class NotConnected extends Error {
  override readonly name = 'NotConnected';

  constructor(cause: unknown) {
    super(`there is no connection to the database: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    });
  }
}

/** Opening does not connect; the first statement does. */
export function createLoneConnection(options: {
  readonly config: ClientConfig;
  /** Whether statements are prepared under their names, once a connection. */
  readonly prepared: boolean;
  /** What to do with a new connection first. */
  readonly onConnect?: (client: Client) => Promise<void>;
}): LoneConnection {
  const { config, prepared, onConnect } = options;
  /** The connection that works. */
  let client: Client | undefined;
  /** The last one that was made, which may still be connecting. */
  let newest: Client | undefined;
  /** Ends with the last of the statements that came before. */
  let turn: Promise<unknown> = Promise.resolve();

  async function connect(): Promise<Client> {
    const fresh = new Client(config);
    newest = fresh;
    // An idle connection that breaks says so here; the next statement finds out by itself.
    fresh.on('error', () => {});
    try {
      await fresh.connect();
      await onConnect?.(fresh);
    } catch (error) {
      destroySocket(fresh);
      throw new NotConnected(error);
    }
    return fresh;
  }

  async function run<Row extends QueryResultRow>(statement: QueryConfig): Promise<readonly Row[]> {
    client ??= await connect();
    const asked = client;
    try {
      const { text, values = [] } = statement;
      return (await asked.query<Row>(prepared ? statement : { text, values })).rows;
    } catch (error) {
      destroySocket(asked);
      client = undefined;
      throw error;
    }
  }

  return {
    query<Row extends QueryResultRow>(statement: QueryConfig) {
      const rows = turn.then(() => run<Row>(statement));
      turn = rows.catch(() => {});
      return rows;
    },
    async close(lastStatement) {
      const timer = setTimeout(() => {
        if (newest !== undefined) destroySocket(newest);
      }, GOODBYE_MS);
      await turn;
      const last = client;
      client = undefined;
      if (last !== undefined) {
        if (lastStatement !== undefined) await last.query(lastStatement).catch(() => {});
        await last.end().catch(() => {});
      }
      clearTimeout(timer);
    },
  };
}
