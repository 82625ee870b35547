import type { Key as KeyMessage } from '../../proto/gen/latchkey/v1/key.ts';
import { KeyView } from '../../proto/gen/latchkey/v1/key_service.ts';
import type { Connection } from './transport/connection.ts';
import { defined } from './convert/defined.ts';
import { fromEffect, fromEffectIfAny } from './convert/effect.ts';
import { fieldMask } from './convert/field-mask.ts';
import {
  fromImportResult,
  fromKey,
  KEY_PATHS,
  toChangedKey,
  toImportedKey,
  toKeyChoice,
  toKeyFilter,
  toNewKey,
} from './convert/key.ts';
import { fromEffectiveRules } from './convert/rules.ts';
import { toDuration } from './convert/times.ts';
import { unexpectedResponse } from './errors.ts';
import { ALL_PAGE_SIZE, allPages } from './transport/pages.ts';
import { narrowedTarget, newNarrowingRequest, newRequest, target } from './transport/requests.ts';
import type {
  BatchRevokeOptions,
  CallOptions,
  ChangeOptions,
  LeakOptions,
  MutationOptions,
  NarrowOptions,
  PageOptions,
  RevokeOptions,
  RotateOptions,
} from './types/call.ts';
import type {
  ChangedKey,
  CreatedKey,
  EffectiveKey,
  ImportedKey,
  ImportedKeys,
  Key,
  KeyChange,
  KeyChoice,
  KeyLookup,
  KeyPage,
  KeyQuery,
  NarrowedKey,
  NewKey,
  RevokedKeys,
  RotatedKey,
} from './types/key.ts';

/**
 * The lifecycle of keys. A key of a keyspace that the root token may not touch is NOT_FOUND. Every change is made whole
 * or not at all; one whose aim is reached already succeeds and changes nothing.
 *
 * Every method is rejected with a LatchkeyError. Changes fail with FAILED_PRECONDITION if the key is revoked
 * (KEY_REVOKED) or deleted (KEY_DELETED), and with ABORTED if the `etag` does not match (ETAG_MISMATCH).
 */
export interface Keys {
  /** Creates a key and returns its token, which is shown only here. Scope `keys:write`. */
  create(key: NewKey, options?: MutationOptions): Promise<CreatedKey>;
  /** Reads one key by its id, a deleted one too until it is purged. Scope `keys:read`. */
  get(id: string, options?: CallOptions): Promise<Key>;
  /** Reads one key with the rules in effect, its own and those of its policies. Scope `keys:read`. */
  getEffective(id: string, options?: CallOptions): Promise<EffectiveKey>;
  /** Reads one page of keys. Scope `keys:read`. */
  list(query?: KeyQuery, options?: PageOptions): Promise<KeyPage>;
  /**
   * All keys of all pages, which are read while you iterate; `deadlineMs` is for each page. Scope `keys:read`.
   *
   * A key that is created or deleted meanwhile may or may not be among them.
   */
  listAll(query?: KeyQuery, options?: CallOptions): AsyncIterableIterator<Key>;
  /** Changes the properties that `change` has. Scope `keys:write`. */
  update(id: string, change: KeyChange, options?: NarrowOptions): Promise<NarrowedKey>;
  /** Switches a disabled key on again. Scope `keys:write`. */
  enable(id: string, options?: ChangeOptions): Promise<ChangedKey>;
  /** Switches a key off until `enable`. Scope `keys:write` or `keys:revoke`. */
  disable(id: string, options?: NarrowOptions): Promise<NarrowedKey>;
  /**
   * Gives a key a new secret and returns the token with it, which is shown only here; for `overlapMs` the old one passes
   * too. The key keeps its id and its rules; an imported one gets a token of Latchkey's own. Scope `keys:write`.
   * FAILED_PRECONDITION, reason ROTATION_UNDER_WAY, with an overlap while the last one's is not over.
   *
   * Other replicas know the new secret within milliseconds if the old one ended, else within the server's
   * `LATCHKEY_POLL_MS` (0.2 s). Who must not wait verifies with `minRevision`.
   */
  rotate(id: string, options?: RotateOptions): Promise<RotatedKey>;
  /** Ends the old secret of a rotation now, before its overlap is over. Scope `keys:write`. */
  completeRotation(id: string, options?: NarrowOptions): Promise<NarrowedKey>;
  /**
   * Ends the new secret of a rotation now; the old one goes on without an end. Scope `keys:write`. FAILED_PRECONDITION,
   * reason NO_ROTATION, if there is no rotation or its overlap is over.
   */
  cancelRotation(id: string, options?: NarrowOptions): Promise<NarrowedKey>;
  /** Ends a key for good. Scope `keys:revoke`. */
  revoke(id: string, options?: RevokeOptions): Promise<NarrowedKey>;
  /**
   * Revokes all keys that match every condition of `choice`, in one transaction; with `validateOnly` it only counts them.
   * Scope `keys:revoke`. FAILED_PRECONDITION, reason TOO_MANY_KEYS, if more than 100,000 match.
   */
  batchRevoke(choice: KeyChoice, options?: BatchRevokeOptions): Promise<RevokedKeys>;
  /**
   * Takes in 1 to 1000 keys that were issued elsewhere, by the digests of their tokens, which go on working. One that
   * cannot be taken in does not keep the others out; one that is here already is left as it is. Scope `keys:write`.
   */
  import(keyspaceId: string, keys: readonly ImportedKey[], options?: MutationOptions): Promise<ImportedKeys>;
  /**
   * Revokes the key of a token that was found in the open, also an imported one, with the reason `leaked`. Scope
   * `keys:revoke`. NOT_FOUND if there is no key with this token.
   */
  reportLeaked(token: string, options?: LeakOptions): Promise<NarrowedKey>;
  /** Deletes a key. It can be undeleted for 30 days; then it is purged. Scope `keys:write`. */
  delete(id: string, options?: NarrowOptions): Promise<NarrowedKey>;
  /** Brings a deleted key back, in the state that it had. Scope `keys:write`. */
  undelete(id: string, options?: ChangeOptions): Promise<ChangedKey>;
  /** Finds the key of a token, or of what may be known of one in public. Scope `keys:read`. */
  lookup(by: KeyLookup, options?: CallOptions): Promise<Key>;
}

/** @internal */
export function createKeys({ keys, call }: Connection): Keys {
  async function list(query: KeyQuery = {}, options: PageOptions = {}): Promise<KeyPage> {
    const { filter, order, pageSize } = query;
    const answer = await call(
      keys.listKeys,
      {
        ...(filter === undefined ? {} : { filter: toKeyFilter(filter) }),
        orderBy: order === 'OLDEST_FIRST' ? 'create_time' : 'create_time desc',
        ...defined({ pageSize, pageToken: options.pageToken }),
      },
      options,
    );
    return {
      keys: answer.keys.map(fromKey),
      ...(answer.nextPageToken === '' ? {} : { nextPageToken: answer.nextPageToken }),
    };
  }

  return {
    async create(key, options = {}) {
      const answer = await call(keys.createKey, { ...toNewKey(key), ...newRequest(options) }, options);
      return { ...toChanged(answer), token: answer.token };
    },

    async get(id, options = {}) {
      return fromKey((await call(keys.getKey, { id }, options)).key);
    },

    async getEffective(id, options = {}) {
      const answer = await call(keys.getKey, { id, view: KeyView.KEY_VIEW_EFFECTIVE }, options);
      return { key: fromKey(answer.key), effective: fromEffectiveRules(answer.effective) };
    },

    list,

    listAll(query = {}, options = {}) {
      return allPages(async (pageToken) => {
        const page = await list({ pageSize: ALL_PAGE_SIZE, ...defined(query) }, { ...options, pageToken });
        return { ...page, entries: page.keys };
      });
    },

    async update(id, change, options = {}) {
      const request = {
        key: toChangedKey(id, change, options.etag),
        updateMask: fieldMask(change, KEY_PATHS),
        ...newNarrowingRequest(options),
      };
      return toNarrowed(await call(keys.updateKey, request, options));
    },

    async enable(id, options = {}) {
      return toChanged(await call(keys.enableKey, target(id, options), options));
    },

    async disable(id, options = {}) {
      return toNarrowed(await call(keys.disableKey, narrowedTarget(id, options), options));
    },

    async rotate(id, options = {}) {
      const overlap = toDuration('overlap', options.overlapMs);
      const request = { ...narrowedTarget(id, options), ...defined({ overlap }) };
      const answer = await call(keys.rotateKey, request, options);
      return { ...toNarrowed(answer), token: answer.token };
    },

    async completeRotation(id, options = {}) {
      return toNarrowed(await call(keys.completeRotation, narrowedTarget(id, options), options));
    },

    async cancelRotation(id, options = {}) {
      return toNarrowed(await call(keys.cancelRotation, narrowedTarget(id, options), options));
    },

    async revoke(id, options = {}) {
      const { reason, note } = options;
      const request = { ...narrowedTarget(id, options), ...defined({ reason, note }) };
      return toNarrowed(await call(keys.revokeKey, request, options));
    },

    async batchRevoke(choice, options = {}) {
      const { reason, note, validateOnly } = options;
      const request = {
        ...toKeyChoice(choice),
        ...defined({ reason, note, validateOnly }),
        ...newNarrowingRequest(options),
      };
      const answer = await call(keys.batchRevokeKeys, request, options);
      const { count, sampleIds, revision } = answer;
      return { count: Number(count), sampleIds, revision, ...fromEffectIfAny(answer, options) };
    },

    async import(keyspaceId, entries, options = {}) {
      const request = { keyspaceId, keys: entries.map(toImportedKey), ...newRequest(options) };
      const { results, revision } = await call(keys.importKeys, request, options);
      if (results.length !== entries.length) {
        throw unexpectedResponse(`${results.length} results for ${entries.length} keys`);
      }
      return { results: results.map(fromImportResult), revision };
    },

    async reportLeaked(token, options = {}) {
      const request = { token, ...defined({ note: options.note }), ...newNarrowingRequest(options) };
      return toNarrowed(await call(keys.reportLeakedKey, request, options));
    },

    async delete(id, options = {}) {
      return toNarrowed(await call(keys.deleteKey, narrowedTarget(id, options), options));
    },

    async undelete(id, options = {}) {
      return toChanged(await call(keys.undeleteKey, target(id, options), options));
    },

    async lookup(by, options = {}) {
      const message =
        'token' in by
          ? ({ $case: 'token', value: by.token } as const)
          : ({ $case: 'prefix', value: by.prefix } as const);
      return fromKey((await call(keys.lookupKey, { by: message }, options)).key);
    },
  };
}

interface Answer {
  readonly key: KeyMessage | undefined;
  readonly revision: string;
}

function toChanged({ key, revision }: Answer): ChangedKey {
  return { key: fromKey(key), revision };
}

function toNarrowed(answer: Answer & Parameters<typeof fromEffect>[0]): NarrowedKey {
  return { ...toChanged(answer), ...fromEffect(answer) };
}
