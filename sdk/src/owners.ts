import type { Owner as OwnerMessage } from '../../proto/gen/latchkey/v1/owner_service.ts';
import { defined } from './convert/defined.ts';
import { fromEffect, fromEffectIfAny } from './convert/effect.ts';
import { fieldMask } from './convert/field-mask.ts';
import {
  fromKeyCounts,
  fromOwner,
  KEYS_FATES,
  OWNER_PATHS,
  toChangedOwner,
  toNewOwner,
} from './convert/owner.ts';
import type { Connection } from './transport/connection.ts';
import { ALL_PAGE_SIZE, allPages } from './transport/pages.ts';
import { narrowedTarget, newNarrowingRequest, newRequest, target } from './transport/requests.ts';
import type {
  CallOptions,
  ChangeOptions,
  DeleteOwnerOptions,
  MutationOptions,
  NarrowOptions,
  PageOptions,
  SuspendOptions,
} from './types/call.ts';
import type {
  ChangedOwner,
  CountedOwner,
  DeletedOwner,
  NarrowedOwner,
  NewOwner,
  Owner,
  OwnerChange,
  OwnerPage,
  OwnerQuery,
  OwnerRef,
  SuspendedOwner,
} from './types/owner.ts';

/**
 * Owners: the users, apps, tenants and services that keys belong to. One that a key names for the first time is
 * created. An owner of a keyspace that the root token may not touch is NOT_FOUND.
 *
 * Every method is rejected with a LatchkeyError; changes with ABORTED if the `etag` does not match (ETAG_MISMATCH).
 */
export interface Owners {
  /** Creates an owner. Scope `keys:write`. ALREADY_EXISTS, reason OWNER_EXISTS, if there is one of this id. */
  create(owner: NewOwner, options?: MutationOptions): Promise<ChangedOwner>;
  /** Reads one owner and counts its keys. Scope `keys:read`. */
  get(owner: OwnerRef, options?: CallOptions): Promise<CountedOwner>;
  /** Reads one page of owners of a keyspace, by their id. Scope `keys:read`. */
  list(query: OwnerQuery, options?: PageOptions): Promise<OwnerPage>;
  /** All owners of a keyspace, page by page while you iterate; `deadlineMs` is for each page. Scope `keys:read`. */
  listAll(query: OwnerQuery, options?: CallOptions): AsyncIterableIterator<Owner>;
  /** Changes the properties that `change` has. Scope `keys:write`. */
  update(owner: OwnerRef, change: OwnerChange, options?: NarrowOptions): Promise<NarrowedOwner>;
  /**
   * Stops all keys of an owner, those that are made later too, until `resume`: they are OWNER_SUSPENDED. Scope
   * `keys:write` or `keys:revoke`.
   */
  suspend(owner: OwnerRef, options?: SuspendOptions): Promise<SuspendedOwner>;
  /** Lets the keys of a suspended owner pass again. Scope `keys:write`. */
  resume(owner: OwnerRef, options?: ChangeOptions): Promise<ChangedOwner>;
  /**
   * Deletes an owner that has no keys, or whose keys are given a fate (`keysFate`). Scope `keys:write`.
   * FAILED_PRECONDITION, reason OWNER_IN_USE, with the number of keys in `metadata.keys`, if it has keys without one.
   */
  delete(owner: OwnerRef, options?: DeleteOwnerOptions): Promise<DeletedOwner>;
}

/** @internal */
export function createOwners({ owners, call }: Connection): Owners {
  async function list(query: OwnerQuery, options: PageOptions = {}): Promise<OwnerPage> {
    const { keyspaceId, suspendedOnly, pageSize } = query;
    const request = { keyspaceId, ...defined({ suspendedOnly, pageSize, pageToken: options.pageToken }) };
    const answer = await call(owners.listOwners, request, options);
    return {
      owners: answer.owners.map(fromOwner),
      ...(answer.nextPageToken === '' ? {} : { nextPageToken: answer.nextPageToken }),
    };
  }

  return {
    async create(owner, options = {}) {
      const request = { owner: toNewOwner(owner), ...newRequest(options) };
      return toChanged(await call(owners.createOwner, request, options));
    },

    async get({ keyspaceId, id }, options = {}) {
      const { owner, keys } = await call(owners.getOwner, { keyspaceId, id }, options);
      return { ...fromOwner(owner), keys: fromKeyCounts(keys) };
    },

    list,

    listAll(query, options = {}) {
      const { pageSize = ALL_PAGE_SIZE } = query;
      return allPages(async (pageToken) => {
        const page = await list({ ...query, pageSize }, { ...options, pageToken });
        return { ...page, entries: page.owners };
      });
    },

    async update(owner, change, options = {}) {
      const request = {
        owner: toChangedOwner(owner, change, options.etag),
        updateMask: fieldMask(change, OWNER_PATHS),
        ...newNarrowingRequest(options),
      };
      const answer = await call(owners.updateOwner, request, options);
      return { ...toChanged(answer), ...fromEffect(answer) };
    },

    async suspend({ keyspaceId, id }, options = {}) {
      const { reason, note, validateOnly } = options;
      const request = {
        keyspaceId,
        ...narrowedTarget(id, options),
        ...defined({ reason, note, validateOnly }),
      };
      const answer = await call(owners.suspendOwner, request, options);
      return {
        ...toChanged(answer),
        keys: fromKeyCounts(answer.keys),
        ...fromEffectIfAny(answer, options),
      };
    },

    async resume({ keyspaceId, id }, options = {}) {
      return toChanged(await call(owners.resumeOwner, { keyspaceId, ...target(id, options) }, options));
    },

    async delete({ keyspaceId, id }, options = {}) {
      const { keysFate, validateOnly } = options;
      const request = {
        keyspaceId,
        ...narrowedTarget(id, options),
        ...defined({
          keysFate: keysFate === undefined ? undefined : KEYS_FATES[keysFate],
          validateOnly,
        }),
      };
      const answer = await call(owners.deleteOwner, request, options);
      return {
        keys: fromKeyCounts(answer.keys),
        sampleIds: answer.sampleIds,
        revision: answer.revision,
        ...fromEffectIfAny(answer, options),
      };
    },
  };
}

function toChanged(answer: {
  readonly owner: OwnerMessage | undefined;
  readonly revision: string;
}): ChangedOwner {
  return { owner: fromOwner(answer.owner), revision: answer.revision };
}
