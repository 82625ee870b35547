import type { ServiceImplementation } from 'nice-grpc';
import type { KeyRecord } from '../../core/key.ts';
import { FOREIGN_TOKEN_LENGTH_MAX } from '../../core/token.ts';
import { Key, KeyState } from '../../proto/gen/latchkey/v1/key.ts';
import { KeyView, type KeyServiceDefinition } from '../../proto/gen/latchkey/v1/key_service.ts';
import { createKey } from '../lifecycle/create-key.ts';
import { batchRevokeKeys } from '../lifecycle/batch-revoke-keys.ts';
import { deleteKey, undeleteKey } from '../lifecycle/delete-key.ts';
import { importKeys } from '../lifecycle/import-keys.ts';
import { listKeys } from '../lifecycle/list-keys.ts';
import type { Mutate, Mutated } from '../lifecycle/mutation.ts';
import type { Repositories } from '../lifecycle/ports.ts';
import { getEffectiveKey, getKey, lookupPrefix, lookupToken } from '../lifecycle/read-key.ts';
import { reportLeakedKey } from '../lifecycle/report-leaked-key.ts';
import { cancelRotation, completeRotation, rotateKey } from '../lifecycle/rotate-key.ts';
import { revokeKey } from '../lifecycle/revoke-key.ts';
import { disableKey, enableKey } from '../lifecycle/switch-key.ts';
import { updateKey } from '../lifecycle/update-key.ts';
import { isLongerThan, readFields, type Fields } from './convert/fields.ts';
import { readImport, toImportResult } from './convert/import.ts';
import { readAttributes, readChange, toKey } from './convert/key.ts';
import { readChoice, readList } from './convert/list.ts';
import { toEffect } from './convert/effect.ts';
import { toEffectiveRules } from './convert/rules.ts';
import { ETAG_MAX, readNote, readReason, readTarget } from './convert/target.ts';
import type { CallerContext } from './middleware.ts';

const IMPORT_MAX = 1000;
/** A year. */
const OVERLAP_MAX_MS = 365 * 24 * 60 * 60 * 1000;

/** KeyService: convert, command, convert. */
export function createKeyService(options: {
  readonly store: Repositories;
  readonly mutate: Mutate;
  readonly nowMs: () => number;
}): ServiceImplementation<KeyServiceDefinition, CallerContext> {
  const { store, mutate, nowMs } = options;

  const keyAnswer = ({ key, revision }: Mutated<{ readonly key: KeyRecord }>) => ({
    key: toKey(key, nowMs()),
    revision,
  });
  const narrowed = (answer: Mutated<{ readonly key: KeyRecord }>) => ({
    ...keyAnswer(answer),
    ...toEffect(answer),
  });

  return {
    async createKey({ key = Key.fromPartial({}), ttl, requestId }, { caller }) {
      const fields = readFields();
      if (key.id !== '') fields.refuse('key.id', 'is chosen by the server; leave it empty');
      if (key.state !== KeyState.KEY_STATE_UNSPECIFIED) {
        fields.refuse('key.state', 'cannot be chosen: a new key is active; call DisableKey to switch it off');
      }
      if (ttl !== undefined && key.expireTime !== undefined)
        fields.refuse('ttl', 'cannot be given with key.expire_time');
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        keyspaceId: fields.keyspaceId('key.keyspace_id', key.keyspaceId),
        attributes: readAttributes(fields, key),
        expireTimeMs: fields.time('key.expire_time', key.expireTime),
        ttlMs: fields.ttl('ttl', ttl),
      };
      fields.finish();
      const created = await createKey(mutate, request);
      return { ...keyAnswer(created), token: created.token };
    },

    async getKey({ id, view }, { caller }) {
      const fields = readFields();
      fields.keyId('id', id);
      if (!VIEWS.has(view)) fields.refuse('view', 'is not a view');
      fields.finish();
      if (view !== KeyView.KEY_VIEW_EFFECTIVE)
        return { key: toKey(await getKey(store, caller, id), nowMs()) };
      const { key, owner, ...effective } = await getEffectiveKey(store, caller, id);
      return { key: toKey(key, nowMs()), effective: toEffectiveRules(effective, owner) };
    },

    async listKeys(message, { caller }) {
      const fields = readFields();
      const list = readList(fields, message);
      fields.finish();
      const now = nowMs();
      const { keys, nextPageToken } = await listKeys(store, { ...list, caller, nowMs: now });
      return { keys: keys.map((key) => toKey(key, now)), nextPageToken };
    },

    async updateKey({ key = Key.fromPartial({}), updateMask, requestId, wait = true }, { caller }) {
      const fields = readFields();
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        id: fields.keyId('key.id', key.id),
        etag: fields.text('key.etag', key.etag, { max: ETAG_MAX }),
        change: readChange(fields, key, updateMask),
        wait,
      };
      fields.finish();
      return narrowed(await updateKey(mutate, request));
    },

    async enableKey(message, { caller }) {
      return keyAnswer(await enableKey(mutate, readTarget(message, caller, readId)));
    },

    async disableKey(message, { caller }) {
      return narrowed(await disableKey(mutate, readTarget(message, caller, readId)));
    },

    async revokeKey(message, { caller }) {
      const fields = readFields();
      const reason = readReason(fields, message);
      return narrowed(await revokeKey(mutate, { ...reason, ...readTarget(message, caller, readId, fields) }));
    },

    async deleteKey(message, { caller }) {
      return narrowed(await deleteKey(mutate, readTarget(message, caller, readId)));
    },

    async undeleteKey(message, { caller }) {
      return keyAnswer(await undeleteKey(mutate, readTarget(message, caller, readId)));
    },

    async lookupKey({ by }, { caller }) {
      const fields = readFields();
      if (by === undefined) fields.refuse('by', 'must be one of token and prefix');
      // A text that is too long is no token and no prefix; it is not told back.
      else {
        const max = by.$case === 'token' ? FOREIGN_TOKEN_LENGTH_MAX : 256;
        if (isLongerThan(by.value, max)) fields.refuse(by.$case, `must have at most ${max} characters`);
      }
      fields.finish();
      const { $case, value } = by as NonNullable<typeof by>;
      const key = await ($case === 'token' ? lookupToken : lookupPrefix)(store, caller, value);
      return { key: toKey(key, nowMs()) };
    },

    async batchRevokeKeys(message, { caller }) {
      const fields = readFields();
      const { validateOnly } = message;
      const request = {
        caller,
        requestId: fields.requestId(message.requestId),
        choice: readChoice(fields, message),
        ...readReason(fields, message),
        validateOnly,
        wait: message.wait ?? true,
      };
      fields.finish();
      const revoked = await batchRevokeKeys(mutate, request);
      return {
        count: BigInt(revoked.count),
        sampleIds: [...revoked.sampleIds],
        revision: revoked.revision,
        ...(validateOnly ? {} : toEffect(revoked)),
      };
    },

    async importKeys({ keyspaceId, keys, requestId }, { caller }) {
      const fields = readFields();
      if (keys.length === 0 || keys.length > IMPORT_MAX)
        fields.refuse('keys', `must have 1 to ${IMPORT_MAX} entries, has ${keys.length}`);
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        keyspaceId: fields.keyspaceId('keyspace_id', keyspaceId),
      };
      fields.finish();
      const entries = keys.map((key) => readImport(key, keyspaceId));
      const { results, revision } = await importKeys(mutate, { ...request, entries });
      return { results: results.map(toImportResult), revision };
    },

    async reportLeakedKey({ token, note, requestId, wait = true }, { caller }) {
      const fields = readFields();
      if (token === '') fields.refuse('token', 'must not be empty');
      else if (isLongerThan(token, FOREIGN_TOKEN_LENGTH_MAX))
        fields.refuse('token', `must have at most ${FOREIGN_TOKEN_LENGTH_MAX} characters`);
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        token,
        wait,
        note: readNote(fields, note),
      };
      fields.finish();
      return narrowed(await reportLeakedKey(mutate, request));
    },

    async rotateKey(message, { caller }) {
      const fields = readFields();
      const overlapMs = fields.span('overlap', message.overlap, OVERLAP_MAX_MS);
      const rotated = await rotateKey(mutate, { ...readTarget(message, caller, readId, fields), overlapMs });
      return { ...narrowed(rotated), token: rotated.token };
    },

    async completeRotation(message, { caller }) {
      return narrowed(await completeRotation(mutate, readTarget(message, caller, readId)));
    },

    async cancelRotation(message, { caller }) {
      return narrowed(await cancelRotation(mutate, readTarget(message, caller, readId)));
    },
  };
}

const VIEWS: ReadonlySet<KeyView> = new Set([
  KeyView.KEY_VIEW_UNSPECIFIED,
  KeyView.KEY_VIEW_BASIC,
  KeyView.KEY_VIEW_EFFECTIVE,
]);

const readId = (fields: Fields, { id }: { readonly id: string }): { readonly id: string } => ({
  id: fields.keyId('id', id),
});
