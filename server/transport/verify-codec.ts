import { BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  BatchVerifyResponse,
  BatchVerifyResult,
  VerifyResponse,
  VerifyServiceDefinition,
  type VerifiedKey,
} from '../../proto/gen/latchkey/v1/verify_service.ts';

/** What a response says of its key, encoded. The key's message is made once a snapshot; this goes with it. */
const encodedKeys = new WeakMap<VerifiedKey, Uint8Array>();

const EMPTY = VerifyResponse.fromPartial({});

/** As the generated code does it, but the key is encoded once; fields may stand in any order in protobuf. */
export function encodeVerifyResponse(message: VerifyResponse, writer = new BinaryWriter()): BinaryWriter {
  const { key } = message;
  if (key === undefined) return VerifyResponse.encode(message, writer);
  let encodedKey = encodedKeys.get(key);
  if (encodedKey === undefined) {
    encodedKey = VerifyResponse.encode({ ...EMPTY, key }).finish();
    encodedKeys.set(key, encodedKey);
  }
  return VerifyResponse.encode({ ...message, key: undefined }, writer.raw(encodedKey));
}

/** Likewise, for every entry. */
export function encodeBatchVerifyResponse(
  { responses }: BatchVerifyResponse,
  writer = new BinaryWriter(),
): BinaryWriter {
  for (const entry of responses) {
    // Fields 1 of BatchVerifyResponse (`responses`) and of BatchVerifyResult (`response`), length-delimited.
    writer.uint32((1 << 3) | 2).fork();
    if (entry.result?.$case === 'response') {
      encodeVerifyResponse(entry.result.value, writer.uint32((1 << 3) | 2).fork()).join();
    } else {
      BatchVerifyResult.encode(entry, writer);
    }
    writer.join();
  }
  return writer;
}

const { methods } = VerifyServiceDefinition;

/**
 * VerifyService with these encoders. They come without `fromPartial`, with which nice-grpc would copy every response
 * before it is encoded.
 */
export const VerifyServiceCodec = {
  ...VerifyServiceDefinition,
  methods: {
    verify: {
      ...methods.verify,
      responseType: { encode: encodeVerifyResponse, decode: VerifyResponse.decode },
    },
    batchVerify: {
      ...methods.batchVerify,
      responseType: { encode: encodeBatchVerifyResponse, decode: BatchVerifyResponse.decode },
    },
  },
} as const;
