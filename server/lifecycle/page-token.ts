import { createHash } from 'node:crypto';
import { stringify } from 'safe-stable-stringify';
import { invalidFields } from '../../core/fault.ts';

/**
 * Page tokens: where the next page begins, bound to the question that was asked, so that a token of another list is
 * refused instead of skipping rows. They hold no secret and grant nothing: a caller's reach is applied anew to each
 * page.
 */
export function encodePageToken(question: unknown, position: object): string {
  return Buffer.from(JSON.stringify({ q: fingerprint(question), p: position })).toString('base64url');
}

/** The position in a page token; undefined for an empty one. @throws Fault INVALID_FIELD */
export function decodePageToken<T>(
  token: string,
  question: unknown,
  read: (position: object) => T | undefined,
): T | undefined {
  if (token === '') return undefined;
  const refuse = (description: string): Error => invalidFields([{ field: 'page_token', description }]);
  const { q, p } = parse(token);
  const position = typeof p === 'object' && p !== null ? read(p) : undefined;
  if (position === undefined) throw refuse('is not a page token of this list');
  if (q !== fingerprint(question))
    throw refuse('belongs to a list with another filter or order; start from the first page');
  return position;
}

function parse(token: string): { readonly q?: unknown; readonly p?: unknown } {
  try {
    return (JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as object | null) ?? {};
  } catch {
    return {};
  }
}

function fingerprint(question: unknown): string {
  return createHash('sha256')
    .update(stringify(question) ?? '')
    .digest('base64url')
    .slice(0, 16);
}
