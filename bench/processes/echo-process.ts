import { Server, ServerCredentials, type handleUnaryCall, type MethodDefinition } from '@grpc/grpc-js';
import { VerifyRequest, VerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { ACCOUNTS, answerParent } from './answer-parent.ts';

/**
 * The bar: what a call costs on the library that Latchkey stands on. A grpc-js server with one handler that decodes
 * the same request with the same generated code, looks at nothing, and encodes the same response.
 */
const server = new Server();
let response = VerifyResponse.fromPartial({});
let calls = 0;

const verify: MethodDefinition<VerifyRequest, VerifyResponse> = {
  path: '/latchkey.v1.VerifyService/Verify',
  requestStream: false,
  responseStream: false,
  requestSerialize: (message) => Buffer.from(VerifyRequest.encode(message).finish()),
  requestDeserialize: (bytes) => VerifyRequest.decode(bytes),
  responseSerialize: (message) => Buffer.from(VerifyResponse.encode(message).finish()),
  responseDeserialize: (bytes) => VerifyResponse.decode(bytes),
};
const handle: handleUnaryCall<VerifyRequest, VerifyResponse> = (_call, callback) => {
  calls += 1;
  callback(null, response);
};
server.addService({ verify }, { verify: handle });

const port = await new Promise<number>((resolve, reject) => {
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
    error === null ? resolve(bound) : reject(error),
  );
});

const answers = {
  ...ACCOUNTS,
  port: () => port,
  calls: () => calls,
  /** Sets what every call is answered with: a VerifyResponse, in base64. */
  answerWith(base64: string) {
    response = VerifyResponse.decode(Buffer.from(base64, 'base64'));
  },
};
export type EchoAnswers = typeof answers;

answerParent(answers);
