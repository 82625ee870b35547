import { Fault } from '../../../core/fault.ts';
import { KeyState, Key } from '../../../proto/gen/latchkey/v1/key.ts';
import type { ImportedKey, ImportKeysResult } from '../../../proto/gen/latchkey/v1/key_service.ts';
import type { ImportEntry, ImportResult } from '../../lifecycle/import-keys.ts';
import { readFields } from './fields.ts';
import { readAttributes } from './key.ts';

/** One foreign key out of its message; what is wrong with it is said of it alone. */
export function readImport(
  { key = Key.fromPartial({}), sha256 }: ImportedKey,
  keyspaceId: string,
): ImportEntry {
  const fields = readFields();
  if (key.id !== '') fields.refuse('key.id', 'is chosen by the server; leave it empty');
  if (key.state !== KeyState.KEY_STATE_UNSPECIFIED) fields.refuse('key.state', 'cannot be chosen');
  if (key.keyspaceId !== '' && key.keyspaceId !== keyspaceId)
    fields.refuse('key.keyspace_id', 'must be empty, or that of the request');
  const digestHex = readDigest(sha256);
  if (digestHex === undefined) fields.refuse('sha256', 'must be 32 bytes in hex or base64');
  const attributes = {
    ...readAttributes(fields, key),
    expireTimeMs: fields.time('key.expire_time', key.expireTime) ?? null,
    hasExpiry: key.expireTime !== undefined,
  };
  try {
    fields.finish();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { fault: { reason: error.reason, message: error.message } };
  }
  return { attributes, digestHex: digestHex ?? '' };
}

/** 32 bytes, in hex or in base64 (also base64url, with or without padding); as hex in lower case. */
function readDigest(text: string): string | undefined {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return text.toLowerCase();
  if (!/^[0-9A-Za-z+/_-]{43}=?$/.test(text)) return undefined;
  return Buffer.from(text, 'base64').toString('hex');
}

export function toImportResult(result: ImportResult): ImportKeysResult {
  return 'fault' in result
    ? { id: '', error: result.fault.message, errorReason: result.fault.reason, alreadyImported: false }
    : { id: result.id, error: '', errorReason: '', alreadyImported: result.alreadyImported };
}
