import type { ServiceImplementation } from 'nice-grpc';
import type { OwnerRecord } from '../../core/owner.ts';
import { Owner, type OwnerServiceDefinition } from '../../proto/gen/latchkey/v1/owner_service.ts';
import type { Mutate, Mutated } from '../lifecycle/mutation.ts';
import {
  createOwner,
  deleteOwner,
  getOwner,
  listOwners,
  resumeOwner,
  suspendOwner,
  updateOwner,
} from '../lifecycle/owners.ts';
import type { Repositories } from '../lifecycle/ports.ts';
import { toEffect } from './convert/effect.ts';
import { readFields, type Fields } from './convert/fields.ts';
import { PAGE_TOKEN_MAX } from './convert/list.ts';
import {
  readKeysFate,
  readOwnerAttributes,
  readOwnerChange,
  readOwnerId,
  toKeyCounts,
  toOwner,
} from './convert/owner.ts';
import { ETAG_MAX, readReason, readTarget } from './convert/target.ts';
import type { CallerContext } from './middleware.ts';

/** OwnerService: convert, command, convert. */
export function createOwnerService(options: {
  readonly store: Repositories;
  readonly mutate: Mutate;
  readonly nowMs: () => number;
}): ServiceImplementation<OwnerServiceDefinition, CallerContext> {
  const { store, mutate, nowMs } = options;
  const answer = ({ owner, revision }: Mutated<{ readonly owner: OwnerRecord }>) => ({
    owner: toOwner(owner, nowMs()),
    revision,
  });

  return {
    async createOwner({ owner = Owner.fromPartial({}), requestId }, { caller }) {
      const fields = readFields();
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        keyspaceId: fields.keyspaceId('owner.keyspace_id', owner.keyspaceId),
        id: readOwnerId(fields, 'owner.id', owner.id),
        attributes: readOwnerAttributes(fields, owner),
      };
      fields.finish();
      return answer(await createOwner(mutate, request));
    },

    async getOwner(message, { caller }) {
      const fields = readFields();
      const name = readName(fields, message);
      fields.finish();
      const now = nowMs();
      const { owner, keys } = await getOwner(store, caller, name, now);
      return { owner: toOwner(owner, now), keys: toKeyCounts(keys) };
    },

    async listOwners(message, { caller }) {
      const fields = readFields();
      const request = {
        caller,
        keyspaceId: fields.keyspaceId('keyspace_id', message.keyspaceId),
        suspendedOnly: message.suspendedOnly,
        pageSize: fields.pageSize(message.pageSize),
        pageToken: fields.text('page_token', message.pageToken, { max: PAGE_TOKEN_MAX }),
      };
      fields.finish();
      const { owners, nextPageToken } = await listOwners(store, request);
      const now = nowMs();
      return { owners: owners.map((owner) => toOwner(owner, now)), nextPageToken };
    },

    async updateOwner({ owner = Owner.fromPartial({}), updateMask, requestId, wait = true }, { caller }) {
      const fields = readFields();
      const request = {
        caller,
        requestId: fields.requestId(requestId),
        keyspaceId: fields.keyspaceId('owner.keyspace_id', owner.keyspaceId),
        id: readOwnerId(fields, 'owner.id', owner.id),
        etag: fields.text('owner.etag', owner.etag, { max: ETAG_MAX }),
        change: readOwnerChange(fields, owner, updateMask),
        wait,
      };
      fields.finish();
      const updated = await updateOwner(mutate, request);
      return { ...answer(updated), ...toEffect(updated) };
    },

    async suspendOwner(message, { caller }) {
      const fields = readFields();
      const reason = readReason(fields, message);
      const { validateOnly } = message;
      const target = readTarget(message, caller, readName, fields);
      const suspended = await suspendOwner(mutate, { ...target, ...reason, validateOnly });
      return {
        ...answer(suspended),
        keys: toKeyCounts(suspended.keys),
        ...(validateOnly ? {} : toEffect(suspended)),
      };
    },

    async resumeOwner(message, { caller }) {
      return answer(await resumeOwner(mutate, readTarget(message, caller, readName)));
    },

    async deleteOwner(message, { caller }) {
      const fields = readFields();
      const keysFate = readKeysFate(fields, message.keysFate);
      const { validateOnly } = message;
      const target = readTarget(message, caller, readName, fields);
      const deleted = await deleteOwner(mutate, { ...target, keysFate, validateOnly });
      return {
        keys: toKeyCounts(deleted.keys),
        sampleIds: [...deleted.sampleIds],
        revision: deleted.revision,
        ...(validateOnly ? {} : toEffect(deleted)),
      };
    },
  };
}

/** How an owner is named. */
function readName(
  fields: Fields,
  { keyspaceId, id }: { readonly keyspaceId: string; readonly id: string },
): { readonly keyspaceId: string; readonly id: string } {
  return { keyspaceId: fields.keyspaceId('keyspace_id', keyspaceId), id: readOwnerId(fields, 'id', id) };
}
