import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createLatchkey, rateLimitHeaders, type Verdict } from '@latchkey/sdk';

const token = process.env['LATCHKEY_TOKEN'] ?? '';
const latchkey = createLatchkey({ address: '127.0.0.1:50051', token, tls: false });

/** Who is known and may not is 403; who comes too often is 429; anybody else is 401. */
function httpStatus(verdict: Verdict): number {
  if (verdict === 'SCOPE_MISSING' || verdict.endsWith('_NOT_ALLOWED')) return 403;
  return verdict === 'RATE_LIMITED' || verdict === 'CREDITS_EXHAUSTED' ? 429 : 401;
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const result = await latchkey.verify({
      token: request.headers.authorization?.replace(/^Bearer /i, '') ?? '',
      scopes: ['orders:read'],
      operation: { api: 'orders', verb: request.method, path: request.url },
      client: { ip: request.socket.remoteAddress },
    });
    const headers = rateLimitHeaders(result);
    if (result.valid) response.writeHead(200, headers).end(`orders of ${result.key.ownerId}\n`);
    else response.writeHead(httpStatus(result.verdict), headers).end(`${result.verdict}\n`);
  } catch (error) {
    // Latchkey could not decide: nobody passes, and it is nobody's fault but ours.
    console.error(error);
    response.writeHead(503).end();
  }
}

const server = createServer((request, response) => void handle(request, response));
server.listen(Number(process.env['PORT'] ?? 8080), () => console.log('listening', server.address()));
process.once('SIGTERM', () => server.close(() => latchkey.close()));
