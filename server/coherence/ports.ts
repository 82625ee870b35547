import type { Revision } from '../../core/revision.ts';

/** Reads the head of the change log from the primary, over a connection of its own. */
export interface HeadReader {
  /** @throws when the database does not answer in time */
  read(): Promise<Revision>;
  close(): Promise<void>;
}
