/**
 * Answers kept for retries: sealed, because the answer to CreateKey holds a token.
 *
 * The request id is a UUID of the caller's, which Latchkey does not keep. What is kept is a hash to find the answer
 * by and the answer itself, sealed with AES-256-GCM under a key derived from the request id (HKDF-SHA-256, RFC 5869):
 * whoever has the database and not the request id cannot open it.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { stringify } from 'safe-stable-stringify';

/** How long an answer is kept, ms. */
export const ANSWER_LIFETIME_MS = 24 * 60 * 60 * 1000;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a request id is kept as: a hash that binds it to its caller and RPC's family. */
export function requestIdHash(actor: string, requestId: string): string {
  return createHash('sha256')
    .update(`latchkey request id\0${actor}\0${requestId.toLowerCase()}`)
    .digest('hex');
}

/** A digest of what was asked, the same for every spelling of the same request. */
export function requestDigest(rpc: string, request: unknown): string {
  return createHash('sha256')
    .update(`${rpc}\0${stringify(request)}`)
    .digest('hex');
}

export function sealAnswer(requestId: string, answer: unknown): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', answerKey(requestId), nonce);
  const body = Buffer.concat([cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** @throws Error if it was not sealed under this request id */
export function openAnswer(requestId: string, sealed: Buffer): unknown {
  const decipher = createDecipheriv('aes-256-gcm', answerKey(requestId), sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  const body = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  return JSON.parse(body.toString('utf8'));
}

function answerKey(requestId: string): Buffer {
  return Buffer.from(hkdfSync('sha256', requestId.toLowerCase(), '', 'latchkey idempotency answer', 32));
}
