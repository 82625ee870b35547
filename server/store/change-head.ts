import type { Knex } from 'knex';
import type { Revision } from '../../core/revision.ts';
import type { Repositories } from '../lifecycle/ports.ts';

/** There is one shard; the column stands for the day when one row is too narrow a gate. */
const SHARD = 0;

interface Row {
  readonly shard: number;
  readonly seq: string;
}

/**
 * The head of the change log. Its row is updated as the last act of every mutation and stays locked to the commit, so
 * positions are gapless and in the order of the commits on any SQL database.
 */
export function createChangeHead(knex: Knex): Repositories['changes'] {
  return {
    async head() {
      return revision(await knex<Row>('change_head').select('seq').where({ shard: SHARD }));
    },
    async advance() {
      return revision(
        await knex<Row>('change_head').where({ shard: SHARD }).increment('seq', 1).returning('seq'),
      );
    },
  };
}

function revision(rows: readonly Pick<Row, 'seq'>[]): Revision {
  const [row] = rows;
  if (row === undefined)
    throw new Error('the table change_head has no row: the schema was not migrated whole');
  return { shard: SHARD, seq: Number(row.seq) };
}
