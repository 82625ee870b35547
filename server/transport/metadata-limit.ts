import { Fault } from '../../core/fault.ts';

/** Metadata by name, as grpc-js (`toJSON`) and nice-grpc (the iterator) tell it. */
export type MetadataEntries = Iterable<readonly [name: string, values: readonly (string | Uint8Array)[]]>;

/**
 * Node bounds one header (64 KiB) and their number (128) but not their sum, and grpc-js has no setting for it.
 * @throws Fault METADATA_TOO_LARGE
 */
export function requireSmallMetadata(entries: MetadataEntries, maxBytes: number): void {
  let bytes = 0;
  for (const [name, values] of entries) {
    for (const value of values) bytes += name.length + value.length;
  }
  if (bytes <= maxBytes) return;
  throw new Fault(
    'METADATA_TOO_LARGE',
    `the metadata of the call has ${bytes} bytes, of at most ${maxBytes}`,
  );
}
