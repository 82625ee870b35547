import { isId } from '../../core/ids.ts';
import { ROOT_KEYSPACE_ID, type KeyRecord } from '../../core/key.ts';
import { requireReach, type Caller } from '../callers/caller.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import type { KeyFilter, KeyPosition, Repositories } from './ports.ts';

/** A page is cut short at about this size, so that it fits into the 4 MiB that clients take by default. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;

/** The year 10000, ms since 1970: past every time that a key has. */
const TIME_MAX_MS = Date.UTC(10_000, 0);

export interface ListKeysRequest {
  readonly caller: Caller;
  /** 1 to 1000. */
  readonly pageSize: number;
  readonly pageToken: string;
  /** What to list; `keyspaceId` undefined: of every keyspace that the caller reaches. */
  readonly filter: Omit<KeyFilter, 'keyspaceIds' | 'exceptKeyspaceIds'> & {
    readonly keyspaceId: string | undefined;
  };
  readonly newestFirst: boolean;
  /** Wall clock, ms since 1970. */
  readonly nowMs: number;
}

export interface ListedKeys {
  readonly keys: readonly KeyRecord[];
  /** Empty: this was the last page. */
  readonly nextPageToken: string;
}

/** Lists keys. @throws Fault CALLER_KEYSPACE_NOT_ALLOWED, INVALID_FIELD for a page token of another list */
export async function listKeys(store: Repositories, request: ListKeysRequest): Promise<ListedKeys> {
  const { caller, pageSize, filter, newestFirst, nowMs } = request;
  const { keyspaceId, ...rest } = filter;
  if (keyspaceId !== undefined) requireReach(caller, keyspaceId);

  const question = { filter, newestFirst };
  const after = decodePageToken(request.pageToken, question, readPosition);
  // One row more than the page tells whether there is another.
  const rows = await store.keys.list({
    filter: {
      ...rest,
      keyspaceIds: keyspaceId === undefined ? caller.confinedTo : [keyspaceId],
      exceptKeyspaceIds: caller.managesRootKeys ? [] : [ROOT_KEYSPACE_ID],
    },
    newestFirst,
    after,
    limit: pageSize + 1,
    nowMs,
  });
  const keys = fitting(rows.slice(0, pageSize));
  const last = keys.at(-1);
  const more = rows.length > keys.length && last !== undefined;
  return {
    keys,
    nextPageToken: more ? encodePageToken(question, { createTimeMs: last.createTimeMs, id: last.id }) : '',
  };
}

/** As many keys as fit into a page, one at least. */
function fitting(rows: readonly KeyRecord[]): readonly KeyRecord[] {
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += Buffer.byteLength(JSON.stringify(row));
    return bytes > PAGE_BYTES_MAX && index > 0;
  });
  return end === -1 ? rows : rows.slice(0, end);
}

function readPosition(position: object): KeyPosition | undefined {
  const { createTimeMs, id } = position as Partial<KeyPosition>;
  // What is none of ours would be an error of the database's: a date out of its range, a text that it does not take.
  if (typeof id !== 'string' || !isId('key', id)) return undefined;
  if (typeof createTimeMs !== 'number' || !Number.isInteger(createTimeMs)) return undefined;
  return createTimeMs >= 0 && createTimeMs <= TIME_MAX_MS ? { createTimeMs, id } : undefined;
}
