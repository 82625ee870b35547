import type { Caller } from '../../callers/caller.ts';
import { readFields, type Fields } from './fields.ts';

export const ETAG_MAX = 64;
const REASON_MAX = 64;
const NOTE_MAX = 1024;

/** What every change of one thing says beside its name. */
interface TargetMessage {
  readonly etag: string;
  readonly requestId: string;
  readonly wait?: boolean | undefined;
}

/** The same, read. */
interface Target {
  readonly caller: Caller;
  readonly requestId: string;
  readonly etag: string;
  readonly wait: boolean;
}

/**
 * What a change is about, and the version that the caller saw of it.
 *
 * @param readName how the thing is named
 * @param fields what was read before of the same message
 * @throws Fault INVALID_FIELD, also for what was read before
 */
export function readTarget<Message extends TargetMessage, Name extends object>(
  message: Message,
  caller: Caller,
  readName: (fields: Fields, message: Message) => Name,
  fields = readFields(),
): Name & Target {
  const target = {
    caller,
    wait: message.wait ?? true,
    requestId: fields.requestId(message.requestId),
    ...readName(fields, message),
    etag: fields.text('etag', message.etag, { max: ETAG_MAX }),
  };
  fields.finish();
  return target;
}

/** Why access is taken away: a word to count by, and what people should know. */
export function readReason(
  fields: Fields,
  message: { readonly reason: string; readonly note: string },
): { readonly reason: string; readonly note: string } {
  return {
    reason: fields.text('reason', message.reason, { max: REASON_MAX }),
    note: readNote(fields, message.note),
  };
}

export function readNote(fields: Fields, note: string): string {
  return fields.text('note', note, { max: NOTE_MAX, multiline: true });
}
