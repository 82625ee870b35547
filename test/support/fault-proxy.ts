import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy on loopback that breaks connections on command. */
export interface FaultProxy {
  /** The URL of what it stands before, through it. */
  readonly url: string;
  /** How many connections it carries. */
  connections(): number;
  /** From now on what clients send as `text` arrives as `other`, which is as long. */
  rewrite(text: string, other: string): void;
  /** New connections lead there instead, as after a fail-over; those that there are stay. */
  lead(url: string): void;
  /** Everything passes. Connections that were stalled go on where they stood, as after a cable is plugged in again. */
  pass(): Promise<void>;
  /** New connections are refused (ECONNREFUSED); those that there are stay. */
  refuse(): void;
  /** Resets all connections that there are; new ones are treated as before. */
  cut(): void;
  /** Resets all connections that there are, and each new one at its first byte, until `pass`. */
  reset(): void;
  /**
   * Half-open: connections stay and new ones are taken, and not a byte comes through, not even the news of their end,
   * until `pass`.
   */
  stall(): void;
  /** The connections that there are never carry a byte again, as when a firewall forgets them; new ones pass. */
  forget(): void;
  /**
   * The next time that a client sends `text`, it arrives, and the connection is reset in place of the first byte of
   * the answer. Resolves when that has happened.
   */
  loseAnswerTo(text: string): Promise<void>;
  /**
   * The next time that a client sends `text`, it arrives, and what comes back on that connection is held. Resolves when
   * something has, with what lets it through.
   */
  holdAnswerTo(text: string): Promise<() => void>;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  state: 'passing' | 'stalled' | 'forgotten';
  /** Set once the answer that is to be lost is awaited. */
  loseAnswer: (() => void) | undefined;
  /** Set once the answer that is to be held is awaited; then what has come of it. */
  hold: { readonly begun: (release: () => void) => void; readonly chunks: Buffer[] } | undefined;
}

/** Stands before the host and port of `url`, e.g. of a Postgres. */
export async function startFaultProxy(url: string): Promise<FaultProxy> {
  let target = new URL(url);
  const pairs = new Set<Pair>();
  let mode: 'passing' | 'stalling' | 'resetting' = 'passing';
  let server: Server | undefined;
  let loss: { readonly text: string; readonly done: () => void } | undefined;
  let rewriting: { readonly text: string; readonly other: string } | undefined;
  let holding: { readonly text: string; readonly begun: (release: () => void) => void } | undefined;

  function carry(client: Socket): void {
    const upstream = connect({
      port: Number(target.port === '' ? 5432 : target.port),
      host: target.hostname,
      allowHalfOpen: true,
    });
    const pair: Pair = {
      client,
      upstream,
      state: mode === 'stalling' ? 'stalled' : 'passing',
      loseAnswer: undefined,
      hold: undefined,
    };
    pairs.add(pair);
    forward(pair, client, upstream, (chunk) => {
      if (mode === 'resetting') {
        abort(pair);
        return false;
      }
      const rewritten = rewriting === undefined ? -1 : chunk.indexOf(rewriting.text);
      if (rewriting !== undefined && rewritten >= 0) chunk.write(rewriting.other, rewritten);
      if (loss !== undefined && chunk.includes(loss.text)) {
        pair.loseAnswer = loss.done;
        loss = undefined;
      }
      if (holding !== undefined && chunk.includes(holding.text)) {
        pair.hold = { begun: holding.begun, chunks: [] };
        holding = undefined;
      }
      return true;
    });
    forward(pair, upstream, client, (chunk) => {
      if (pair.hold !== undefined) {
        const { begun, chunks } = pair.hold;
        chunks.push(chunk);
        begun(() => {
          pair.hold = undefined;
          for (const held of chunks) client.write(held);
        });
        return false;
      }
      if (pair.loseAnswer === undefined) return true;
      abort(pair);
      pair.loseAnswer();
      return false;
    });
    if (mode === 'stalling') for (const socket of [client, upstream]) socket.pause();
  }

  /** Volumes are small here, so that nothing is held back for a slow reader. */
  function forward(pair: Pair, from: Socket, to: Socket, mayPass: (chunk: Buffer) => boolean): void {
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => {
      if (mayPass(chunk)) to.write(chunk);
    });
    from.on('end', () => to.end());
    // `close` follows an error, which itself is of no interest.
    from.on('error', () => {});
    from.on('close', () => {
      if (pair.state === 'passing') drop(pair);
    });
  }

  function drop(pair: Pair): void {
    pairs.delete(pair);
    pair.client.destroy();
    pair.upstream.destroy();
  }

  function abort(pair: Pair): void {
    pairs.delete(pair);
    pair.client.resetAndDestroy();
    pair.upstream.resetAndDestroy();
  }

  function hold(state: 'stalled' | 'forgotten'): void {
    for (const pair of pairs) {
      pair.state = state;
      pair.client.pause();
      pair.upstream.pause();
    }
  }

  async function listen(port: number): Promise<Server> {
    const listening = createServer({ allowHalfOpen: true }, carry);
    listening.listen(port, '127.0.0.1');
    await once(listening, 'listening');
    return listening;
  }

  server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(port);

  return {
    url: through.href,
    connections: () => pairs.size,
    rewrite(text, other) {
      rewriting = { text, other };
    },
    lead(to) {
      target = new URL(to);
    },
    async pass() {
      mode = 'passing';
      for (const pair of pairs) {
        if (pair.state !== 'stalled') continue;
        pair.state = 'passing';
        pair.client.resume();
        pair.upstream.resume();
        if (pair.client.destroyed || pair.upstream.destroyed) drop(pair);
      }
      server ??= await listen(port);
    },
    refuse() {
      // It stops listening at once; its end waits for the connections, which stay.
      server?.close();
      server = undefined;
    },
    cut() {
      for (const pair of pairs) abort(pair);
    },
    reset() {
      mode = 'resetting';
      for (const pair of pairs) abort(pair);
    },
    stall() {
      mode = 'stalling';
      hold('stalled');
    },
    forget() {
      hold('forgotten');
    },
    loseAnswerTo: (text) =>
      new Promise((done) => {
        loss = { text, done };
      }),
    holdAnswerTo: (text) =>
      new Promise((begun) => {
        holding = { text, begun };
      }),
    async close() {
      for (const pair of pairs) abort(pair);
      const closing = server;
      server = undefined;
      if (closing !== undefined) await new Promise((resolve) => closing.close(resolve));
    },
  };
}
