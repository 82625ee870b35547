import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The HTTP side: metrics and probes. */
export interface HttpEndpoints {
  /** Returns the port. @throws Error if the address cannot be bound */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * - `GET /metrics`: Prometheus text
 * - `GET /livez`: 200 as long as the process can answer; for restarting it
 * - `GET /readyz`: 200 if it can serve, else 503; for sending traffic to it
 */
export function createHttpEndpoints(options: {
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly isReady: () => boolean;
}): HttpEndpoints {
  const { metrics, isReady } = options;
  const answers: Readonly<
    Record<string, () => Promise<readonly [code: number, type: string, text: string]>>
  > = {
    '/livez': async () => [200, 'text/plain', 'ok\n'],
    '/readyz': async () => (isReady() ? [200, 'text/plain', 'ok\n'] : [503, 'text/plain', 'not ready\n']),
    '/metrics': async () => {
      const { contentType, text } = await metrics();
      return [200, contentType, text];
    },
  };

  const server = createServer((request, response) => {
    const answer = answers[request.url?.split('?')[0] ?? ''];
    const known = answer !== undefined && (request.method === 'GET' || request.method === 'HEAD');
    (known
      ? answer()
      : Promise.resolve([404, 'text/plain', 'try /metrics, /livez or /readyz\n'] as const)
    ).then(
      ([code, type, text]) => void response.writeHead(code, { 'content-type': type }).end(text),
      () => void response.writeHead(500).end(),
    );
  });

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
