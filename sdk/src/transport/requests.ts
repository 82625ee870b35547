import { randomUUID } from 'node:crypto';
import { defined } from '../convert/defined.ts';
import type { ChangeOptions, MutationOptions, NarrowOptions, WaitOptions } from '../types/call.ts';

/** The id of a change, made once a call: all its tries have the same. */
export function newRequest({ requestId = randomUUID() }: MutationOptions): { readonly requestId: string } {
  return { requestId };
}

/** What every change of something that exists says of it. */
export function target(id: string, options: ChangeOptions): { readonly id: string; readonly etag?: string } {
  return { id, ...defined({ etag: options.etag }), ...newRequest(options) };
}

/** The id of a change that may take access away, and whether to wait for it. */
export function newNarrowingRequest(options: MutationOptions & WaitOptions): {
  readonly requestId: string;
  readonly wait?: boolean;
} {
  return { ...newRequest(options), ...defined({ wait: options.wait }) };
}

/** What every change of something that exists says of it, if it may take access away. */
export function narrowedTarget(
  id: string,
  options: NarrowOptions,
): ReturnType<typeof target> & { readonly wait?: boolean } {
  return { ...target(id, options), ...defined({ wait: options.wait }) };
}
