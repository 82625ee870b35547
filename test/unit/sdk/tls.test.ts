import { ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { TlsOptions } from '../../../sdk/src/index.ts';
import { keyMessage, startFakeLatchkey, type FakeLatchkey } from './fake-latchkey.ts';
import { LOCALHOST_CERTIFICATE, LOCALHOST_KEY } from './localhost-certificate.ts';

const PAIR = { cert_chain: Buffer.from(LOCALHOST_CERTIFICATE), private_key: Buffer.from(LOCALHOST_KEY) };

let fake: FakeLatchkey;
afterEach(() => fake.stop());

/** A server that speaks TLS, and may ask for a certificate. */
async function startTls(tls: boolean | TlsOptions, asksForCertificate = false): Promise<FakeLatchkey> {
  const clientCa = asksForCertificate ? PAIR.cert_chain : null;
  return startFakeLatchkey(
    { getKey: () => Promise.resolve({ key: keyMessage() }) },
    { tls, credentials: ServerCredentials.createSsl(clientCa, [PAIR], asksForCertificate), retries: 0 },
  );
}

const UNREACHABLE = { code: 'UNAVAILABLE', reason: 'UNREACHABLE', message: expect.stringContaining('`tls`') };

describe('with TLS', () => {
  it.each([
    ['text', LOCALHOST_CERTIFICATE],
    ['bytes', new TextEncoder().encode(LOCALHOST_CERTIFICATE)],
  ])('a server is trusted whose authority was given as %s', async (_form, ca) => {
    fake = await startTls({ ca });
    await expect(fake.client.keys.get('key_1')).resolves.toMatchObject({ state: 'ACTIVE' });
  });

  it('a server of an unknown authority is not', async () => {
    fake = await startTls(true);
    await expect(fake.client.keys.get('key_1')).rejects.toMatchObject(UNREACHABLE);
  });

  it('a server that asks for a certificate is shown ours', async () => {
    fake = await startTls(
      { ca: LOCALHOST_CERTIFICATE, cert: LOCALHOST_CERTIFICATE, key: LOCALHOST_KEY },
      true,
    );
    await expect(fake.client.keys.get('key_1')).resolves.toMatchObject({ state: 'ACTIVE' });
  });

  it('a server that asks for a certificate refuses a client without one', async () => {
    fake = await startTls({ ca: LOCALHOST_CERTIFICATE }, true);
    await expect(fake.client.keys.get('key_1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('where one speaks TLS and the other does not', () => {
  it('the error of a client in plaintext tells where to look', async () => {
    fake = await startTls(false);
    await expect(fake.client.keys.get('key_1')).rejects.toMatchObject(UNREACHABLE);
  });

  it('the error of a client with TLS tells where to look', async () => {
    fake = await startFakeLatchkey({}, { tls: true, retries: 0 });
    await expect(fake.client.keys.get('key_1')).rejects.toMatchObject(UNREACHABLE);
  });
});
