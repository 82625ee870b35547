import type { ServiceImplementation } from 'nice-grpc';
import type { KeyspaceRecord } from '../../core/key.ts';
import { Keyspace, type KeyspaceServiceDefinition } from '../../proto/gen/latchkey/v1/keyspace_service.ts';
import {
  createKeyspace,
  deleteKeyspace,
  getKeyspace,
  listKeyspaces,
  updateKeyspace,
} from '../lifecycle/keyspaces.ts';
import type { Mutate, Mutated } from '../lifecycle/mutation.ts';
import type { Repositories } from '../lifecycle/ports.ts';
import { toEffect } from './convert/effect.ts';
import { readFields } from './convert/fields.ts';
import { readKeyspaceAttributes, readKeyspaceChange, readSlug, toKeyspace } from './convert/keyspace.ts';
import { PAGE_TOKEN_MAX } from './convert/list.ts';
import { ETAG_MAX, readTarget } from './convert/target.ts';
import type { CallerContext } from './middleware.ts';

/** KeyspaceService: convert, command, convert. */
export function createKeyspaceService(options: {
  readonly store: Repositories;
  readonly mutate: Mutate;
}): ServiceImplementation<KeyspaceServiceDefinition, CallerContext> {
  const { store, mutate } = options;
  const answer = ({ keyspace, revision }: Mutated<{ readonly keyspace: KeyspaceRecord }>) => ({
    keyspace: toKeyspace(keyspace),
    revision,
  });

  return {
    async createKeyspace({ keyspace = Keyspace.fromPartial({}), requestId }, { caller }) {
      const fields = readFields();
      if (keyspace.id !== '') fields.refuse('keyspace.id', 'is chosen by the server; leave it empty');
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        slug: readSlug(fields, keyspace),
        attributes: readKeyspaceAttributes(fields, keyspace),
      };
      fields.finish();
      return answer(await createKeyspace(mutate, request));
    },

    async getKeyspace({ id }, { caller }) {
      const fields = readFields();
      fields.keyspaceId('id', id);
      fields.finish();
      return { keyspace: toKeyspace(await getKeyspace(store, caller, id)) };
    },

    async listKeyspaces(message, { caller }) {
      const fields = readFields();
      const pageSize = fields.pageSize(message.pageSize);
      const pageToken = fields.text('page_token', message.pageToken, { max: PAGE_TOKEN_MAX });
      fields.finish();
      const { keyspaces, nextPageToken } = await listKeyspaces(store, { caller, pageSize, pageToken });
      return { keyspaces: keyspaces.map(toKeyspace), nextPageToken };
    },

    async updateKeyspace(
      { keyspace = Keyspace.fromPartial({}), updateMask, requestId, wait = true },
      { caller },
    ) {
      const fields = readFields();
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        id: fields.keyspaceId('keyspace.id', keyspace.id),
        etag: fields.text('keyspace.etag', keyspace.etag, { max: ETAG_MAX }),
        change: readKeyspaceChange(fields, keyspace, updateMask),
        wait,
      };
      fields.finish();
      const updated = await updateKeyspace(mutate, request);
      return { ...answer(updated), ...toEffect(updated) };
    },

    async deleteKeyspace(message, { caller }) {
      const target = readTarget(message, caller, (fields, { id }) => ({ id: fields.keyspaceId('id', id) }));
      const { revision } = await deleteKeyspace(mutate, target);
      return { revision };
    },
  };
}
