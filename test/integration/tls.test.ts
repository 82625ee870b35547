import { readFileSync } from 'node:fs';
import { connect, type ConnectionOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLatchkey, type Latchkey, type TlsOptions } from '../../sdk/src/index.ts';
import { startServer, type TestServer } from '../support/start-server.ts';

const path = (name: string): string => fileURLToPath(new URL(`support/tls/${name}`, import.meta.url));
const pem = (name: string): string => readFileSync(path(name), 'utf8');

const CERTIFICATE = {
  LATCHKEY_TLS_CERT_FILE: path('server.crt'),
  LATCHKEY_TLS_KEY_FILE: path('server.key'),
};
const TRUSTING: TlsOptions = { ca: pem('ca.crt') };
const WITH_CERTIFICATE: TlsOptions = { ...TRUSTING, cert: pem('client.crt'), key: pem('client.key') };

let server: TestServer;

/** One verification by a new client. */
async function verify(tls: TlsOptions | boolean, host = '127.0.0.1'): Promise<string> {
  const port = server.address.split(':').at(-1);
  const client: Latchkey = createLatchkey({
    address: `${host}:${port}`,
    token: server.rootToken,
    tls,
    retries: 0,
    verifyDeadlineMs: 10_000,
  });
  try {
    return (await client.verify({ token: 'x' })).verdict;
  } finally {
    client.close();
  }
}

const unreachable = { code: 'UNAVAILABLE', reason: 'UNREACHABLE' };

/** Speaks TLS with the server, with or without gRPC on it; returns the protocol, or the error's code. */
function shakeHands(options: ConnectionOptions): Promise<string> {
  const [host = '', port = ''] = server.address.split(':');
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(port),
      ca: pem('ca.crt'),
      ALPNProtocols: ['h2'],
      ...options,
    });
    socket.once('secureConnect', () => {
      resolve(`${socket.getProtocol()} ${socket.alpnProtocol}`);
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

describe('a server with a certificate', () => {
  beforeAll(async () => {
    server = await startServer({ env: CERTIFICATE });
  });
  afterAll(async () => {
    await server.stop();
  });

  test('serves a client that trusts its authority, by each of its names', async () => {
    expect(await verify(TRUSTING)).toBe('MALFORMED');
    expect(await verify(TRUSTING, 'localhost')).toBe('MALFORMED');
  });

  test('is refused by a client that does not trust its authority', async () => {
    await expect(verify(true)).rejects.toMatchObject(unreachable);
    await expect(verify({ ca: pem('stranger-ca.crt') })).rejects.toMatchObject(unreachable);
  });

  test('refuses a client in plain text, and serves the next one', async () => {
    await expect(verify(false)).rejects.toMatchObject(unreachable);
    expect(await verify(TRUSTING)).toBe('MALFORMED');
  });

  test('speaks HTTP/2 over TLS 1.2 and later, and nothing older', async () => {
    expect(await shakeHands({})).toBe('TLSv1.3 h2');
    expect(await shakeHands({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2 h2');
    const old: ConnectionOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' };
    expect(await shakeHands(old)).toMatch(/^(ERR_SSL|ECONNRESET|EPROTO)/);
  });
});

describe('a server that asks for client certificates', () => {
  beforeAll(async () => {
    server = await startServer({ env: { ...CERTIFICATE, LATCHKEY_TLS_CLIENT_CA_FILE: path('ca.crt') } });
  });
  afterAll(async () => {
    await server.stop();
  });

  test('serves a client with one that its authority signed', async () => {
    expect(await verify(WITH_CERTIFICATE)).toBe('MALFORMED');
  });

  test('refuses a client without one, or with a stranger’s, and serves the next one', async () => {
    await expect(verify(TRUSTING)).rejects.toMatchObject(unreachable);
    const stranger = { ...TRUSTING, cert: pem('stranger-client.crt'), key: pem('stranger-client.key') };
    await expect(verify(stranger)).rejects.toMatchObject(unreachable);
    expect(await verify(WITH_CERTIFICATE)).toBe('MALFORMED');
  });

  test('takes no certificate for a root token', async () => {
    const client = createLatchkey({ address: server.address, token: 'hunter2', tls: WITH_CERTIFICATE });
    await expect(client.verify({ token: 'x' })).rejects.toMatchObject({ reason: 'CALLER_UNKNOWN' });
    client.close();
  });
});

describe('a server does not start', () => {
  test.each([
    ['with a certificate that is not there', { ...CERTIFICATE, LATCHKEY_TLS_CERT_FILE: path('nowhere.crt') }],
    [
      'with a key that is not the certificate’s',
      { ...CERTIFICATE, LATCHKEY_TLS_KEY_FILE: path('client.key') },
    ],
  ])('%s', async (_name, env) => {
    await expect(startServer({ env })).rejects.toThrow();
  });
});
