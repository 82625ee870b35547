import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';

/** A unary method of a server on this machine. */
export interface GrpcTarget {
  readonly port: number;
  /** `/package.Service/Method` */
  readonly path: string;
  /** The value of the `authorization` metadata. */
  readonly authorization: string;
}

/** The headers of a call, but for HTTP/2's own. */
export function headersOf({ authorization }: GrpcTarget): Readonly<Record<string, string>> {
  return { 'content-type': 'application/grpc', te: 'trailers', authorization };
}

/** A message in gRPC's framing: not compressed, its length, itself. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** One call with a framed message; the response comes without its frame. */
export function callGrpc(
  session: ClientHttp2Session,
  target: GrpcTarget,
  framed: Uint8Array,
): Promise<{ readonly status: string; readonly message: Buffer }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': target.path, ...headersOf(target) });
    const chunks: Buffer[] = [];
    let status = '';
    // It comes in the trailers, or with the headers where there is no message.
    const readStatus = (headers: IncomingHttpHeaders): void => {
      status = headers['grpc-status']?.toString() ?? status;
    };
    stream.on('response', readStatus);
    stream.on('trailers', readStatus);
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.once('end', () => resolve({ status, message: Buffer.concat(chunks).subarray(5) }));
    stream.once('error', reject);
    stream.end(framed);
  });
}
