import { connect } from 'node:http2';
import {
  BatchVerifyRequest,
  BatchVerifyResponse,
  Verdict,
  VerifyRequest,
  VerifyResponse,
} from '../proto/gen/latchkey/v1/verify_service.ts';
import { callGrpc, frame, type GrpcTarget } from './load/grpc-call.ts';

/** A verification as a service behind HTTP would send it. */
export function verification(token: string): VerifyRequest {
  return VerifyRequest.fromPartial({
    token,
    resource: 'store-1',
    scopes: ['orders:read'],
    operation: { api: 'orders', verb: 'GET', path: '/api/v1/orders/statuses' },
    client: { ip: '203.0.113.7' },
  });
}

/** A framed VerifyRequest. */
export function verifyMessage(token: string): Buffer {
  return frame(VerifyRequest.encode(verification(token)).finish());
}

/** A framed BatchVerifyRequest. */
export function batchMessage(tokens: readonly string[]): Buffer {
  return frame(BatchVerifyRequest.encode({ requests: tokens.map(verification) }).finish());
}

/** Calls once; the response's bytes. @throws Error for any status but OK */
export async function callOnce(target: GrpcTarget, message: Buffer): Promise<Buffer> {
  const session = connect(`http://127.0.0.1:${target.port}`);
  try {
    const { status, message: response } = await callGrpc(session, target, message);
    if (status !== '0') throw new Error(`${target.path} answered with the gRPC status ${status}`);
    return response;
  } finally {
    session.close();
  }
}

/** Verifies one token, which must be VALID; the response's bytes. */
export async function requireValid(target: GrpcTarget, token: string): Promise<Buffer> {
  const bytes = await callOnce(target, verifyMessage(token));
  requireVerdict(VerifyResponse.decode(bytes));
  return bytes;
}

/** Verifies tokens in one batch; all must be VALID. */
export async function requireAllValid(target: GrpcTarget, tokens: readonly string[]): Promise<void> {
  const { responses } = BatchVerifyResponse.decode(await callOnce(target, batchMessage(tokens)));
  for (const { result } of responses) {
    requireVerdict(result?.$case === 'response' ? result.value : undefined);
  }
}

function requireVerdict(response: VerifyResponse | undefined): void {
  if (response?.verdict !== Verdict.VERDICT_VALID) {
    throw new Error(`a key of the benchmark is not valid: ${JSON.stringify(response)}`);
  }
}
