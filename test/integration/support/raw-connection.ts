import { connect, constants, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { Status } from '../../../proto/gen/google/rpc/status.ts';

/** What came back for one call, as it was on the wire. */
export interface RawAnswer {
  /** `:status`; undefined: the stream was reset before any header. */
  readonly httpStatus: number | undefined;
  /** `grpc-status`; undefined: none came. */
  readonly code: number | undefined;
  /** `grpc-message`, decoded. */
  readonly message: string;
  /** The messages of the answer, without the five bytes before each. */
  readonly messages: readonly Buffer[];
  /** Headers and trailers together, but what differs from call to call of the same kind (`date`). */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the trailer `grpc-status-details-bin`. */
  readonly status: Status | undefined;
  /** With which the stream was closed, by its name in HTTP/2; `NGHTTP2_NO_ERROR` for an orderly end. */
  readonly reset: string;
}

/** What to send for one call. */
export interface RawCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The bytes of the request's one message; undefined: no message. */
  readonly message?: Uint8Array | undefined;
  /** The whole body instead of a message. */
  readonly body?: Uint8Array;
  readonly headers?: OutgoingHttpHeaders;
}

/** One HTTP/2 connection on which a test sends what no client library would. */
export interface RawConnection {
  readonly session: ClientHttp2Session;
  call(call: RawCall): Promise<RawAnswer>;
  close(): void;
}

/** @param token the root token to send; undefined: none */
export function connectRaw(address: string, token: string | undefined): RawConnection {
  // Without it, nghttp2 itself would not send more headers than a server should take.
  const session = connect(`http://${address}`, { maxSendHeaderBlockLength: 2 ** 24 });
  // What a session dies of is told by its streams.
  session.on('error', () => {});
  return {
    session,
    call: (call) => send(session, call, token),
    close: () => session.destroy(),
  };
}

/** A message with the five bytes that stand before it on the wire. */
export function frame(message: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function send(
  session: ClientHttp2Session,
  { path, message, body, headers }: RawCall,
  token: string | undefined,
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    });
    const seen: Record<string, string> = {};
    const take = (block: object): void => {
      for (const [name, value] of Object.entries(block)) if (name !== 'date') seen[name] = String(value);
    };
    const chunks: Buffer[] = [];
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    // The code of the reset says as much.
    stream.on('error', () => {});
    stream.on('close', () => resolve(readAnswer(seen, Buffer.concat(chunks), stream.rstCode ?? 0)));
    const bytes = body ?? (message === undefined ? undefined : frame(message));
    if (bytes === undefined) stream.end();
    else stream.end(bytes);
  });
}

function readAnswer(headers: Record<string, string>, body: Buffer, rstCode: number): RawAnswer {
  const { ':status': httpStatus, 'grpc-status': code, 'grpc-status-details-bin': details } = headers;
  return {
    httpStatus: httpStatus === undefined ? undefined : Number(httpStatus),
    code: code === undefined ? undefined : Number(code),
    message: decodeURIComponent(headers['grpc-message'] ?? ''),
    messages: unframe(body),
    headers,
    status: details === undefined ? undefined : Status.decode(Buffer.from(details, 'base64')),
    reset: nameOfReset(rstCode),
  };
}

function unframe(body: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    messages.push(body.subarray(at + 5, end));
    at = end;
  }
  return messages;
}

function nameOfReset(code: number): string {
  const names = Object.entries(constants).filter(
    ([name, value]) => value === code && /^NGHTTP2_(?!ERR_|NV_|FLAG_|DEFAULT_|SETTINGS_|HCAT_)/.test(name),
  );
  return (
    names
      .map(([name]) => name)
      .find((name) => /NO_ERROR|_ERROR|STREAM|CANCEL|CALM|SECURITY|HTTP_1/.test(name)) ?? String(code)
  );
}
