import { BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  BatchVerifyResponse,
  BatchVerifyResult,
  VerifyResponse,
  VerifyServiceDefinition,
  type VerifiedKey,
} from '../../proto/gen/latchkey/v1/verify_service.ts';
import { LimitStatusOfState } from './convert/limit-status.ts';
import { encodeLimits } from './limit-encoding.ts';

/** What was encoded of a key. The key's message is made once a snapshot; this goes with it. */
interface EncodedKey {
  /** The field `key` of a response. */
  readonly field: Uint8Array;
  /** The last response, and its bytes: the same object comes again as long as it says the same. */
  last: { readonly message: VerifyResponse; readonly bytes: Uint8Array } | undefined;
  /** What a response to VALID holds besides its limits. */
  valid: { readonly revision: string; readonly bytes: Uint8Array } | undefined;
}
const encodedKeys = new WeakMap<VerifiedKey, EncodedKey>();

const EMPTY = VerifyResponse.fromPartial({});

/** What encoding gives: nice-grpc asks for no more of it. */
interface Encoded {
  finish(): Uint8Array;
}

/** As the generated code does it, but what says the same is encoded once; fields may stand in any order in protobuf. */
export function encodeVerifyResponse(message: VerifyResponse): Encoded {
  const bytes = bytesOf(message);
  return { finish: () => bytes };
}

function bytesOf(message: VerifyResponse): Uint8Array {
  const { key } = message;
  if (key === undefined) return VerifyResponse.encode(message).finish();
  let encoded = encodedKeys.get(key);
  if (encoded === undefined) {
    const field = VerifyResponse.encode({ ...EMPTY, key }).finish();
    encoded = { field, last: undefined, valid: undefined };
    encodedKeys.set(key, encoded);
  }
  if (encoded.last?.message === message) return encoded.last.bytes;
  const { limits } = message;
  if (limits.length > 0 && limits.every(isOfState)) {
    // Its limits are told anew each time, and nothing else.
    return Buffer.concat([withoutLimits(message, encoded), encodeLimits(limits.map(({ state }) => state))]);
  }
  const bytes = encodeBeside(encoded.field, message);
  encoded.last = { message, bytes };
  return bytes;
}

const isOfState = (status: object): status is LimitStatusOfState => status instanceof LimitStatusOfState;

function withoutLimits(message: VerifyResponse, encoded: EncodedKey): Uint8Array {
  const { revision, valid } = message;
  if (valid && encoded.valid?.revision === revision) return encoded.valid.bytes;
  const bytes = encodeBeside(encoded.field, { ...message, limits: [] });
  if (valid) encoded.valid = { revision, bytes };
  return bytes;
}

/** A response, of which the key is encoded already. */
function encodeBeside(keyField: Uint8Array, message: VerifyResponse): Uint8Array {
  return VerifyResponse.encode({ ...message, key: undefined }, new BinaryWriter().raw(keyField)).finish();
}

/** Likewise, for every entry. */
export function encodeBatchVerifyResponse({ responses }: BatchVerifyResponse): Encoded {
  const writer = new BinaryWriter();
  for (const entry of responses) {
    // Fields 1 of BatchVerifyResponse (`responses`) and of BatchVerifyResult (`response`), length-delimited.
    writer.uint32((1 << 3) | 2).fork();
    if (entry.result?.$case === 'response') writer.uint32((1 << 3) | 2).bytes(bytesOf(entry.result.value));
    else BatchVerifyResult.encode(entry, writer);
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
