import { randomUUID } from 'node:crypto';
import { defined } from '../convert/defined.ts';
import type { ChangeOptions, MutationOptions } from '../types/call.ts';

/** The id of a change, made once a call: all its tries have the same. */
export function newRequest({ requestId = randomUUID() }: MutationOptions): { readonly requestId: string } {
  return { requestId };
}

/** What every change of something that exists says of it. */
export function target(id: string, options: ChangeOptions): { readonly id: string; readonly etag?: string } {
  return { id, ...defined({ etag: options.etag }), ...newRequest(options) };
}
