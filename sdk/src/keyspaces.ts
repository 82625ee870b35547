import type { Connection } from './transport/connection.ts';
import { defined } from './convert/defined.ts';
import { fromEffect } from './convert/effect.ts';
import { fieldMask } from './convert/field-mask.ts';
import { fromKeyspace, KEYSPACE_PATHS, toChangedKeyspace, toNewKeyspace } from './convert/keyspace.ts';
import { ALL_PAGE_SIZE, allPages } from './transport/pages.ts';
import { newNarrowingRequest, newRequest, target } from './transport/requests.ts';
import type {
  CallOptions,
  ChangeOptions,
  MutationOptions,
  NarrowOptions,
  PageOptions,
} from './types/call.ts';
import type {
  ChangedKeyspace,
  Keyspace,
  KeyspaceChange,
  KeyspacePage,
  KeyspaceQuery,
  NarrowedKeyspace,
  NewKeyspace,
} from './types/keyspace.ts';

/**
 * Keyspaces: sets of keys with a wall around them. A keyspace that the root token may not touch is answered as if it did
 * not exist.
 *
 * Every method is rejected with a LatchkeyError; changes with ABORTED if the `etag` does not match (ETAG_MISMATCH).
 */
export interface Keyspaces {
  /** Creates a keyspace. Scope `config:write`, and access to all keyspaces. ALREADY_EXISTS if the slug is taken. */
  create(keyspace: NewKeyspace, options?: MutationOptions): Promise<ChangedKeyspace>;
  /** Reads one keyspace by its id. Scope `config:read`. */
  get(id: string, options?: CallOptions): Promise<Keyspace>;
  /** Reads one page of keyspaces, by their slug. Scope `config:read`. */
  list(query?: KeyspaceQuery, options?: PageOptions): Promise<KeyspacePage>;
  /** All keyspaces, page by page while you iterate; `deadlineMs` is for each page. Scope `config:read`. */
  listAll(query?: KeyspaceQuery, options?: CallOptions): AsyncIterableIterator<Keyspace>;
  /** Changes the properties that `change` has. Scope `config:write`. */
  update(id: string, change: KeyspaceChange, options?: NarrowOptions): Promise<NarrowedKeyspace>;
  /**
   * Deletes a keyspace that has no keys left, with its policies and owners; keys that were deleted before are purged with
   * it. Scope `config:write`.
   * FAILED_PRECONDITION, reason KEYSPACE_IN_USE, with the number of keys in `metadata.keys`, if it has.
   */
  delete(id: string, options?: ChangeOptions): Promise<{ readonly revision: string }>;
}

/** @internal */
export function createKeyspaces({ keyspaces, call }: Connection): Keyspaces {
  async function list({ pageSize }: KeyspaceQuery = {}, options: PageOptions = {}): Promise<KeyspacePage> {
    const request = defined({ pageSize, pageToken: options.pageToken });
    const answer = await call(keyspaces.listKeyspaces, request, options);
    return {
      keyspaces: answer.keyspaces.map(fromKeyspace),
      ...(answer.nextPageToken === '' ? {} : { nextPageToken: answer.nextPageToken }),
    };
  }

  return {
    async create(keyspace, options = {}) {
      const request = { keyspace: toNewKeyspace(keyspace), ...newRequest(options) };
      return toChanged(await call(keyspaces.createKeyspace, request, options));
    },

    async get(id, options = {}) {
      return fromKeyspace((await call(keyspaces.getKeyspace, { id }, options)).keyspace);
    },

    list,

    listAll({ pageSize = ALL_PAGE_SIZE } = {}, options = {}) {
      return allPages(async (pageToken) => {
        const page = await list({ pageSize }, { ...options, pageToken });
        return { ...page, entries: page.keyspaces };
      });
    },

    async update(id, change, options = {}) {
      const request = {
        keyspace: toChangedKeyspace(id, change, options.etag),
        updateMask: fieldMask(change, KEYSPACE_PATHS),
        ...newNarrowingRequest(options),
      };
      const answer = await call(keyspaces.updateKeyspace, request, options);
      return { ...toChanged(answer), ...fromEffect(answer) };
    },

    async delete(id, options = {}) {
      const { revision } = await call(keyspaces.deleteKeyspace, target(id, options), options);
      return { revision };
    },
  };
}

function toChanged(answer: {
  readonly keyspace: Parameters<typeof fromKeyspace>[0];
  readonly revision: string;
}): ChangedKeyspace {
  return { keyspace: fromKeyspace(answer.keyspace), revision: answer.revision };
}
